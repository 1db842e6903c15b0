"""POST /v1/completions: the model goes on with a text, as those who measure models ask it to."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, StrictBool, StrictInt, StrictStr, model_validator
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from hornbook.inference.prompts import prompt_logprobs
from hornbook.inference.requests import Completion, Sampling
from hornbook.inference.requests import Request as EngineRequest
from hornbook.serving.chat import Prepared
from hornbook.serving.errors import as_api_error
from hornbook.serving.openai import formats
from hornbook.serving.openai.common import SamplingBody, TokenIds, Usage, error_event, event, identifier, read, usage
from hornbook.serving.openai.echo import Echo, Legacy, legacy
from hornbook.serving.openai.formats import StructuredOutputs
from hornbook.serving.service import Service, unless_hung_up
from hornbook.serving.speech import Speech, Streamed, several
from hornbook.serving.voice import Piece, Voice

DEFAULT_TOKENS = 16  # OpenAI's
MOST_PROMPTS = 256
Text = Annotated[StrictStr, Field(min_length=1)]
Prompts = Annotated[list[Text], Field(min_length=1, max_length=MOST_PROMPTS)]
ManyIds = Annotated[list[TokenIds], Field(min_length=1, max_length=MOST_PROMPTS, fail_fast=True)]


class CompletionBody(SamplingBody):
    """What cannot be done as asked is refused."""

    model: StrictStr
    prompt: Text | TokenIds | Prompts | ManyIds
    max_tokens: Annotated[StrictInt, Field(ge=0, le=1 << 31)] | None = None
    logprobs: Annotated[StrictInt, Field(ge=0, le=20)] | None = None
    echo: StrictBool | None = None
    best_of: Annotated[StrictInt, Field(ge=1, le=16)] | None = None
    suffix: None = None
    structured_outputs: StructuredOutputs | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> CompletionBody:
        if self.best_of is not None and self.best_of < (self.n or 1):
            raise ValueError("best_of must be at least n")
        if self.stream and (self.best_of or 1) > (self.n or 1):
            raise ValueError("of the best of several nothing can be told before all are done: best_of has no stream")
        if self.max_tokens == 0 and not self.echo:
            raise ValueError("max_tokens of 0 asks for nothing, without echo")
        return self

    def prompts(self) -> list[str | list[int]]:
        """Each text or list of ids to go on with."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        if isinstance(self.prompt[0], int):
            return [self.prompt]  # type: ignore[list-item]
        return list(self.prompt)  # type: ignore[arg-type]


class LegacyChoice(BaseModel):
    index: int
    text: str
    logprobs: Legacy | None
    finish_reason: Literal["stop", "length", "content_filter"]


class TextCompletion(BaseModel):
    """The answers in one piece."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[LegacyChoice]
    usage: Usage


class Completions:
    """The endpoint."""

    def __init__(self, service: Service):
        self._service = service

    async def create(self, request: Request) -> Response:
        """Go on with one text or several, in one piece or as it comes."""
        body = await read(CompletionBody, request)
        self._service.known(body.model)
        sampling = body.chosen(self._service.chat.settings, body.max_tokens or DEFAULT_TOKENS, body.logprobs or 0)
        prepared = await run_in_threadpool(self._all, body, sampling)
        echoes = [await self._echo(one, body) for one in prepared]
        count = max(body.best_of or 1, body.n or 1)
        asked = [answer for one in prepared for answer in several(one, count)] if body.max_tokens != 0 else []
        voice = partial(Voice, self._service.chat, is_plain=True, detailed=body.logprobs is not None)
        speech = Speech(self._service, asked, request.state.caller, voice)
        head = {
            "id": identifier("cmpl"), "object": "text_completion", "created": int(time.time()),
            "model": self._service.name,
        }  # fmt: skip
        answer = _Answer(speech, head, body, prepared, echoes, count)
        if body.stream:
            await speech.__aenter__()
            return Streamed(speech, answer.events())
        return await unless_hung_up(request, answer.whole())

    def _all(self, body: CompletionBody, sampling: Sampling) -> list[Prepared]:
        guide = formats.guide(self._service.engine.tokenizer, body.structured_outputs)
        prepared = [self._prepared(prompt, sampling) for prompt in body.prompts()]
        return [replace(one, request=replace(one.request, guide=guide)) if one.request else one for one in prepared]

    def _prepared(self, prompt: str | list[int], sampling: Sampling) -> Prepared:
        """The prompt through the gate. Ids stay as they are, unless their text does not."""
        chat, tokenizer = self._service.chat, self._service.engine.tokenizer
        if isinstance(prompt, str):
            self._service.check_size(prompt, "prompt")
            return chat.going_on(prompt, sampling)
        request = EngineRequest(ids=prompt, sampling=sampling)
        self._service.engine.ticket(request)
        text = tokenizer.decode(prompt, skip_special=False)
        if chat.gate.check(text, "input").action in ("allow", "flag"):
            return Prepared(request, ())
        return chat.going_on(text, sampling)

    async def _echo(self, prepared: Prepared, body: CompletionBody) -> Echo | None:
        """What of the prompt is said again."""
        if not body.echo or prepared.request is None:
            return None
        ids = list(prepared.request.ids or ())
        told: Any = ([], [])
        if body.logprobs is not None:
            told = await self._service.ask(lambda engine: prompt_logprobs(engine.model, ids, body.logprobs or 0))
        return Echo(self._service.engine.tokenizer, ids, *told)


class _Answer:
    """All that is said to one request. Answer number i is to prompt i // count."""

    def __init__(
        self, speech: Speech, head: dict[str, Any], body: CompletionBody, prepared: list[Prepared],
        echoes: list[Echo | None], count: int,
    ):  # fmt: skip
        self._speech, self._head, self._body, self._echoes, self._count = speech, head, body, echoes, count
        self._kept = body.n or 1
        # What is answered without the model: by a refusal, or by the prompt alone.
        self._instead = [
            Piece(reason="length") if one.request else Piece(one.refusal, reason="content_filter") for one in prepared
        ]

    async def whole(self) -> Response:
        """The answers in one piece."""
        async with self._speech as speech:
            pieces = await speech.whole()
        choices = []
        for prompt in range(len(self._echoes)):
            places = range(prompt * self._count, (prompt + 1) * self._count)
            for place in self._best(list(places)):
                choices.append(self._choice(len(choices), prompt, pieces.get(place, [self._instead[prompt]])))
        return JSONResponse({**self._head, "choices": choices, "usage": self._usage()})

    async def events(self) -> AsyncIterator[str]:
        """The answers as they come."""
        offsets: dict[int, int] = {}
        try:
            for place in range(len(self._echoes) * self._count):
                echo, instead = self._echoes[place // self._count], self._instead[place // self._count]
                if echo is not None:
                    offsets[place] = len(echo.text)
                    yield self._event(place, echo.text, echo.told(), None)
                if self._body.max_tokens == 0:
                    yield self._event(place, instead.content, None, instead.reason)
            async for place, piece in self._speech:
                if piece.content or piece.tokens or piece.reason:
                    told = legacy(piece.tokens, offsets.get(place, 0))
                    yield self._event(place, piece.content, told, piece.reason)
            if self._body.with_usage:
                yield event({**self._head, "choices": [], "usage": self._usage()})
            yield "data: [DONE]\n\n"
        except Exception as error:
            yield error_event(as_api_error(error))

    def _event(self, place: int, text: str, told: Legacy | None, reason: str | None) -> str:
        logprobs = told if self._body.logprobs is not None else None
        return event({**self._head, "choices": [
            {"index": place, "text": text, "logprobs": logprobs, "finish_reason": reason}
        ]})  # fmt: skip

    def _best(self, places: list[int]) -> list[int]:
        """Of the answers to one prompt those that are kept: the likeliest."""
        if self._count == self._kept:
            return places
        done = self._speech.completions
        return sorted(places, key=lambda place: -done[place].likelihood if place in done else 0.0)[: self._kept]

    def _choice(self, index: int, prompt: int, pieces: list[Piece]) -> dict[str, Any]:
        echo = self._echoes[prompt]
        text = "".join(piece.content for piece in pieces)
        logprobs = None
        if self._body.logprobs is not None:
            logprobs = echo.told() if echo else legacy([], 0)
            said = legacy([token for piece in pieces for token in piece.tokens], len(echo.text) if echo else 0)
            for name, values in said.items():
                logprobs[name] += values  # type: ignore[literal-required]
        whole = (echo.text if echo else "") + text
        return {"index": index, "text": whole, "logprobs": logprobs, "finish_reason": pieces[-1].reason}

    def _usage(self) -> dict[str, Any]:
        if self._body.max_tokens == 0:
            read = [[Completion([], "", [], "length", echo.size)] for echo in self._echoes if echo]
            return usage(self._speech.tokenizer, *read)
        done = self._speech.completions
        groups = [
            [done[place] for place in range(prompt * self._count, (prompt + 1) * self._count) if place in done]
            for prompt in range(len(self._echoes))
        ]
        return usage(self._speech.tokenizer, *groups)
