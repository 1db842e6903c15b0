"""How much of a site, how long and how fast; and what of it is spent, over every attempt at one crawl."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

from hornbook.corpus.store.frontier import Frontier
from hornbook.corpus.store.urls import host_of

SAVE_EVERY = 5.0  # seconds: so much of the time spent may a kill forget


@dataclass(frozen=True)
class CrawlLimits:
    """`max_pages` and `max_minutes` are for the whole crawl, their `host_` forms for each host of it, None for no
    limit; a host's minutes are those spent on it. `max_hops` are redirects one after another.

    `delay` is the least number of seconds between two requests to a host, `backoff` the seconds before a failing one is
    asked again, doubled each of `retries` times. `delay` 0 on a host in the guard's allow list is obeyed even against
    robots.txt: it is the reader's own machine, and `concurrency` requests reach it at once. To any other host goes one
    request at a time, and `concurrency` is how many hosts are asked at once. `include` and `exclude` are `Patterns`.
    """

    max_pages: int = 10_000
    max_host_pages: int | None = None
    max_minutes: float | None = None
    max_host_minutes: float | None = None
    max_depth: int = 16
    max_hops: int = 5
    delay: float = 1.0
    concurrency: int = 8
    retries: int = 2
    backoff: float = 0.5
    sitemaps: bool = True
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


class Budget:
    """Pages taken and seconds spent, by host and in all, carried on from attempts before this one."""

    def __init__(self, limits: CrawlLimits, frontier: Frontier):
        self.limits, self.frontier = limits, frontier
        self.pages = Counter(map(host_of, frontier.taken()))
        self.seconds = frontier.seconds()
        self._before, self._began = self.seconds.get("", 0.0), time.monotonic()
        self._saved = self._began

    @property
    def taken(self) -> int:
        """The pages taken in all."""
        return self.pages.total()

    @property
    def room(self) -> int:
        """How many more pages may be taken."""
        return self.limits.max_pages - self.taken

    def host_room(self, host: str) -> int:
        """How many more pages `host` may give."""
        most = self.limits.max_host_pages
        return self.room if most is None else most - self.pages[host]

    def out_of_time(self, host: str, ahead: float = 0.0) -> str | None:
        """Whose time is up `ahead` seconds from now: "the crawl" or the host's; None while there is some."""
        whole, most = self.limits.max_minutes, self.limits.max_host_minutes
        if whole is not None and self._before + time.monotonic() - self._began + ahead >= 60 * whole:
            return "the crawl"
        if most is not None and self.seconds.get(host, 0.0) + ahead >= 60 * most:
            return host
        return None

    def spend(self, host: str, seconds: float, *, taken: bool) -> None:
        """One URL of `host` is done."""
        self.pages[host] += taken
        self.seconds[host] = self.seconds.get(host, 0.0) + seconds
        now = time.monotonic()
        if now - self._saved >= SAVE_EVERY:
            self._saved = now
            self.frontier.keep_seconds(self.seconds | {"": self._before + now - self._began})
