"""What every endpoint works with: the chat, the engine's thread, the figures, and how long an answer may take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from typing import Any, TypeVar, cast

from fastapi import Request as HttpRequest
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from hornbook.inference import Engine, Request
from hornbook.serving.answering import Answers, until_hung_up
from hornbook.serving.chat import Chat
from hornbook.serving.errors import ApiError
from hornbook.serving.limits import Caller
from hornbook.serving.metrics import Metrics
from hornbook.serving.vllm import VllmWorker
from hornbook.serving.worker import Worker

T = TypeVar("T")
ANSWER_SECONDS = 600.0
QUEUE = 256  # requests that wait or are being answered


class Service:
    """One deployment in service. `start` and `stop` its thread; between them it answers."""

    worker: Worker | VllmWorker

    def __init__(
        self, chat: Chat, *, seconds: float = ANSWER_SECONDS, queue: int = QUEUE, vllm: str | None = None
    ):
        self.chat, self.name, self.started = chat, chat.settings.name, int(time.time())
        self._metrics = Metrics(self.name, chat.engine.figures)
        self._seconds, self._queue, self._vllm = seconds, queue, vllm

    @property
    def engine(self) -> Engine:
        return self.chat.engine

    @property
    def window(self) -> int:
        """The most tokens of a prompt and its answer."""
        return self.engine.room(0) - 1

    async def start(self) -> None:
        if self._vllm is not None:
            self.worker = VllmWorker(cast(Any, self.engine), self._vllm, self.name, most=self._queue)
        else:
            self.worker = Worker(self.engine, most=self._queue, metrics=self._metrics)

    async def stop(self) -> None:
        if isinstance(self.worker, VllmWorker):
            await self.worker.close()
        else:
            await run_in_threadpool(self.worker.close)

    async def figures(self) -> bytes:
        """For Prometheus: the engine's and the server's; vLLM tells both itself."""
        return await self.worker.metrics() if isinstance(self.worker, VllmWorker) else self._metrics.text()

    def known(self, model: str | None) -> None:
        """Raises ApiError (404) for a model that is not served."""
        if model is not None and model != self.name:
            message = f"The model `{model[:100]}` does not exist; this server has `{self.name}`."
            raise ApiError(404, message, param="model", code="model_not_found")

    def answers(self, requests: Sequence[Request], caller: Caller) -> Answers:
        """Their answers, once entered."""
        return Answers(self.worker, requests, caller, seconds=self._seconds)

    async def ask(self, question: Callable[[Engine], T]) -> T:
        """What the engine says to a question that its thread asks."""
        return await asyncio.wrap_future(self.worker.call(question))

    def check_size(self, text: str, param: str) -> None:
        """Raises ApiError (400) for a text that no tokenizer could fit into the window, before one tries."""
        if self.engine.tokenizer.lossless and len(text) > self.window * self._longest:
            message = f"The prompt is too long: this model reads at most {self.window - 1:,} tokens."
            raise ApiError(400, message, param=param, code="context_length_exceeded")

    @cached_property
    def _longest(self) -> int:
        """Characters that one token can hold."""
        return max(map(len, self.engine.tokenizer.pieces))


async def unless_hung_up(request: HttpRequest, work: Awaitable[Response]) -> Response:
    """The response, unless the client goes first: then the work is dropped."""
    gone, task = asyncio.ensure_future(until_hung_up(request)), asyncio.ensure_future(work)
    try:
        await asyncio.wait((gone, task), return_when=asyncio.FIRST_COMPLETED)
        return await task if task.done() else JSONResponse({}, 499)
    finally:
        gone.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))
