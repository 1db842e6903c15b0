"""One URL of a crawl: may it be asked for, what came back, is it stored, where does it lead."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hornbook.corpus.extraction.encodings import TooBig, unpacked
from hornbook.corpus.store.frontier import Frontier
from hornbook.corpus.store.pages import PageRow, read_pages
from hornbook.corpus.store.urls import canonical_url, host_of, origin_of
from hornbook.corpus.store.warc import Place, Stored, read_at
from hornbook.corpus.store.warc_writer import Request, WarcWriter
from hornbook.corpus.web.fetch import HTML, REDIRECTS, Answer
from hornbook.corpus.web.guard import AddressRefused
from hornbook.corpus.web.guide import SiteGuide
from hornbook.corpus.web.links import PageLinks, directives, read_links
from hornbook.corpus.web.patterns import Patterns
from hornbook.corpus.web.politeness import Politeness
from hornbook.corpus.web.traps import trap

WORTH_A_REVISIT = 2048  # bytes of a payload from which on a record that only points at it is smaller


@dataclass(frozen=True)
class Visit:
    """What became of one URL: its row, the pages it links to, or the URL it redirects to with the redirects so far."""

    row: PageRow
    links: Sequence[str] = ()
    redirect: tuple[str, int] | None = None
    answer: Answer | None = None


class Visitor:
    """Visits URLs and writes what is taken with `writer`, whose folder it also reads.

    `ours` says whether a URL belongs to the crawl, `blocked` why one must not be fetched, None where it may,
    `patterns` which are wanted. `previous` is the folder of an earlier crawl, whose pages are asked for only if they
    changed.
    """

    def __init__(
        self, polite: Politeness, guide: SiteGuide, frontier: Frontier, writer: WarcWriter, *,
        ours: Callable[[str], bool], blocked: Callable[[str], str | None], patterns: Patterns, max_hops: int,
        previous: Path | None,
    ):  # fmt: skip
        self.polite, self.guide, self.frontier, self.writer = polite, guide, frontier, writer
        self.ours, self.blocked, self.patterns, self.max_hops = ours, blocked, patterns, max_hops
        self.previous, self.earlier = previous, _earlier(previous)

    async def visit(self, url: str, depth: int, hops: int, patience: float) -> Visit:
        """Fetch a URL that was found `depth` links and `hops` redirects from the start."""
        if (why := self.patterns.refusal(url, start=depth == 0)) is not None:
            return _refused(PageRow(url, depth, "refused", "excluded", why))
        robots = await self.guide.robots(url)
        if robots.why is not None:
            return _refused(PageRow(url, depth, "refused", "robots unreachable", robots.why))
        if not robots.allows(url):
            return _refused(PageRow(url, depth, "refused", "robots", robots.endless))
        if (why := self.blocked(url)) is not None:
            return _refused(PageRow(url, depth, "refused", "blocklist", why))
        if (why := trap(url)) is not None:
            return _refused(PageRow(url, depth, "refused", "trap", why))
        stored = self._stored(url)
        answer = await self.polite.get(url, headers=_conditions(stored), patience=patience)
        row = PageRow(url, depth, "refused", answer.reason, answer.detail or None, status=answer.status,
                      content_type=answer.media_type or None, fetched_at=answer.date)  # fmt: skip
        return replace(self._became(row, answer, stored, hops), answer=answer)

    def _became(self, row: PageRow, answer: Answer, stored: Stored | None, hops: int) -> Visit:
        if answer.reason is not None:
            return _refused(row)
        if answer.status == 304 and stored is not None:
            return self._unchanged(row, answer, stored)
        if answer.status in REDIRECTS:
            return self._redirect(row, answer.header("location"), hops)
        if answer.status != 200:
            return _refused(replace(row, reason="status", detail=str(answer.status)))
        return self._page(row, answer.body, _joined(answer.headers), answer)

    def _unchanged(self, row: PageRow, answer: Answer, stored: Stored) -> Visit:
        """A page that answers 304: a `revisit` record, and beside it the page itself, for the earlier crawl may go."""
        self.writer.revisit(row.url, answer.date, "304 Not Modified", list(answer.headers), stored, _request(answer))
        newer = {name: value for name in ("etag", "last-modified") if (value := answer.header(name))}
        headers = stored.headers | newer  # RFC 9111 section 4.3.4
        carried = Answer(row.url, stored.date, 200, "OK", tuple(headers.items()), stored.body)
        return self._page(replace(row, status=200), stored.body, headers, carried)

    def _page(self, row: PageRow, packed: bytes, headers: dict[str, str], answer: Answer) -> Visit:
        """A page that came: read its links, store it, unless it asks not to be used or cannot be unpacked."""
        limit = self.polite.fetcher.max_bytes
        try:
            body = unpacked(packed, headers.get("content-encoding", ""), limit)
        except TooBig:
            return _refused(replace(row, reason="too big", detail=f"more than {limit:,} bytes"))
        except ValueError as error:
            return _refused(replace(row, reason="bad answer", detail=str(error)))
        kind = headers.get("content-type", "")
        media = kind.partition(";")[0].strip().lower()
        if media in HTML or (not media and body.lstrip()[:1] == b"<"):
            found = read_links(body, row.url, kind, headers.get("x-robots-tag", ""))
        else:
            index = not {"noindex", "none"} & directives(headers.get("x-robots-tag", ""))
            found = PageLinks(None, index, True, ())
        own = found.canonical if found.canonical and self.ours(found.canonical) else row.url
        links = [link for link in dict.fromkeys([*found.links, own]) if self.ours(link)]
        row = replace(row, canonical=own, bytes=len(body), sha256=hashlib.sha256(body).hexdigest(),
                      content_type=media or None)  # fmt: skip
        if not found.index:
            return Visit(replace(row, reason="noindex"), links)
        place = self._twin(row, packed, headers, answer) or self._store(answer)
        row = replace(row, outcome="taken", warc_file=place.file, warc_offset=place.offset, warc_length=place.length)
        return Visit(row, links)

    def _twin(self, row: PageRow, packed: bytes, headers: dict[str, str], answer: Answer) -> Place | None:
        """The place of the same answer to another URL of this crawl, after a `revisit` record that says so."""
        if len(packed) < WORTH_A_REVISIT or (twin := self.frontier.twin(row.sha256 or "")) is None:
            return None
        place = Place(twin.warc_file or "", twin.warc_offset or 0, twin.warc_length or 0)
        stored = read_at(self.writer.folder, place)
        same = all(stored.headers.get(name) == headers.get(name) for name in ("content-type", "content-encoding"))
        if not same or stored.body != packed:
            return None
        self.writer.revisit(row.url, answer.date, _status(answer), list(answer.headers), stored, _request(answer))
        return place

    def _store(self, answer: Answer) -> Place:
        headers = list(answer.headers)
        return self.writer.exchange(answer.url, answer.date, _status(answer), headers, answer.body, _request(answer))

    def _redirect(self, row: PageRow, location: str, hops: int) -> Visit:
        target = canonical_url(location, row.url) if location else None
        if target is None:
            return _refused(replace(row, reason="bad redirect", detail=location[:200]))
        row = replace(row, reason="redirect", detail=target)
        if target == row.url:
            return _refused(replace(row, reason="redirect loop"))
        if hops + 1 > self.max_hops:
            return _refused(replace(row, reason="too many redirects"))
        if not self.ours(target):
            return _refused(replace(row, reason=self._outside(target)))
        return Visit(row, redirect=(target, hops + 1))

    def _outside(self, target: str) -> str:
        try:
            self.polite.fetcher.guard.check_literal(host_of(target))
        except AddressRefused:
            return "private address"
        return "redirect off site"

    def _stored(self, url: str) -> Stored | None:
        row = self.earlier.get(url)
        if row is None or self.previous is None or row.warc_file is None:
            return None
        try:
            return read_at(self.previous, Place(row.warc_file, row.warc_offset or 0, row.warc_length or 0))
        except (OSError, ValueError):  # an earlier crawl only ever saves work; without it the page is fetched anew
            return None


def _refused(row: PageRow) -> Visit:
    return Visit(row)


def _status(answer: Answer) -> str:
    return f"{answer.status} {answer.phrase}".strip()


def _request(answer: Answer) -> Request | None:
    """What was asked; None for what was not asked now, but carried over from an earlier crawl."""
    if not answer.request_headers:
        return None
    return Request(f"GET {answer.url.removeprefix(origin_of(answer.url))} HTTP/1.1", list(answer.request_headers))


def _joined(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by their names in lower case; those that may come several times joined, of others the last."""
    joined: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        several = key in joined and key in ("x-robots-tag", "content-encoding")
        joined[key] = f"{joined[key]}, {value}" if several else value
    return joined


def _conditions(stored: Stored | None) -> dict[str, str]:
    """What makes a request conditional. Source: RFC 9110 section 13.1; an ETag goes back as it came, weak or strong."""
    if stored is None:
        return {}
    asked = {"If-None-Match": stored.headers.get("etag", ""),
             "If-Modified-Since": stored.headers.get("last-modified", "")}  # fmt: skip
    return {name: value for name, value in asked.items() if value}


def _earlier(previous: Path | None) -> dict[str, PageRow]:
    if previous is None or not (previous / "pages.parquet").exists():
        return {}
    return {row.url: row for row in read_pages(previous / "pages.parquet") if row.outcome == "taken"}
