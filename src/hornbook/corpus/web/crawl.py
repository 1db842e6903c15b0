"""A polite crawl of one site or several: robots, delays, sitemaps, WARC, a frontier that survives a kill."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from hornbook.core.errors import HornbookError, InputError, RecipeError
from hornbook.corpus.store.frontier import Frontier
from hornbook.corpus.store.pages import PageRow, write_pages
from hornbook.corpus.store.urls import canonical_url, host_of, origin_of, site_of
from hornbook.corpus.store.warc_writer import WarcWriter
from hornbook.corpus.web.fetch import RETRY_STATUS, TRANSIENT, Fetcher
from hornbook.corpus.web.guide import SiteGuide
from hornbook.corpus.web.limits import Budget, CrawlLimits
from hornbook.corpus.web.patterns import Patterns
from hornbook.corpus.web.politeness import Politeness
from hornbook.corpus.web.visit import Visit, Visitor

SECOND_CHANCE = 3.0  # times the timeout, for pages that were too slow at first: it may have been this machine
GIVE_UP_AFTER = 30  # failures in a row, after which a site counts as gone
WELL_AGAIN = "run the same command when the site is well again"
Waiting = tuple[str, int, int]  # a URL, its depth, its redirects


async def crawl_site(
    site: str | Sequence[str], folder: Path, frontier: Frontier, fetcher: Fetcher, limits: CrawlLimits, *,
    previous: Path | None = None, blocked: Callable[[str], str | None] = lambda url: None,
    on_page: Callable[[PageRow], None] = lambda row: None, on_wait: Callable[[str, float], None] = lambda *_: None,
) -> None:  # fmt: skip
    """Crawl `site`, an address to start at or several, into WARC files and `pages.parquet` in `folder`.

    Goes on where `frontier` stopped. `previous` is the folder of an earlier crawl: its pages are asked for with
    If-None-Match and If-Modified-Since, and one that answers 304 is carried over beside a `revisit` record. `blocked`
    says why a URL is on a blocklist, None where it is not; `on_wait` hears how many seconds a host lets us wait.
    Raises RecipeError when the patterns exclude a start, InputError when nothing can be had of any site; the frontier
    then keeps what is known.
    """
    starts = [start_url(address) for address in ([site] if isinstance(site, str) else site)]
    crawler = _Crawler(starts, folder, frontier, fetcher, limits, previous, blocked, on_page, on_wait)
    try:
        await crawler.run()
    except sqlite3.OperationalError as error:
        if "full" in str(error):
            raise HornbookError("the disk is full", where=folder, fix="free some space and run it again") from None
        raise
    finally:
        crawler.writer.close()


def start_url(address: str) -> str:
    """The canonical URL of an address as a person writes it. Raises InputError for what is none."""
    url = canonical_url(address if "//" in address else f"https://{address}")
    if url is None:
        raise InputError("this is no web address", where=address, fix="write it as https://example.org/")
    return url


class _Crawler:
    def __init__(
        self, starts: Sequence[str], folder: Path, frontier: Frontier, fetcher: Fetcher, limits: CrawlLimits,
        previous: Path | None, blocked: Callable[[str], str | None], on_page: Callable[[PageRow], None],
        on_wait: Callable[[str, float], None],
    ):  # fmt: skip
        self.starts, self.folder, self.frontier, self.limits, self.on_page = starts, folder, frontier, limits, on_page
        self.sites = {site_of(start) for start in starts}
        patterns = Patterns(limits.include, limits.exclude)
        for start in starts:
            if (pattern := patterns.refusal(start, start=True)) is not None:
                raise RecipeError(f"the crawl starts where exclude = [{pattern!r}] refuses everything", where=start,
                                  fix="start elsewhere, or exclude less")  # fmt: skip
        self._resume()
        self.writer = WarcWriter(folder, frontier.written(), about={"http-header-user-agent": fetcher.user_agent})
        self.polite = Politeness(fetcher, limits, on_wait)
        self.guide = SiteGuide(self.polite, frontier)
        self.visitor = Visitor(
            self.polite, self.guide, frontier, self.writer, ours=self._ours, blocked=blocked, patterns=patterns,
            max_hops=limits.max_hops, previous=previous,
        )  # fmt: skip
        self.budget = Budget(limits, frontier)
        self.failures: Counter[str] = Counter()
        self.gone: dict[str, str] = {}  # site -> what its last failure was

    def _resume(self) -> None:
        for name, size in self.frontier.written().items():  # after a power cut a file may be shorter than its rows say
            path = self.folder / name
            there = path.stat().st_size if path.exists() else 0
            if there < size:
                self.frontier.cut(name, there)
        if self.frontier.note("gave up"):
            words = ", ".join(f"'{reason}'" for reason in sorted({*TRANSIENT, "gone", "robots unreachable"}))
            self.frontier.requeue(f"reason IN ({words}) OR status IN ({', '.join(map(str, RETRY_STATUS))})")
            self.frontier.note("gave up", "")

    async def run(self) -> None:
        self.frontier.add(self.starts, 0)
        if not self.frontier.note("seeded"):
            await self._seed()
        late = bool(self.frontier.note("second chance"))
        await self._walk(SECOND_CHANCE if late else 1.0)
        if not late:  # those that were too slow are asked once more, when all is quiet
            self.guide.forget()
            self.frontier.requeue("reason IN ('timeout', 'robots unreachable')")
            self.frontier.note("second chance", "yes")
            # whatever their level: together they take as long as one
            await self._fetch(self.frontier.waiting("depth <= ?", [self.limits.max_depth]), SECOND_CHANCE)
            await self._walk(SECOND_CHANCE)
        self._all_gone()
        self.frontier.close_rest(self.limits.max_depth, "page limit")
        self._name_loops()
        if not self.budget.taken:
            self.frontier.note("gave up", "yes")
            raise _nothing(*self.frontier.rows("url = ?", [self.starts[0]]))
        self.writer.close()
        write_pages(self.folder / "pages.parquet", self.frontier.rows())

    async def _seed(self) -> None:
        """Queue what the sites list of themselves."""
        for start in self.starts:
            robots = await self.guide.robots(start)
            if robots.why is not None:
                self.gone[site_of(start)] = robots.why
            if robots.why is not None and ("inside" in robots.why or len(self.gone) == len(self.sites)):
                self.frontier.note("gave up", "yes")
                own = f'if you mean it, put allow_private = ["{host_of(start)}"] into the recipe\'s [crawl]'
                raise InputError(f"{robots.why}, so nothing is fetched", where=origin_of(start),
                                 fix=own if "inside" in robots.why else WELL_AGAIN)  # fmt: skip
            if self.limits.sitemaps and robots.allows(start):
                await self.guide.read_sitemaps(start, self._ours, partial(self._stop, start, host_of(start)))
        self.gone.clear()  # a site of several may come back while the others are walked
        self.frontier.note("seeded", "yes")

    async def _walk(self, patience: float) -> None:
        """Level by level, as many at once as the limits allow, until nothing waits that may still be fetched."""
        while self.budget.room > 0 and (level := self.frontier.level(self.limits.max_depth)):
            await self._fetch(level, patience)
            self._all_gone()

    async def _fetch(self, waiting: list[Waiting], patience: float) -> None:
        """Fetch these, each host in a lane of its own, no more than there is room for: those that fail make room."""
        while waiting and self.budget.room > 0:
            batch, waiting = self._batch(waiting)
            lanes: dict[str, list[Waiting]] = {}
            for each in batch:
                lanes.setdefault(host_of(each[0]), []).append(each)
            try:
                async with asyncio.TaskGroup() as group:
                    for host, lane in lanes.items():
                        workers, rest = self.limits.concurrency if self.polite.own(host) else 1, iter(lane)
                        for _ in range(workers):
                            group.create_task(self._work(host, rest, workers, patience))
            except* (HornbookError, sqlite3.OperationalError) as errors:
                raise errors.exceptions[0] from None

    def _batch(self, waiting: list[Waiting]) -> tuple[list[Waiting], list[Waiting]]:
        """What may be fetched now and what must wait for it, so that the same pages are left out whoever answers first;
        what is left of a host with no room is refused."""
        now: list[Waiting] = []
        later: list[Waiting] = []
        spent: list[str] = []
        planned: Counter[str] = Counter()
        for each in waiting:
            host = host_of(each[0])
            if self.budget.host_room(host) <= 0:
                spent.append(each[0])
            elif len(now) < self.budget.room and planned[host] < self.budget.host_room(host):
                planned[host] += 1
                now.append(each)
            else:
                later.append(each)
        self.frontier.refuse(spent, "page limit", "of its host")
        return now, later

    async def _work(self, host: str, lane: Iterator[Waiting], workers: int, patience: float) -> None:
        for url, depth, hops in lane:
            if (why := self._stop(url, host)) is not None:
                self.frontier.refuse([url], *why)
                continue
            began = time.monotonic()
            visit = await self.visitor.visit(url, depth, hops, patience)
            self.frontier.finish(visit.row, visit.links, visit.redirect, self.writer.tail)
            self.budget.spend(host, (time.monotonic() - began) / workers, taken=visit.row.outcome == "taken")
            self._watch(visit)
            self.on_page(visit.row)

    def _stop(self, url: str, host: str) -> tuple[str, str] | None:
        """The reason and detail why nothing more of this host is fetched."""
        if site_of(url) in self.gone:
            return "gone", self.gone[site_of(url)]
        whose = self.budget.out_of_time(host, self.polite.rest(host))
        return ("time limit", f"of {whose}") if whose is not None else None

    def _watch(self, visit: Visit) -> None:
        """A site that fails without end is gone: ask it nothing more."""
        site, answer = site_of(visit.row.url), visit.answer
        if answer is None:
            return
        self.failures[site] = self.failures[site] + 1 if answer.transient else 0
        if self.failures[site] >= GIVE_UP_AFTER:
            self.gone[site] = answer.detail or f"it answers {answer.status}"

    def _all_gone(self) -> None:
        """When no site is left, stop, so that what is left waits for better days."""
        if len(self.gone) < len(self.sites):
            return
        self.frontier.note("gave up", "yes")
        last = next(iter(self.gone.values()))
        raise InputError(f"the site stopped answering after {self.budget.taken:,} pages ({last})", where=self.starts[0],
                         fix="run the same command again: it goes on from there")  # fmt: skip

    def _ours(self, url: str) -> bool:
        return site_of(url) in self.sites

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


def _nothing(first: PageRow) -> InputError:
    """Why a crawl brought nothing, from the start page's row."""
    start = first.url
    if first.reason == "status" and (first.status or 0) >= 500:
        return InputError(f"the site answers only {first.status}", where=start, fix=WELL_AGAIN)
    if first.reason in TRANSIENT:
        return InputError(f"the site does not answer ({first.detail})", where=start, fix=WELL_AGAIN)
    if first.reason == "robots":
        detail = f" ({first.detail})" if first.detail else ""
        return InputError(f"its robots.txt allows us nothing{detail}", where=start, fix="ask the site's owner")
    if first.reason == "redirect off site":
        return InputError("it only redirects elsewhere", where=start, fix=f"name that site instead: {first.detail}")
    if first.reason == "redirect loop":
        return InputError("it redirects in a loop", where=start, fix="check the address in a browser")
    why = f"{first.reason} {first.detail or ''}".strip()
    return InputError(f"no page of it can be used ({why})", where=start, fix="check the address in a browser")
