"""The answers to one client's request, on their way from the engine's thread to the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Sequence

from fastapi import Request as HttpRequest
from starlette.concurrency import run_in_threadpool

from hornbook.inference import Chunk, Completion, Request
from hornbook.inference.tickets import Ticket
from hornbook.serving.errors import ApiError
from hornbook.serving.limits import Caller
from hornbook.serving.worker import Worker

Heard = tuple[int, Chunk | Exception]


class Answers:
    """Several answers under way. `async with` one, and iterate it: (which answer, chunk) as they come.

    Entering hands them to the engine, after the caller's tokens are found to be enough for all that may be said;
    what was not needed is given back. Leaving takes back those that are not done.
    """

    def __init__(self, worker: Worker, requests: Sequence[Request], caller: Caller, *, seconds: float):
        self._worker, self._requests, self._caller, self._seconds = worker, requests, caller, seconds
        self._heard: asyncio.Queue[Heard] = asyncio.Queue()
        self._tickets: list[Ticket] = []
        self._taken = 0
        self.completions: dict[int, Completion] = {}

    async def __aenter__(self) -> Answers:
        self._end = asyncio.get_running_loop().time() + self._seconds
        listeners = [self._listener(index) for index in range(len(self._requests))]
        tickets = await run_in_threadpool(
            lambda: [self._worker.ticket(*pair) for pair in zip(self._requests, listeners, strict=True)]
        )
        self._take(sum(self._worker.most_tokens(ticket) for ticket in tickets))
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
        used = sum(done.prompt_tokens + len(done.ids) for done in self.completions.values())
        if self._caller.tokens is not None:
            self._caller.tokens.give_back(max(0, self._taken - used))

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
            if chunk.completion is not None:
                self.completions[index] = chunk.completion
            yield index, chunk

    def _listener(self, index: int):
        loop = asyncio.get_running_loop()

        def heard(chunk: Chunk | Exception) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is left to hear
                loop.call_soon_threadsafe(self._heard.put_nowait, (index, chunk))

        return heard

    def _take(self, tokens: int) -> None:
        bucket, name = self._caller.tokens, self._caller.name
        if bucket is None:
            return
        if tokens > bucket.most:
            message = f"This may take {tokens:,} tokens, and {name} may use {bucket.most:,} a minute."
            raise ApiError(400, message, param="max_tokens", code="rate_limit_exceeded")
        if wait := bucket.take(tokens):
            message = f"{name} may use {bucket.most:,} tokens a minute, and this may take {tokens:,}."
            raise ApiError(429, message, code="rate_limit_exceeded", retry_after=math.ceil(wait))
        self._taken = tokens


async def until_hung_up(request: HttpRequest) -> None:
    """Returns when the client has gone."""
    while not await request.is_disconnected():
        await asyncio.sleep(0.2)
