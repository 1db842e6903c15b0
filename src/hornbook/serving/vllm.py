"""The door to vLLM: a child process samples, all else stays: template, pages, gate, keys.

What it is asked goes to its /v1/completions as token ids, with the words of vLLM's own options; what it says comes back
token by token with ids and log-probabilities, so that whoever hears it cannot tell it from Hornbook's engine.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp

from hornbook.core.errors import BusyError, InputError
from hornbook.inference import Chunk, Completion, EngineFigures, PromptTooLongError, Request, Sampling
from hornbook.models.config import TransformerConfig
from hornbook.models.files import read_json
from hornbook.serving.errors import ApiError
from hornbook.serving.worker import Heard
from hornbook.tokens.foreign import load_tokenizer

NOTHING = EngineFigures(0, 0, 0.0, 0, 0, 0, 0)


@dataclass(eq=False)
class RemoteTicket:
    """A request on its way to vLLM."""

    prompt: list[int]
    request: Request
    completion: Completion | None = None
    task: asyncio.Task[None] | None = None
    ids: list[int] = field(default_factory=list)

    @property
    def sampling(self) -> Sampling:
        return self.request.sampling


class VllmEngine:
    """What a chat needs of an engine beside answers: the tokenizer, the window, prompts made ready."""

    def __init__(self, folder: Path):
        self.folder, self.tokenizer = Path(folder), load_tokenizer(folder)
        config = TransformerConfig.from_hf(read_json(self.folder / "config.json"), self.folder)
        self.window = config.max_position_embeddings
        self.model = SimpleNamespace(config=config)

    def ticket(self, request: Request) -> RemoteTicket:
        """A request made ready. Raises PromptTooLongError or InputError for one that does not fit."""
        ids = request.ids
        prompt = list(ids) if ids is not None else self.tokenizer.prompt(request.messages or (), request.tools)
        if max(prompt) >= self.tokenizer.vocab_size or min(prompt) < 0:
            raise InputError(f"token ids lie between 0 and {self.tokenizer.vocab_size - 1}", where="ids")
        if len(prompt) >= self.window:
            what = f"the prompt has {len(prompt):,} tokens and this model reads at most {self.window - 1:,}"
            raise PromptTooLongError(what, fix="shorten it")
        return RemoteTicket(prompt, request)

    def room(self, length: int) -> int:
        """How many tokens can follow a prompt of this length."""
        return self.window + 1 - length

    def figures(self) -> EngineFigures:
        """Nothing: vLLM tells its own."""
        return NOTHING


class VllmWorker:
    """As `worker.Worker`, with the engine at `address`."""

    def __init__(self, engine: VllmEngine, address: str, model: str, *, most: int = 256):
        self._engine, self._address, self._model, self._most = engine, address, model, most
        self._open: set[RemoteTicket] = set()
        self._session: aiohttp.ClientSession | None = None

    alive = True

    @property
    def busy(self) -> bool:
        return bool(self._open)

    def ticket(self, request: Request, heard: Heard) -> RemoteTicket:
        """A request made ready."""
        return self._engine.ticket(request)

    def most_tokens(self, ticket: RemoteTicket) -> int:
        """How many tokens it may cost, read and said."""
        read = len(ticket.prompt)
        return read + min(ticket.sampling.max_tokens, self._engine.room(read))

    def submit(self, ticket: RemoteTicket, heard: Heard) -> None:
        """Have it answered; called from the event loop. Raises BusyError when too many wait."""
        if len(self._open) >= self._most:
            raise BusyError(f"{len(self._open)} requests are waiting already", fix="try again in a moment")
        self._open.add(ticket)
        ticket.task = asyncio.ensure_future(self._answer(ticket, heard))

    def cancel(self, ticket: RemoteTicket) -> None:
        """Nobody listens to this one any more; vLLM sees the connection close."""
        if ticket.task is not None:
            ticket.task.cancel()

    def call(self, ask: Any) -> Future:
        """Raises ApiError: what asks the model itself cannot be asked of another process."""
        raise ApiError(400, "The engine behind this server is vLLM, which cannot be asked that way.")

    async def metrics(self) -> bytes:
        """vLLM's own figures."""
        async with self._client().get(f"{self._address}/metrics") as response:
            return await response.read()

    async def close(self) -> None:
        """Drop what is not finished."""
        for ticket in list(self._open):
            self.cancel(ticket)
        if self._session is not None:
            await self._session.close()

    async def _answer(self, ticket: RemoteTicket, heard: Heard) -> None:
        logprobs: list[float] = []
        texts: list[str] = []
        top: list[list[tuple[int, float]]] = []
        reason, cached = "cancelled", 0
        try:
            async for event in self._events(asked(ticket, self._model)):
                cached = ((event.get("usage") or {}).get("prompt_tokens_details") or {}).get("cached_tokens", cached)
                for choice in event["choices"]:
                    ids, chances, likeliest = told(choice.get("logprobs"), ticket.sampling.top_logprobs)
                    ticket.ids += ids
                    logprobs += chances
                    top += likeliest
                    texts.append(choice["text"])
                    reason = choice["finish_reason"] or reason
                    heard(Chunk(choice["text"], None, ids, chances, likeliest))
        except asyncio.CancelledError:
            pass  # it is told below, as the engine tells it
        except Exception as error:
            lost = isinstance(error, aiohttp.ClientError | OSError)
            heard(ApiError(502, f"vLLM cannot be heard: {error}") if lost else error)
            return
        finally:
            self._open.discard(ticket)
        said = "".join(texts)
        ticket.completion = Completion(ticket.ids, said, logprobs, reason, len(ticket.prompt), cached, top)
        heard(Chunk("", ticket.completion))

    async def _events(self, body: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        async with self._client().post(f"{self._address}/v1/completions", json=body) as response:
            if response.status != 200:
                raise await _refusal(response)
            async for line in response.content:
                data = line.decode().removeprefix("data:").strip()
                if data and data != "[DONE]":
                    event = json.loads(data)
                    if "error" in event:
                        raise ApiError(502, f"vLLM: {event['error'].get('message', event['error'])}")
                    yield event

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None), read_bufsize=1 << 20)
        return self._session


def asked(ticket: RemoteTicket, model: str) -> dict[str, Any]:
    """The body for vLLM's /v1/completions."""
    given = ticket.sampling
    body = {
        "model": model, "prompt": ticket.prompt, "stream": True, "stream_options": {"include_usage": True},
        "temperature": given.temperature, "top_k": given.top_k or -1, "top_p": given.top_p, "min_p": given.min_p,
        "repetition_penalty": given.repetition_penalty, "presence_penalty": given.presence_penalty,
        "frequency_penalty": given.frequency_penalty, "max_tokens": given.max_tokens, "stop": list(given.stop),
        "stop_token_ids": list(given.stop_ids), "ignore_eos": given.ignore_end, "seed": given.seed,
        "logprobs": given.top_logprobs, "return_tokens_as_token_ids": True,
        "logit_bias": {str(token): bias for token, bias in given.logit_bias.items()} or None,
    }  # fmt: skip
    if ticket.request.guide is not None:
        body["structured_outputs"] = ticket.request.guide.for_vllm  # type: ignore[attr-defined]
    return body


def told(logprobs: dict[str, Any] | None, count: int) -> tuple[list[int], list[float], list[list[tuple[int, float]]]]:
    """The ids, their log-probabilities and the `count` likeliest of each, of a choice whose tokens are `token_id:7`."""
    if not logprobs:
        return [], [], []
    top = [
        sorted(((_id(token), value) for token, value in (row or {}).items()), key=lambda pair: -pair[1])[:count]
        for row in (logprobs.get("top_logprobs") or []) if count
    ]  # fmt: skip
    return [_id(token) for token in logprobs["tokens"]], logprobs["token_logprobs"], top


def _id(token: str) -> int:
    return int(token.removeprefix("token_id:"))


async def _refusal(response: aiohttp.ClientResponse) -> ApiError:
    text = await response.text()
    try:
        body = json.loads(text)
        message = (body.get("error") or body)["message"]
    except (ValueError, KeyError, TypeError, AttributeError):
        message = text[:500]
    return ApiError(response.status if 400 <= response.status < 500 else 502, f"vLLM: {message}")
