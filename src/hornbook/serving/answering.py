"""The answers to one client's request, on their way from the engine's thread to the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

from fastapi import Request as HttpRequest
from starlette.concurrency import run_in_threadpool

from hornbook.inference import Chunk, Completion, Request
from hornbook.serving.errors import ApiError
from hornbook.serving.limits import Caller
from hornbook.serving.vllm import VllmWorker
from hornbook.serving.worker import Worker

Heard = tuple[int, Chunk | Exception]


class Answers:
    """Several answers under way. `async with` one, and iterate it: (which answer, chunk) as they come.

    Entering hands them to the engine, after the caller's tokens are found to be enough for all that may be said;
    what was not needed is given back. Leaving takes back those that are not done.
    """

    def __init__(self, worker: Worker | VllmWorker, requests: Sequence[Request], caller: Caller, *, seconds: float):
        self._worker, self._requests, self._caller, self._seconds = worker, requests, caller, seconds
        self._heard: asyncio.Queue[Heard] = asyncio.Queue()
        self._tickets: list[Any] = []
        self._taken = self._said = 0
        self.completions: dict[int, Completion] = {}

    async def __aenter__(self) -> Answers:
        self._end = asyncio.get_running_loop().time() + self._seconds
        listeners = [self._listener(index) for index in range(len(self._requests))]
        tickets: list[Any] = await run_in_threadpool(
            lambda: [self._worker.ticket(*pair) for pair in zip(self._requests, listeners, strict=True)]
        )
        most = sum(self._worker.most_tokens(ticket) for ticket in tickets)
        self._caller.take_tokens(most)
        self._taken = most
        try:
            for ticket, listener in zip(tickets, listeners, strict=True):
                self._worker.submit(ticket, listener)
                self._tickets.append(ticket)
        except Exception:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for index in range(len(self._tickets)):
            self.stop(index)
        used = sum(len(ticket.prompt) for ticket in self._tickets) + self._said
        self._caller.give_back_tokens(max(0, self._taken - used))
        self._taken = 0

    def stop(self, index: int) -> None:
        """Nobody reads this one any more: the engine need not go on."""
        if self._tickets[index].completion is None:
            self._worker.cancel(self._tickets[index])

    async def __aiter__(self) -> AsyncIterator[tuple[int, Chunk]]:
        while len(self.completions) < len(self._requests):
            try:
                async with asyncio.timeout_at(self._end):
                    index, chunk = await self._heard.get()
            except TimeoutError:
                raise ApiError(504, f"The answer took longer than {self._seconds:,.0f} seconds.") from None
            if isinstance(chunk, Exception):
                raise chunk
            self._said += len(chunk.ids)
            if chunk.completion is not None:
                self.completions[index] = chunk.completion
            yield index, chunk

    def _listener(self, index: int):
        loop = asyncio.get_running_loop()

        def heard(chunk: Chunk | Exception) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is left to hear
                loop.call_soon_threadsafe(self._heard.put_nowait, (index, chunk))

        return heard


async def until_hung_up(request: HttpRequest) -> None:
    """Returns when the client has gone."""
    while not await request.is_disconnected():
        await asyncio.sleep(0.2)
