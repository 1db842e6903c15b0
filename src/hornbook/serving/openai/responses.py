"""POST /v1/responses: OpenAI's newer way to ask, its answer made of items and its stream of typed events."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, StrictBool, StrictInt, StrictStr, model_validator
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from hornbook.inference import Sampling
from hornbook.serving.chat import Prepared
from hornbook.serving.errors import as_api_error
from hornbook.serving.openai import formats
from hornbook.serving.openai.chat import Extension, shown
from hornbook.serving.openai.common import Count, Number, SamplingBody, Strict, error_event, event, identifier, read
from hornbook.serving.openai.common import usage as counted
from hornbook.serving.openai.formats import FlatFormat, TextFormat
from hornbook.serving.openai.items import Items, as_messages
from hornbook.serving.openai.output import Output
from hornbook.serving.openai.tools import FlatNamedTool, FlatTools, Mode, chosen
from hornbook.serving.openai.tools import guide as calls_guide
from hornbook.serving.service import Service, unless_hung_up
from hornbook.serving.speech import Speech, Streamed
from hornbook.serving.voice import Voice

FILTERED = {"length": "max_output_tokens", "content_filter": "content_filter"}


class TextOptions(Strict):
    format: FlatFormat | None = None
    verbosity: None = None


class ResponseBody(Strict):
    """Nothing is stored: `store` and `previous_response_id` are refused, so send the whole conversation."""

    model: StrictStr
    input: Annotated[StrictStr, Field(min_length=1)] | Items
    instructions: StrictStr | None = None
    max_output_tokens: Count | None = None
    temperature: Annotated[Number, Field(ge=0, le=2)] | None = None
    top_p: Annotated[Number, Field(gt=0, le=1)] | None = None
    seed: Annotated[StrictInt, Field(ge=-(1 << 63), lt=1 << 63)] | None = None
    stream: StrictBool | None = False
    tools: FlatTools | None = None
    tool_choice: Mode | FlatNamedTool | None = None
    parallel_tool_calls: StrictBool | None = None
    text: TextOptions | None = None
    store: Literal[False] | None = None
    background: Literal[False] | None = None
    previous_response_id: None = None
    conversation: None = None
    truncation: Literal["disabled"] | None = None
    include: Annotated[list[StrictStr], Field(max_length=0)] | None = None
    metadata: dict[str, str] | None = None
    user: StrictStr | None = None
    safety_identifier: StrictStr | None = None
    prompt_cache_key: StrictStr | None = None
    hornbook: Extension = Extension()

    @model_validator(mode="after")
    def _fits_together(self) -> ResponseBody:
        if self.form is not None and self.tools:
            raise ValueError("of text.format and tools only one can be followed")
        return self

    @property
    def form(self) -> FlatFormat | None:
        """What the whole answer must look like; None for words."""
        given = self.text.format if self.text else None
        return None if isinstance(given, TextFormat) else given

    def sampling(self, service: Service) -> Sampling:
        """How to sample, with the deployment's defaults."""
        plain = SamplingBody(temperature=self.temperature, top_p=self.top_p, seed=self.seed)
        return plain.chosen(service.chat.settings, self.max_output_tokens)


class ResponseObject(BaseModel):
    """The answer in one piece."""

    id: str
    object: Literal["response"]
    created_at: int
    status: Literal["completed", "incomplete", "in_progress", "failed"]
    model: str
    output: list[dict[str, Any]]
    error: dict[str, Any] | None
    incomplete_details: dict[str, Any] | None
    usage: dict[str, Any] | None
    hornbook: dict[str, Any]


class Responses:
    """The endpoint."""

    def __init__(self, service: Service):
        self._service = service

    async def create(self, request: Request) -> Response:
        """Answer a text or a conversation, in one piece or as it comes."""
        body = await read(ResponseBody, request)
        self._service.known(body.model)
        prepared = await run_in_threadpool(self._prepared, body)
        chat = self._service.chat
        speech = Speech(
            self._service, [prepared], request.state.caller,
            lambda one: Voice(chat, one, is_plain=body.form is not None, calls=bool(body.tools)),
        )  # fmt: skip
        answer = _Answer(speech, body, prepared, self._service)
        if body.stream:
            await speech.__aenter__()
            return Streamed(speech, answer.events())
        return await unless_hung_up(request, answer.whole())

    def _prepared(self, body: ResponseBody) -> Prepared:
        messages = as_messages(body.input, body.instructions)
        for message in messages:
            self._service.check_size(message["content"], "input")
        tokenizer, functions = self._service.engine.tokenizer, body.tools or []
        tools, must = chosen(functions, body.tool_choice)
        guide = formats.guide(tokenizer, body.form)
        if tools:
            guide = calls_guide(tokenizer, functions, must, parallel=body.parallel_tool_calls is not False)
        return self._service.chat.prepare(
            messages, body.sampling(self._service), open_book=body.hornbook.open_book, tools=tools, guide=guide
        )


class _Answer:
    """One response on its way."""

    def __init__(self, speech: Speech, body: ResponseBody, prepared: Prepared, service: Service):
        self._speech, self._output, self._reason = speech, Output(), "stop"
        settings = service.chat.settings
        self._body = {
            "id": identifier("resp"), "object": "response", "created_at": int(time.time()), "status": "in_progress",
            "model": service.name, "output": [], "error": None, "incomplete_details": None,
            "instructions": body.instructions, "max_output_tokens": body.max_output_tokens,
            "temperature": settings.temperature if body.temperature is None else body.temperature,
            "top_p": 1.0 if body.top_p is None else body.top_p, "metadata": body.metadata or {}, "store": False,
            "parallel_tool_calls": body.parallel_tool_calls is not False, "truncation": "disabled",
            "tool_choice": _plain(body.tool_choice, "auto"), "text": {"format": _plain(body.form, {"type": "text"})},
            "tools": [_plain(tool, None) | {"strict": bool(tool.strict)} for tool in body.tools or ()],
            "previous_response_id": None, "background": False, "usage": None,
            "hornbook": shown(prepared.pages),
        }  # fmt: skip

    async def whole(self) -> Response:
        """The answer in one piece."""
        async with self._speech as speech:
            async for _, piece in speech:
                self._reason = piece.reason or self._reason
                for _event in self._output.hear(piece):
                    pass
        return JSONResponse(self._done())

    async def events(self) -> AsyncIterator[str]:
        """The answer as typed events, numbered."""
        number = 0

        def told(kind: str, more: dict[str, Any]) -> str:
            nonlocal number
            number += 1
            return event({"type": kind, "sequence_number": number - 1, **more}, kind)

        try:
            yield told("response.created", {"response": self._body})
            yield told("response.in_progress", {"response": self._body})
            async for _, piece in self._speech:
                self._reason = piece.reason or self._reason
                for kind, more in self._output.hear(piece):
                    yield told(kind, more)
            done = self._done()
            yield told(f"response.{done['status']}", {"response": done})
        except Exception as error:
            yield error_event(as_api_error(error))

    def _done(self) -> dict[str, Any]:
        cut = FILTERED.get(self._reason)
        return {
            **self._body, "status": "incomplete" if cut else "completed", "output": self._output.items,
            "incomplete_details": {"reason": cut} if cut else None,
            "usage": _usage(counted(self._speech.tokenizer, [*self._speech.completions.values()])),
        }  # fmt: skip


def _plain(asked: Any, instead: Any) -> Any:
    """What was asked, said again."""
    return asked.model_dump(by_alias=True) if isinstance(asked, BaseModel) else asked or instead


def _usage(told: dict[str, Any]) -> dict[str, Any]:
    """The count of tokens by the names they have here."""
    return {
        "input_tokens": told["prompt_tokens"], "output_tokens": told["completion_tokens"],
        "total_tokens": told["total_tokens"], "input_tokens_details": told["prompt_tokens_details"],
        "output_tokens_details": told["completion_tokens_details"],
    }  # fmt: skip
