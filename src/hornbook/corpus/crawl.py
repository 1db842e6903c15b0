"""A polite crawl of one site: robots, delays, sitemaps, redirects as rows, WARC, a frontier that survives a kill."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from hornbook.core.errors import HornbookError, InputError
from hornbook.corpus.encodings import TooBig, unpacked
from hornbook.corpus.fetch import HTML, TRANSIENT, Answer, Fetcher
from hornbook.corpus.frontier import Frontier
from hornbook.corpus.guard import AddressRefused
from hornbook.corpus.guide import SiteGuide
from hornbook.corpus.links import PageLinks, read_links
from hornbook.corpus.pages import PageRow, read_pages, write_pages
from hornbook.corpus.robots import Robots
from hornbook.corpus.urls import canonical_url, host_of, origin_of, site_of
from hornbook.corpus.warc import Place, Stored, WarcWriter, read_at

SECOND_CHANCE = 3.0  # times the timeout, for pages that were too slow at first: it may have been this machine
GIVE_UP_AFTER = 30  # failures in a row, after which a site counts as gone


@dataclass(frozen=True)
class CrawlLimits:
    """How much of a site, and how fast: `delay` seconds between requests, `max_hops` redirects one after another.

    `delay` 0 on a host in the guard's allow list is obeyed even against robots.txt: it is the reader's own machine.
    """

    max_pages: int = 10_000
    max_depth: int = 16
    max_hops: int = 5
    delay: float = 1.0
    concurrency: int = 1
    sitemaps: bool = True


async def crawl_site(
    site: str, folder: Path, frontier: Frontier, fetcher: Fetcher, limits: CrawlLimits, *,
    previous: Path | None = None, on_page: Callable[[PageRow], None] = lambda row: None,
) -> list[PageRow]:
    """Crawl `site` into WARC files and `pages.parquet` in `folder`; every row, sorted by URL.

    Goes on where `frontier` stopped. `previous` is the folder of an earlier crawl: its pages are asked for with
    If-None-Match and If-Modified-Since, and one that answers 304 is carried over beside a `revisit` record.
    Raises InputError when nothing can be had of the site; the frontier then keeps what is known.
    """
    start = canonical_url(site if "//" in site else f"https://{site}")
    if start is None:
        raise InputError("this is no web address", where=site, fix="write it as https://example.org/")
    crawler = _Crawler(start, folder, frontier, fetcher, limits, previous, on_page)
    try:
        return await crawler.run()
    except sqlite3.OperationalError as error:
        if "full" in str(error):
            raise HornbookError("the disk is full", where=folder, fix="free some space and run it again") from None
        raise
    finally:
        crawler.writer.close()


class _Crawler:
    def __init__(
        self, start: str, folder: Path, frontier: Frontier, fetcher: Fetcher, limits: CrawlLimits,
        previous: Path | None, on_page: Callable[[PageRow], None],
    ):
        self.start, self.folder, self.frontier, self.fetcher, self.limits = start, folder, frontier, fetcher, limits
        self.on_page = on_page
        self.site = site_of(start)
        self.previous, self.earlier = previous, _earlier(previous)
        self._resume()
        self.writer = WarcWriter(folder, frontier.written())
        self.guide = SiteGuide(fetcher)
        self.next_at: dict[str, float] = {}
        self.patience = 1.0
        self.taken, self.under_way, self.failures = frontier.taken(), 0, 0

    def _resume(self) -> None:
        for name, size in self.frontier.written().items():  # after a power cut a file may be shorter than its rows say
            path = self.folder / name
            there = path.stat().st_size if path.exists() else 0
            if there < size:
                self.frontier.requeue("warc_file = ? AND warc_offset + warc_length > ?", [name, there])
        if self.frontier.note("gave up"):
            words = ", ".join(f"'{reason}'" for reason in sorted(TRANSIENT))
            self.frontier.requeue(f"reason IN ({words}) OR (reason = 'status' AND status >= 500)")
            self.frontier.note("gave up", "")

    async def run(self) -> list[PageRow]:
        self.frontier.add([self.start], 0)
        if not self.frontier.note("seeded"):
            await self._seed()
        await self._walk()
        if not self.frontier.note("second chance"):  # those that were too slow are asked once more, when all is quiet
            self.frontier.requeue("reason = 'timeout'")
            self.frontier.note("second chance", "yes")
        self.patience = SECOND_CHANCE
        # whatever their level: together they take as long as one
        await self._fetch(self.frontier.waiting("depth <= ?", [self.limits.max_depth]))
        await self._walk()
        self._close_rest()
        self._name_loops()
        rows = self.frontier.rows()
        if not self.taken:
            self.frontier.note("gave up", "yes")
            raise _nothing(self.start, rows)
        self.writer.close()
        write_pages(self.folder / "pages.parquet", rows)
        return rows

    async def _walk(self) -> None:
        """Level by level, as many at once as the limits allow, until nothing waits."""
        while self.taken < self.limits.max_pages and (level := self.frontier.level(self.limits.max_depth)):
            await self._fetch(level)

    async def _fetch(self, wanted: Iterable[tuple[str, int, int]]) -> None:
        """Fetch these, each a URL with its depth and hops."""
        waiting = iter(wanted)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.limits.concurrency):
                    group.create_task(self._work(waiting))
        except* HornbookError as errors:
            self.frontier.note("gave up", "yes")
            raise errors.exceptions[0] from None

    async def _seed(self) -> None:
        """Queue what the site lists of itself. Level 1, as if the start page linked to all of it."""
        robots = await self.guide.robots(self.start)
        if robots.why is not None:
            self.frontier.note("gave up", "yes")
            fix = "run the same command when the site is well again"
            if "inside" in robots.why:
                fix = f"if you mean it, put allow_private = [\"{host_of(self.start)}\"] into the recipe's [crawl]"
            raise InputError(f"{robots.why}, so nothing is fetched", where=origin_of(self.start), fix=fix)
        if self.limits.sitemaps and robots.allows(self.start):
            self.frontier.add(await self.guide.listed(self.start, self._ours), 1)
        self.frontier.note("seeded", "yes")

    async def _work(self, waiting: Iterable[tuple[str, int, int]]) -> None:
        for url, depth, hops in waiting:
            while self.taken + self.under_way >= self.limits.max_pages:  # those under way may yet fail and make room
                if self.taken >= self.limits.max_pages:
                    return
                await asyncio.sleep(0.005)
            self.under_way += 1
            try:
                row = await self._page(url, depth, hops)
                self.taken += row.outcome == "taken"
            finally:
                self.under_way -= 1
            self.on_page(row)

    async def _page(self, url: str, depth: int, hops: int) -> PageRow:
        robots = await self.guide.robots(url)
        if not robots.allows(url):
            return self._refuse(PageRow(url, depth, "refused", "robots", robots.why))
        await self._turn(url, robots)
        stored = self._stored(url)
        answer = await self.fetcher.get(url, headers=_conditions(stored), patience=self.patience)
        self._watch(answer)
        row = PageRow(url, depth, "refused", answer.reason, answer.detail or None, status=answer.status,
                      content_type=answer.media_type or None, fetched_at=answer.date)
        if answer.reason is not None:
            return self._refuse(row)
        if answer.status == 304 and stored is not None:
            revisit = self.writer.revisit(url, answer.date, list(answer.headers), stored.date)
            place = self._copy(stored)
            return self._take(replace(row, status=200, warc_file=place.file, warc_offset=revisit.offset), stored.body,
                              stored.headers, place)
        if answer.status in (301, 302, 303, 307, 308):
            return self._redirect(row, answer.header("location"), hops)
        if answer.status != 200:
            return self._refuse(replace(row, reason="status", detail=str(answer.status)))
        headers = {name.lower(): value for name, value in answer.headers}
        return self._take(row, answer.body, headers, None, answer)

    def _take(
        self, row: PageRow, packed: bytes, headers: dict[str, str], place: Place | None, answer: Answer | None = None
    ) -> PageRow:
        """A page that came: read its links, store it, unless it asks not to be used or cannot be unpacked."""
        try:
            body = unpacked(packed, headers.get("content-encoding", ""), self.fetcher.max_bytes)
        except TooBig:
            return self._refuse(replace(row, reason="too big", detail=f"more than {self.fetcher.max_bytes:,} bytes"))
        except ValueError as error:
            return self._refuse(replace(row, reason="bad answer", detail=str(error)))
        kind = headers.get("content-type", "")
        media = kind.partition(";")[0].strip().lower()
        if media in HTML or (not media and body.lstrip()[:1] == b"<"):
            found = read_links(body, row.url, kind, headers.get("x-robots-tag", ""))
        else:
            index = not {"noindex", "none"} & {word.strip() for word in headers.get("x-robots-tag", "").split(",")}
            found = PageLinks(None, index, True, ())
        own = found.canonical if found.canonical and self._ours(found.canonical) else row.url
        links = list(dict.fromkeys(self._in_scope([*found.links, own])))
        row = replace(row, canonical=own, bytes=len(body), sha256=hashlib.sha256(body).hexdigest(),
                      content_type=media or None)
        if not found.index:
            return self._refuse(replace(row, reason="noindex"), links)
        if place is None and answer is not None:
            place = self.writer.exchange(
                row.url, row.fetched_at or "", f"{answer.status} {answer.phrase}".strip(), list(answer.headers), packed,
                f"GET {row.url.removeprefix(origin_of(row.url))} HTTP/1.1", list(answer.request_headers),
            )
        assert place is not None
        row = replace(row, outcome="taken", warc_file=place.file, warc_offset=place.offset, warc_length=place.length)
        self.frontier.finish(row, links)
        return row

    def _redirect(self, row: PageRow, location: str, hops: int) -> PageRow:
        target = canonical_url(location, row.url) if location else None
        if target is None:
            return self._refuse(replace(row, reason="bad redirect", detail=location[:200]))
        row = replace(row, reason="redirect", detail=target)
        if target == row.url:
            return self._refuse(replace(row, reason="redirect loop"))
        if hops + 1 > self.limits.max_hops:
            return self._refuse(replace(row, reason="too many redirects"))
        if not self._ours(target):
            return self._refuse(replace(row, reason=self._outside(target)))
        self.frontier.finish(row, redirect=(target, hops + 1))
        return row

    def _outside(self, target: str) -> str:
        try:
            self.fetcher.guard.check_literal(host_of(target))
        except AddressRefused:
            return "private address"
        return "redirect off site"

    def _refuse(self, row: PageRow, links: Iterable[str] = ()) -> PageRow:
        self.frontier.finish(row, list(links))
        return row

    def _watch(self, answer: Answer) -> None:
        """A site that fails without end is gone: stop, so that what is left waits for better days."""
        self.failures = self.failures + 1 if answer.transient else 0
        if self.failures >= GIVE_UP_AFTER:
            last = answer.detail or f"it answers {answer.status}"
            raise InputError(f"the site stopped answering after {self.taken:,} pages ({last})", where=self.start,
                             fix="run the same command again: it goes on from there")

    async def _turn(self, url: str, robots: Robots) -> None:
        host, now = host_of(url), asyncio.get_running_loop().time()
        delay = self.limits.delay
        if robots.delay is not None and not (delay == 0 and host in self.fetcher.guard.allow):
            delay = robots.delay
        at = max(now, self.next_at.get(host, 0.0))
        self.next_at[host] = at + delay
        if at > now:
            await asyncio.sleep(at - now)

    def _ours(self, url: str) -> bool:
        return site_of(url) == self.site

    def _in_scope(self, urls: Iterable[str | None]) -> Iterable[str]:
        return (url for url in urls if url is not None and self._ours(url))

    def _stored(self, url: str) -> Stored | None:
        row = self.earlier.get(url)
        if row is None or self.previous is None or row.warc_file is None:
            return None
        try:
            return read_at(self.previous, Place(row.warc_file, row.warc_offset or 0, row.warc_length or 0))
        except (OSError, ValueError):  # an earlier crawl only ever saves work; without it the page is fetched anew
            return None

    def _copy(self, stored: Stored) -> Place:
        headers = list(stored.headers.items())
        return self.writer.exchange(stored.url, stored.date, f"{stored.status} OK", headers, stored.body)

    def _close_rest(self) -> None:
        for url, depth in self.frontier.rest():
            reason = "depth" if depth > self.limits.max_depth else "page limit"
            self.frontier.finish(PageRow(url, depth, "refused", reason))

    def _name_loops(self) -> None:
        """Each redirect is a row of its own; those whose way leads back into itself are loops."""
        leads = {row.url: row.detail for row in self.frontier.rows("reason IN ('redirect', 'redirect loop')")}
        for url in leads:
            seen, at = set(), url
            while at in leads and at not in seen:
                seen.add(at)
                at = leads[at]
            if at in seen:
                self.frontier.mark(url, "redirect loop")


def _conditions(stored: Stored | None) -> dict[str, str]:
    if stored is None:
        return {}
    asked = {"If-None-Match": stored.headers.get("etag", ""),
             "If-Modified-Since": stored.headers.get("last-modified", "")}
    return {name: value for name, value in asked.items() if value}


def _earlier(previous: Path | None) -> dict[str, PageRow]:
    if previous is None or not (previous / "pages.parquet").exists():
        return {}
    return {row.url: row for row in read_pages(previous / "pages.parquet") if row.outcome == "taken"}


def _nothing(start: str, rows: list[PageRow]) -> InputError:
    """Why a crawl brought nothing, from the start page's row."""
    first = next((row for row in rows if row.url == start), rows[0])
    again = "run the same command when the site is well again"
    if first.reason == "status" and (first.status or 0) >= 500:
        return InputError(f"the site answers only {first.status}", where=start, fix=again)
    if first.reason in TRANSIENT:
        return InputError(f"the site does not answer ({first.detail})", where=start, fix=again)
    if first.reason == "robots":
        return InputError("its robots.txt allows us nothing", where=start, fix="ask the site's owner")
    if first.reason == "redirect off site":
        return InputError("it only redirects elsewhere", where=start, fix=f"name that site instead: {first.detail}")
    if first.reason == "redirect loop":
        return InputError("it redirects in a loop", where=start, fix="check the address in a browser")
    why = f"{first.reason} {first.detail or ''}".strip()
    return InputError(f"no page of it can be used ({why})", where=start, fix="check the address in a browser")
