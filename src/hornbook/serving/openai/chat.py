"""POST /v1/chat/completions."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, StrictBool, StrictInt, StrictStr, model_validator
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from hornbook.retrieval import Hit
from hornbook.serving.chat import Prepared
from hornbook.serving.errors import as_api_error
from hornbook.serving.openai import formats
from hornbook.serving.openai.common import (
    Count,
    SamplingBody,
    Strict,
    Usage,
    error_event,
    event,
    identifier,
    read,
    usage,
)
from hornbook.serving.openai.formats import Format, StructuredOutputs, TextFormat
from hornbook.serving.openai.messages import Messages, ToolCall
from hornbook.serving.openai.tools import Mode, NamedTool, Tools, chosen
from hornbook.serving.openai.tools import guide as calls_guide
from hornbook.serving.service import Service, unless_hung_up
from hornbook.serving.speech import Speech, Streamed, several
from hornbook.serving.told import Token
from hornbook.serving.voice import CallPiece, Piece, Voice


class Extension(Strict):
    """What is Hornbook's own: whether a page may be looked up."""

    open_book: StrictBool = True


class ChatBody(SamplingBody):
    """What cannot be done as asked is refused, never left undone in silence; fields that only label a request
    (`user`, `metadata`, `store`) are taken and not used."""

    model: StrictStr
    messages: Messages
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    logprobs: StrictBool | None = None
    top_logprobs: Annotated[StrictInt, Field(ge=0, le=20)] | None = None
    response_format: Format | None = None
    structured_outputs: StructuredOutputs | None = None
    tools: Tools | None = None
    tool_choice: Mode | NamedTool | None = None
    parallel_tool_calls: StrictBool | None = None
    hornbook: Extension = Extension()
    safety_identifier: StrictStr | None = None
    prompt_cache_key: StrictStr | None = None
    metadata: dict[str, str] | None = None
    store: StrictBool | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> ChatBody:
        if self.top_logprobs and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs")
        asked = isinstance(self.response_format, TextFormat | None), self.structured_outputs is None, not self.tools
        if sum(asked) < 2:
            raise ValueError("of response_format, structured_outputs and tools only one can be followed")
        return self

    @property
    def is_structured(self) -> bool:
        """Whether the whole answer has a form."""
        return self.structured_outputs is not None or not isinstance(self.response_format, TextFormat | None)

    def plain_messages(self) -> list[dict[str, Any]]:
        return [message.plain() for message in self.messages]


class ChoiceMessage(BaseModel):
    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None


class Choice(BaseModel):
    index: int
    message: ChoiceMessage
    finish_reason: Literal["stop", "length", "content_filter", "tool_calls"]
    logprobs: dict[str, Any] | None


class ChatCompletion(BaseModel):
    """The answer in one piece."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    hornbook: dict[str, Any]


class ChatCompletions:
    """Answers a conversation, in one piece or as it comes."""

    def __init__(self, service: Service):
        self._service = service

    async def create(self, request: Request) -> Response:
        """Answer a conversation, in one piece or as it comes."""
        body = await read(ChatBody, request)
        self._service.known(body.model)
        prepared = await run_in_threadpool(self._prepared, body)
        speech = Speech(
            self._service, several(prepared, body.n or 1), request.state.caller,
            lambda one: Voice(
                self._service.chat, one, is_plain=body.is_structured, calls=bool(body.tools),
                detailed=bool(body.logprobs),
            ),
        )  # fmt: skip
        head = {"id": identifier("chatcmpl"), "created": int(time.time()), "model": self._service.name}
        if body.stream:
            await speech.__aenter__()  # before the response begins, so that a refusal has its status
            return Streamed(speech, _events(speech, head, body, prepared.pages))
        return await unless_hung_up(request, _whole(speech, head, body, prepared.pages))

    def _prepared(self, body: ChatBody) -> Prepared:
        chat, messages = self._service.chat, body.plain_messages()
        for message in messages:
            self._service.check_size(message["content"], "messages")
        most = body.max_completion_tokens or body.max_tokens
        sampling = body.chosen(chat.settings, most, body.top_logprobs or 0)
        functions = [tool.function for tool in body.tools or ()]
        tools, must = chosen(functions, body.tool_choice)
        tokenizer = self._service.engine.tokenizer
        if body.is_structured:
            guide = formats.guide(tokenizer, body.structured_outputs or body.response_format)
        else:
            parallel = body.parallel_tool_calls is not False
            guide = calls_guide(tokenizer, functions, must, parallel=parallel) if tools else None
        return chat.prepare(messages, sampling, open_book=body.hornbook.open_book, tools=tools, guide=guide)


async def _whole(speech: Speech, head: dict[str, Any], body: ChatBody, pages: Sequence[Hit]) -> Response:
    async with speech:
        choices = [_choice(index, pieces, body) for index, pieces in (await speech.whole()).items()]
    return JSONResponse({
        **head, "object": "chat.completion", "choices": choices, "hornbook": shown(pages),
        "usage": usage(speech.tokenizer, [*speech.completions.values()]),
    })  # fmt: skip


def _choice(index: int, pieces: Sequence[Piece], body: ChatBody) -> dict[str, Any]:
    content = "".join(piece.content for piece in pieces)
    logprobs = _logprobs([token for piece in pieces for token in piece.tokens]) if body.logprobs else None
    calls = [call for piece in pieces for call in piece.calls]
    message: dict[str, Any] = {"role": "assistant", "content": content if content or not calls else None}
    message["refusal"] = None
    if reasoning := "".join(piece.reasoning for piece in pieces):
        message["reasoning_content"] = reasoning
    if calls:
        message["tool_calls"] = [_call(call) for call in calls]
    return {"index": index, "message": message, "finish_reason": pieces[-1].reason, "logprobs": logprobs}


async def _events(
    speech: Speech, head: dict[str, Any], body: ChatBody, pages: Sequence[Hit]
) -> AsyncIterator[str]:
    head = {**head, "object": "chat.completion.chunk"}

    def chunk(index: int, delta: dict[str, Any], reason: str | None = None, logprobs: Any = None, **more: Any) -> str:
        choice = {"index": index, "delta": delta, "finish_reason": reason, "logprobs": logprobs}
        return event({**head, "choices": [choice], **more})

    try:
        for index in range(body.n or 1):
            yield chunk(index, {"role": "assistant", "content": ""})
        async for index, piece in speech:
            if piece.reasoning:
                yield chunk(index, {"reasoning_content": piece.reasoning})
            if piece.content or piece.tokens:
                yield chunk(index, {"content": piece.content}, None, _logprobs(piece.tokens) if body.logprobs else None)
            for call in piece.calls:
                yield chunk(index, {"tool_calls": [{"index": call.index, **_call(call)}]})
            if piece.reason is not None:
                yield chunk(index, {}, piece.reason, hornbook=shown(pages))
        if body.with_usage:
            yield event({**head, "choices": [], "usage": usage(speech.tokenizer, [*speech.completions.values()])})
        yield "data: [DONE]\n\n"
    except Exception as error:
        yield error_event(as_api_error(error))


def _call(call: CallPiece) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _logprobs(tokens: Sequence[Token]) -> dict[str, Any]:
    """OpenAI's shape for tokens of a chat."""

    def shape(piece: bytes, logprob: float) -> dict[str, Any]:
        return {"token": piece.decode("utf-8", errors="replace"), "logprob": logprob, "bytes": list(piece)}

    content = [
        {**shape(token.piece, token.logprob), "top_logprobs": [shape(*other) for other in token.top]}
        for token in tokens
    ]
    return {"content": content, "refusal": None}


def shown(pages: Sequence[Hit]) -> dict[str, Any]:
    """The pages put before the model, for who wants to read them."""
    return {"pages": [{name: value for name, value in asdict(page).items() if name != "text"} for page in pages]}
