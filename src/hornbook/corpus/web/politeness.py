"""When a host may be asked next: one request at a time, further apart the longer it takes and the more it complains."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field

from hornbook.corpus.store.urls import host_of
from hornbook.corpus.web.fetch import Answer, Fetcher
from hornbook.corpus.web.limits import CrawlLimits

REST = 2.0  # a host rests at least so many times as long as its answers take
LONGEST_REST = 60.0  # seconds, unless the recipe or its robots.txt asks for more
LONGEST_WAIT = 3600.0  # seconds that a Retry-After is obeyed for
TELL_FROM = 30.0  # seconds of waiting that a person should hear of
TOO_MUCH = (429, 503)


@dataclass
class _Host:
    asked: float = 0.0  # seconds between requests that its robots.txt asks for
    latency: float = 0.0  # seconds its answers take, smoothed
    strain: float = 1.0  # doubled each time it says that we are too much, taken back by a tenth with each good answer
    free_at: float = 0.0  # when it may be asked next, on the event loop's clock
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Politeness:
    """Asks with `fetcher`, no host more than one thing at a time and no more than `limits.concurrency` hosts at once.

    A host rests after each answer: `limits.delay` seconds, what its robots.txt asks for, or twice as long as its
    answers take, whichever is most; doubled by each 429 and 503, and until a Retry-After has passed. A host in the
    guard's allow list with `limits.delay` 0 is the reader's own machine: it is asked `limits.concurrency` things at
    once and never rests. Source: Scrapy's AutoThrottle and Heritrix's delay factor, which follow latency too.
    """

    def __init__(self, fetcher: Fetcher, limits: CrawlLimits, on_wait: Callable[[str, float], None] = lambda *_: None):
        self.fetcher, self.limits, self.on_wait = fetcher, limits, on_wait
        self._hosts: defaultdict[str, _Host] = defaultdict(_Host)
        self._slots = asyncio.Semaphore(limits.concurrency)

    def own(self, host: str) -> bool:
        """Whether `host` is the reader's own, and need not be spared."""
        return self.limits.delay == 0 and host in self.fetcher.guard.allow

    def ask_for(self, host: str, delay: float) -> None:
        """The seconds between two requests that the robots.txt of `host` asks for."""
        self._hosts[host].asked = delay

    async def get(
        self, url: str, *, headers: Mapping[str, str] | None = None, most: int | None = None, patience: float = 1.0
    ) -> Answer:
        """`Fetcher.get` when the host's turn has come, asked again while it fails in passing."""
        name = host_of(url)
        host, own = self._hosts[name], self.own(name)
        for attempt in range(self.limits.retries + 1):
            async with nullcontext() if own else host.turn:
                await self._rest(name)
                async with self._slots:
                    began = asyncio.get_running_loop().time()
                    answer = await self.fetcher.get(url, headers=headers, most=most, patience=patience)
                    now = asyncio.get_running_loop().time()
                if not own:
                    host.free_at = now + self._learn(host, answer, now - began)
            if not answer.ask_again or attempt == self.limits.retries:
                break
            wait = max(self.limits.backoff * 2**attempt, answer.retry_after if own else 0.0)
            await asyncio.sleep(min(wait, TELL_FROM))
        return answer

    def rest(self, host: str) -> float:
        """How many seconds from now `host` is to be left alone."""
        return max(0.0, self._hosts[host].free_at - asyncio.get_running_loop().time())

    async def _rest(self, name: str) -> None:
        seconds = self.rest(name)
        if seconds >= TELL_FROM:
            self.on_wait(name, seconds)
        await asyncio.sleep(seconds)

    def _learn(self, host: _Host, answer: Answer, seconds: float) -> float:
        """How long the host must rest now."""
        host.latency = (host.latency + seconds) / 2 if host.latency else seconds
        if answer.status in TOO_MUCH:
            host.strain = min(2 * host.strain, LONGEST_REST)
        elif not answer.transient:
            host.strain = max(1.0, 0.9 * host.strain)
        rest = max(self.limits.delay, host.asked, REST * host.latency) * host.strain
        return max(min(rest, LONGEST_REST), self.limits.delay, host.asked, min(answer.retry_after, LONGEST_WAIT))
