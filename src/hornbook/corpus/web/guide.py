"""What a site says of itself, fetched: the rules of its robots.txt and the pages of its sitemaps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from hornbook.corpus.extraction.encodings import TooBig, unpacked
from hornbook.corpus.store.frontier import Frontier
from hornbook.corpus.store.urls import canonical_url, host_of, origin_of
from hornbook.corpus.web import robots as robots_txt
from hornbook.corpus.web import sitemaps
from hornbook.corpus.web.fetch import Answer
from hornbook.corpus.web.politeness import Politeness
from hornbook.corpus.web.robots import Robots
from hornbook.corpus.web.sitemaps import read_sitemap

MAX_REDIRECTS = 5  # RFC 9309 section 2.3.1.2
FRESH_SECONDS = 24 * 3600.0  # section 2.4
AGAIN_AFTER = (2, 8)  # times the back-off, before a robots.txt that cannot be had is asked for again


@dataclass
class _Known:
    """One origin's rules: the request under way or done, and when it must be made again (seconds of the epoch)."""

    rules: asyncio.Task[Robots]
    until: float


class SiteGuide:
    """Asks for each robots.txt once in 24 hours, over all attempts at one crawl, and for each sitemap once."""

    def __init__(self, polite: Politeness, frontier: Frontier):
        self.polite, self.frontier = polite, frontier
        self._known: dict[str, _Known] = {}

    async def robots(self, url: str) -> Robots:
        """The rules of the origin that `url` belongs to.

        One that cannot be had (5xx, silence) is asked for again after a while; then the rules of the day before stand,
        if there are any, and else nothing is allowed until `forget` is called.
        """
        origin = origin_of(url)
        known = self._known.get(origin)
        if known is None or time.time() >= known.until:
            known = _Known(asyncio.create_task(self._robots(origin)), time.time() + FRESH_SECONDS)
            self._known[origin] = known
        return await known.rules

    def forget(self) -> None:
        """Ask again, when next needed, for what could not be had."""
        failed = [origin for origin, known in self._known.items() if known.rules.done() and known.rules.result().why]
        for origin in failed:
            del self._known[origin]

    async def read_sitemaps(self, start: str, ours: Callable[[str], bool], stop: Callable[[], object]) -> None:
        """Queue the pages of the sitemaps that robots.txt names and of /sitemap.xml, nested ones too; only where `ours`
        says so, and until `stop` gives a reason. Goes on at the first that is not read yet."""
        named = [*(await self.robots(start)).sitemaps, f"{origin_of(start)}/sitemap.xml"]
        self.frontier.add_sitemaps(_canonical(named, start, ours))
        while waiting := [url for url, read in self.frontier.sitemaps().items() if not read and ours(url)]:
            if stop():
                return
            url = waiting[0]
            answer = await self._follow(url, sitemaps.MAX_BYTES)
            found = read_sitemap(_body(answer, sitemaps.MAX_BYTES) or b"" if answer.status == 200 else b"")
            room = max(0, sitemaps.MAX_SITEMAPS - len(self.frontier.sitemaps()))
            nested = list(_canonical(found.sitemaps, url, ours))[:room]
            self.frontier.add_sitemaps(nested, read=url, pages=_canonical(found.pages, url, ours))

    async def _robots(self, origin: str) -> Robots:
        kept = self.frontier.robots(origin)
        if kept is None or time.time() >= kept[0] + FRESH_SECONDS:
            fresh = await self._fresh(origin)
            if fresh.why is not None and kept is None:
                return fresh
            kept = self.frontier.robots(origin) or kept
        else:
            self._known[origin].until = kept[0] + FRESH_SECONDS
        assert kept is not None
        rules = Robots.from_answer(*kept[1:])
        self.polite.ask_for(host_of(origin), 0.0 if rules.endless else rules.delay)
        return rules

    async def _fresh(self, origin: str) -> Robots:
        answer = await self._follow(f"{origin}/robots.txt", robots_txt.MAX_BYTES + 1)
        for times in AGAIN_AFTER:
            if not answer.transient or answer.status in range(400, 500):
                break
            await asyncio.sleep(times * self.polite.limits.backoff)
            answer = await self._follow(f"{origin}/robots.txt", robots_txt.MAX_BYTES + 1)
        if answer.reason == "private address":
            return Robots(why=answer.detail)
        if answer.reason is not None:
            return Robots(why=f"robots.txt does not answer ({answer.detail})")
        body = _body(answer, robots_txt.MAX_BYTES + 1)
        if body is None:
            return Robots(why="robots.txt cannot be unpacked")
        rules = Robots.from_answer(answer.status, body)
        if rules.why is None:
            self.frontier.keep_robots(origin, time.time(), answer.status, body)
        return rules

    async def _follow(self, url: str, most: int) -> Answer:
        """An answer through a few redirects, each checked by the fetcher's guard."""
        plain = {"Accept-Encoding": "identity"}  # what is packed cannot be cut off at `most` bytes
        answer = await self.polite.get(url, headers=plain, most=most)
        for _ in range(MAX_REDIRECTS):
            target = canonical_url(answer.header("location"), answer.url) if answer.header("location") else None
            if target is None or not 300 <= (answer.status or 0) < 400:
                break
            answer = await self.polite.get(target, headers=plain, most=most)
        return answer


def _canonical(urls: list[str], base: str, ours: Callable[[str], bool]) -> dict[str, None]:
    found = (canonical_url(url, base) for url in urls)
    return dict.fromkeys(url for url in found if url and ours(url))


def _body(answer: Answer, most: int) -> bytes | None:
    """The body unpacked, None where that cannot be done within `most` bytes."""
    try:
        return unpacked(answer.body, answer.header("content-encoding"), most)
    except (TooBig, ValueError):
        return None
