"""WARC and WET files as a source of pages: on this disk, or a list of paths such as Common Crawl publishes."""

from __future__ import annotations

import asyncio
import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from hornbook.core.errors import DamagedError
from hornbook.corpus.extraction.encodings import TooBig, unpacked
from hornbook.corpus.sources.intake import (
    Found,
    Part,
    Unfinished,
    files_of,
    folder_url,
    page_url,
    refused,
    taken,
    too_big,
)
from hornbook.corpus.store.urls import canonical_url
from hornbook.corpus.store.warc import Stored, read_warc
from hornbook.corpus.web.fetch import HTML, REDIRECTS, TYPES, Answer, Fetcher
from hornbook.corpus.web.links import read_links

ENDINGS = (".warc", ".warc.gz", ".wet", ".wet.gz")
LISTS = (".paths", ".paths.gz", ".txt", ".txt.gz")
MAX_REDIRECTS = 5
AGAIN_AFTER = (0.5, 2.0)  # seconds, before a file that failed in passing is asked for again
LONGEST_WAIT = 300.0  # seconds that a Retry-After is obeyed for
_ROBOTS = re.compile(rb"\0|<meta[^>]{0,1000}(robots|hornbook)", re.IGNORECASE)  # or an encoding that hides it


def archive_parts(
    source: Path, max_bytes: int, base: str, work: Path, connect: Callable[[], Fetcher]
) -> Iterator[Part]:
    """Every page of a WARC or WET file, of all in a folder, or of all that a list of paths names, a file a part.

    A list (its name ends in .paths or .txt, gzip or plain) holds one a line: an address, or a path that `base` is put
    before, an address or a folder; without `base` paths are looked for beside the list. A file that is elsewhere is
    fetched whole into `work`, by a client that `connect` gives, and removed when it is read.
    """
    if not source.name.lower().endswith(LISTS):
        for name, path in files_of(source, ENDINGS):
            yield name, lambda name=name, path=path: _pages(name, path, max_bytes)
        return
    for line in _lines(source):
        where = line if "://" in line else f"{base.rstrip('/')}/{line.lstrip('/')}"
        if "://" in where:
            yield line, lambda where=where: _fetched(where, max_bytes, work, connect)
        else:
            yield line, lambda line=line: _pages(line, source.parent / base / line, max_bytes)


def _fetched(where: str, max_bytes: int, work: Path, connect: Callable[[], Fetcher]) -> Iterator[Found]:
    path = work / f"fetched{'.gz' if where.endswith('.gz') else ''}"
    try:
        answer = asyncio.run(_save(where, path, connect))
        if answer.transient:
            raise Unfinished(f"{where}: {answer.detail or answer.status}")
        if answer.status == 200 and answer.reason is None:
            yield from _pages(where, path, max_bytes)
        else:
            yield refused(where, answer.reason or "status", answer.detail or str(answer.status))
    finally:
        path.unlink(missing_ok=True)


async def _save(where: str, path: Path, connect: Callable[[], Fetcher]) -> Answer:
    """The file behind `where`, through a few redirects, each checked by the fetcher's guard; asked for again while that
    fails in passing."""
    async with connect() as fetcher:
        answer, hops, failures = await fetcher.save(where, path), 0, 0
        while True:
            target = canonical_url(answer.header("location"), answer.url) if answer.status in REDIRECTS else None
            if target is not None and hops < MAX_REDIRECTS:
                hops += 1
            elif answer.transient and failures < len(AGAIN_AFTER):
                await asyncio.sleep(max(AGAIN_AFTER[failures], min(answer.retry_after, LONGEST_WAIT)))
                target, failures = answer.url, failures + 1
            else:
                return answer
            answer = await fetcher.save(target, path)


def _lines(source: Path) -> Iterator[str]:
    try:
        with gzip.open(source) if source.suffix == ".gz" else open(source, "rb") as file:
            yield from (line.decode().strip() for line in file if line.strip())
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DamagedError(f"no list of paths ({error})", where=source, fix="fetch the list again") from None


def _pages(name: str, path: Path, max_bytes: int) -> Iterator[Found]:
    if not path.is_file():
        yield refused(folder_url(name), "unreadable", "there is no such file")
        return
    for stored in read_warc(path, max_bytes=max_bytes):
        place = f"{folder_url(name)}#{stored.position}"
        url, media = page_url(stored.url, place), stored.content_type.partition(";")[0].strip().lower()
        if stored.kind == "damaged":
            yield refused(place, "damaged", "no whole record here")
        elif stored.kind == "revisit":
            yield refused(place, "revisit", url)
        elif stored.status != 200:
            yield refused(url, "status", str(stored.status), media)
        elif media and media not in TYPES:
            yield refused(url, "type", media, media)
        else:
            yield _page(stored, url, media, max_bytes)


def _page(stored: Stored, url: str, media: str, max_bytes: int) -> Found:
    if len(stored.body) > max_bytes:
        return too_big(url, max_bytes, media)
    try:
        body = unpacked(stored.body, stored.headers.get("content-encoding", ""), max_bytes)
    except TooBig:
        return too_big(url, max_bytes, media)
    except ValueError as error:
        return refused(url, "bad answer", str(error), media)
    if media in (*HTML, "") and not _may_be_used(body, url, stored.headers):
        return refused(url, "noindex", "", media)
    return taken(url, stored.content_type, body, "conversion", stored.date or None)


def _may_be_used(body: bytes, url: str, headers: dict[str, str]) -> bool:
    asked = headers.get("x-robots-tag", "")
    if not asked and not _ROBOTS.search(body):  # most pages, and parsing one takes as long as all the rest
        return True
    return read_links(body, url, headers.get("content-type", ""), asked).index
