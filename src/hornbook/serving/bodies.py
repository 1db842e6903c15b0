"""What comes in and goes out over HTTP, in OpenAI's shapes."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, ValidationError

from hornbook.inference import Completion, Sampling
from hornbook.retrieval import Hit
from hornbook.serving.errors import ApiError
from hornbook.serving.settings import Settings

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Part(BaseModel):
    """A part of a content; only text can be read."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["text"]
    text: StrictStr


class Message(BaseModel):
    """One turn. `developer` is what OpenAI now calls the system."""

    model_config = ConfigDict(extra="forbid")
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: StrictStr | list[Part]
    name: StrictStr | None = None
    tool_call_id: StrictStr | None = None
    refusal: None = None

    def plain(self) -> dict[str, str]:
        """As the chat template takes it."""
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": "system" if self.role == "developer" else self.role, "content": text}


class StreamOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")
    include_usage: StrictBool = False
    include_obfuscation: StrictBool = False


class TextFormat(BaseModel):
    model_config = ConfigDict(extra="forbid")
    type: Literal["text"]


class Extension(BaseModel):
    """What is Hornbook's own: whether a page may be looked up."""

    model_config = ConfigDict(extra="forbid")
    open_book: StrictBool = True


class ChatBody(BaseModel):
    """POST /v1/chat/completions. What cannot be done as asked is refused, never left undone in silence; fields that
    only label a request (`user`, `metadata`, `store`) are taken and not used."""

    model_config = ConfigDict(extra="forbid")

    model: StrictStr
    messages: list[Message] = Field(min_length=1, max_length=1000)
    stream: StrictBool | None = False
    stream_options: StreamOptions | None = None
    temperature: Annotated[Number, Field(ge=0, le=2)] | None = None
    top_p: Annotated[Number, Field(gt=0, le=1)] | None = None
    top_k: Annotated[StrictInt, Field(ge=0)] | None = None
    min_p: Annotated[Number, Field(ge=0, le=1)] | None = None
    max_tokens: Annotated[StrictInt, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[StrictInt, Field(ge=1)] | None = None
    stop: StrictStr | Annotated[list[StrictStr], Field(max_length=4)] | None = None
    seed: StrictInt | None = None
    n: Literal[1] | None = None
    frequency_penalty: Literal[0] | None = None
    presence_penalty: Literal[0] | None = None
    logprobs: Literal[False] | None = None
    response_format: TextFormat | None = None
    hornbook: Extension = Extension()
    user: StrictStr | None = None
    safety_identifier: StrictStr | None = None
    metadata: dict[str, str] | None = None
    store: StrictBool | None = None

    def plain_messages(self) -> list[dict[str, str]]:
        return [message.plain() for message in self.messages]

    def sampling(self, settings: Settings) -> Sampling:
        """How to sample, with the deployment's defaults; without a seed every answer is drawn anew."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return Sampling(
            temperature=settings.temperature if self.temperature is None else self.temperature,
            top_p=1.0 if self.top_p is None else self.top_p, top_k=self.top_k or 0, min_p=self.min_p or 0.0,
            max_tokens=self.max_completion_tokens or self.max_tokens or settings.max_tokens,
            stop=tuple(text for text in stop if text), seed=secrets.randbits(63) if self.seed is None else self.seed,
        )  # fmt: skip


def read_chat_body(data: bytes) -> ChatBody:
    """The request in the body. Raises ApiError (400) naming the field that is wrong."""
    try:
        given = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ApiError(400, f"The body is not JSON: {reason}") from None
    if not isinstance(given, dict):
        raise ApiError(400, "The body must be a JSON object.")
    try:
        return ChatBody.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"] if not _is_type(part))
        if first["type"] == "extra_forbidden":
            raise ApiError(400, f"Unrecognized request argument supplied: {field}", param=field) from None
        raise ApiError(400, f"{field}: {first['msg']}", param=field) from None


def _is_type(part: int | str) -> bool:
    """Pydantic names the branch of a union it tried, such as `list[Part]`; a client need not know."""
    return isinstance(part, str) and (part in ("str", "constrained-str") or "[" in part)


def completion_body(identifier: str, created: int, model: str, text: str, reason: str, completion: Completion | None,
                    pages: Sequence[Hit]) -> dict[str, Any]:
    """The answer in one piece."""
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
    return {
        "id": identifier, "object": "chat.completion", "created": created, "model": model, "choices": [choice],
        "usage": usage(completion), "hornbook": shown(pages),
    }  # fmt: skip


def chunk_body(identifier: str, created: int, model: str, delta: dict[str, str], reason: str | None = None,
               **more: Any) -> dict[str, Any]:
    """A piece of an answer."""
    choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
    return {
        "id": identifier, "object": "chat.completion.chunk", "created": created, "model": model, "choices": [choice],
        **more,
    }  # fmt: skip


def usage(completion: Completion | None) -> dict[str, int]:
    """Tokens read and sampled; none when the gate let nothing through to the model."""
    read, said = (completion.prompt_tokens, len(completion.ids)) if completion else (0, 0)
    return {"prompt_tokens": read, "completion_tokens": said, "total_tokens": read + said}


def shown(pages: Sequence[Hit]) -> dict[str, Any]:
    """The pages put before the model, for who wants to read them."""
    return {"pages": [{name: value for name, value in asdict(page).items() if name != "text"} for page in pages]}


def event(body: dict[str, Any]) -> str:
    """A server-sent event."""
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"
