"""What the bodies of several endpoints share: reading them, how to sample, counting tokens, events."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, TypeVar

import pydantic_core
from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, ValidationError
from starlette.concurrency import run_in_threadpool

from hornbook.inference import Completion, Sampling
from hornbook.serving.errors import ApiError, error_body
from hornbook.serving.settings import Settings
from hornbook.tokens.spoken import thought_tokens
from hornbook.tokens.tokenizer import Tokenizer

LARGE = 1 << 16  # bytes that are parsed away from the event loop
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Count = Annotated[StrictInt, Field(ge=1, le=1 << 31)]
TokenId = Annotated[StrictInt, Field(ge=0, le=1 << 31)]
TokenIds = Annotated[list[TokenId], Field(min_length=1, fail_fast=True)]
ROLES = ("system", "developer", "user", "assistant", "tool")
FORMATS = ("text", "json_object", "json_schema")
B = TypeVar("B", bound=BaseModel)


class Strict(BaseModel):
    """A body, or a part of one, that holds what is named and nothing else."""

    model_config = ConfigDict(extra="forbid")


class StreamOptions(Strict):
    include_usage: StrictBool = False
    include_obfuscation: Literal[False] = False
    continuous_usage_stats: Literal[False] = False


class SamplingBody(Strict):
    """How to choose tokens, in OpenAI's words, and vLLM's for what OpenAI lacks."""

    temperature: Annotated[Number, Field(ge=0, le=2)] | None = None
    top_p: Annotated[Number, Field(gt=0, le=1)] | None = None
    top_k: Annotated[StrictInt, Field(ge=-1, le=1 << 31)] | None = None
    min_p: Annotated[Number, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[Number, Field(gt=0, le=2)] | None = None
    presence_penalty: Annotated[Number, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[Number, Field(ge=-2, le=2)] | None = None
    logit_bias: Annotated[
        dict[Annotated[str, Field(pattern=r"^[0-9]{1,9}$")], Annotated[Number, Field(ge=-100, le=100)]],
        Field(max_length=1024),
    ] | None = None  # fmt: skip
    stop: StrictStr | Annotated[list[StrictStr], Field(max_length=4)] | None = None
    stop_token_ids: Annotated[list[TokenId], Field(max_length=64)] | None = None
    ignore_eos: StrictBool | None = None
    seed: Annotated[StrictInt, Field(ge=-(1 << 63), lt=1 << 63)] | None = None
    n: Annotated[StrictInt, Field(ge=1, le=16)] | None = None
    stream: StrictBool | None = False
    stream_options: StreamOptions | None = None
    user: StrictStr | None = None

    def chosen(self, settings: Settings, max_tokens: int | None, top_logprobs: int = 0) -> Sampling:
        """How to sample, with the deployment's defaults; without a seed every answer is drawn anew."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return Sampling(
            temperature=settings.temperature if self.temperature is None else self.temperature,
            top_p=1.0 if self.top_p is None else self.top_p, top_k=max(0, self.top_k or 0), min_p=self.min_p or 0.0,
            repetition_penalty=self.repetition_penalty or 1.0, presence_penalty=self.presence_penalty or 0.0,
            frequency_penalty=self.frequency_penalty or 0.0,
            logit_bias={int(token): bias for token, bias in (self.logit_bias or {}).items()},
            max_tokens=max_tokens or settings.max_tokens, stop=tuple(text for text in stop if text),
            stop_ids=tuple(self.stop_token_ids or ()), ignore_end=bool(self.ignore_eos),
            seed=secrets.randbits(63) if self.seed is None else self.seed, top_logprobs=top_logprobs,
        )  # fmt: skip

    @property
    def with_usage(self) -> bool:
        """Whether a stream ends with the count of its tokens."""
        return self.stream_options is not None and self.stream_options.include_usage


class PromptDetails(BaseModel):
    cached_tokens: int


class CompletionDetails(BaseModel):
    reasoning_tokens: int


class Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


async def read(kind: type[B], request: Request) -> B:
    """The body of a request. Raises ApiError (400) naming the field that is wrong."""
    data = await request.body()
    return await run_in_threadpool(parse, kind, data) if len(data) > LARGE else parse(kind, data)


def parse(kind: type[B], data: bytes) -> B:
    """The body in these bytes. Raises ApiError (400)."""
    try:
        given = pydantic_core.from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise ApiError(400, f"The body is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise ApiError(400, "The body must be a JSON object.")
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(_named(first["loc"]))[:200]
        if first["type"] == "extra_forbidden":
            raise ApiError(400, f"Unrecognized request argument supplied: {field}", param=field) from None
        raise ApiError(400, f"{field}: {first['msg'][:500]}", param=field) from None


def _named(place: Sequence[int | str]) -> Iterator[str]:
    """The fields on the way to a place. Pydantic names the branches of unions it tried, too: a type, the role of a
    message after its number, the type of a format after its field; a client need not know."""
    for before, part in zip((None, *place), place, strict=False):
        of_union = isinstance(part, str) and (part in ("str", "constrained-str") or "[" in part)
        role = part in ROLES and isinstance(before, int)
        form = part in FORMATS and before in ("response_format", "format")
        if not (of_union or role or form):
            yield str(part)


def usage(tokenizer: Tokenizer, *groups: Sequence[Completion]) -> dict[str, Any]:
    """Tokens read and sampled, of the answers to each prompt; none where the gate let nothing through to the model. A
    prompt of several answers is read, and counted, once."""
    read = sum(max((done.prompt_tokens for done in group), default=0) for group in groups)
    cached = sum(min((done.cached_tokens for done in group), default=0) for group in groups)
    said = sum(len(done.ids) for group in groups for done in group)
    thought = sum(thought_tokens(tokenizer, done.ids) for group in groups for done in group)
    return {
        "prompt_tokens": read, "completion_tokens": said, "total_tokens": read + said,
        "prompt_tokens_details": {"cached_tokens": cached}, "completion_tokens_details": {"reasoning_tokens": thought},
    }  # fmt: skip


def event(body: dict[str, Any], name: str | None = None) -> str:
    """A server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(body, ensure_ascii=False)}\n\n"


def error_event(error: ApiError) -> str:
    return event(error_body(error))


def identifier(kind: str) -> str:
    """A name for something that is answered."""
    return f"{kind}-{secrets.token_hex(12)}"
