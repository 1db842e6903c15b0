"""What a site says of itself, fetched: the rules of its robots.txt and the pages of its sitemaps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from hornbook.corpus.encodings import TooBig, unpacked
from hornbook.corpus.fetch import Answer, Fetcher
from hornbook.corpus.robots import Robots
from hornbook.corpus.sitemaps import MAX_BYTES, MAX_SITEMAPS, read_sitemap
from hornbook.corpus.urls import canonical_url, origin_of

MAX_REDIRECTS = 5  # RFC 9309 section 2.3.1.2


class SiteGuide:
    """Asks with `fetcher`, each robots.txt once."""

    def __init__(self, fetcher: Fetcher):
        self.fetcher = fetcher
        self._robots: dict[str, asyncio.Task[Robots]] = {}

    async def robots(self, url: str) -> Robots:
        """The rules of the origin that `url` belongs to."""
        origin = origin_of(url)
        if origin not in self._robots:
            self._robots[origin] = asyncio.create_task(self._read_robots(origin))
        return await self._robots[origin]

    async def listed(self, start: str, ours: Callable[[str], bool]) -> list[str]:
        """The URLs in the sitemaps robots.txt names and in /sitemap.xml, nested ones too; only where `ours` says so."""
        waiting = [*(await self.robots(start)).sitemaps, f"{origin_of(start)}/sitemap.xml"]
        seen: set[str] = set()
        pages: list[str] = []
        while waiting and len(seen) < MAX_SITEMAPS:
            url = canonical_url(waiting.pop(0), start)
            if url is None or url in seen or not ours(url):
                continue
            seen.add(url)
            answer = await self._follow(url)
            if answer.status == 200 and answer.reason is None:
                found = read_sitemap(answer.body)
                waiting += found.sitemaps
                pages += [page for listed in found.pages if (page := canonical_url(listed, url)) and ours(page)]
        return pages

    async def _read_robots(self, origin: str) -> Robots:
        answer = await self._follow(f"{origin}/robots.txt")
        if answer.reason == "private address":
            return Robots(why=answer.detail)
        if answer.reason is not None:
            return Robots(why=f"robots.txt does not answer ({answer.detail})")
        return Robots.from_answer(answer.status, answer.body)

    async def _follow(self, url: str) -> Answer:
        """An answer through a few redirects, each checked by the fetcher's guard; its body unpacked."""
        answer = await self.fetcher.get(url, any_type=True)
        for _ in range(MAX_REDIRECTS):
            target = canonical_url(answer.header("location"), answer.url) if answer.header("location") else None
            if target is None or not 300 <= (answer.status or 0) < 400:
                break
            answer = await self.fetcher.get(target, any_type=True)
        try:
            return replace(answer, body=unpacked(answer.body, answer.header("content-encoding"), MAX_BYTES))
        except (TooBig, ValueError):
            return replace(answer, body=b"")
