"""Pages that need no fetching end as WARC and rows too, so that all after is one path."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from hornbook.core.errors import InputError
from hornbook.corpus.store.frontier import Frontier
from hornbook.corpus.store.pages import PageRow, write_pages
from hornbook.corpus.store.urls import MAX_LENGTH, canonical_url
from hornbook.corpus.store.warc_writer import WarcWriter

COMMIT_EVERY = 256  # pages: a kill loses fewer than that
ALL = "all"
FILES = "folder:///"  # how the addresses of files begin
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Unfinished(Exception):
    """A part did not come this time, and may the next."""


class Found(NamedTuple):
    """A page of a source: its row, and for one that may be taken the whole content type, the body and the kind of
    record that it becomes."""

    row: PageRow
    content_type: str = ""
    body: bytes = b""
    kind: str = ""


Part = tuple[str, Callable[[], Iterator[Found]]]  # a name that is the same next time, and its pages in the same order


class Intake:
    """Writes the pages of sources into WARC files and `pages.parquet` in `folder`, holding some hundred at a time.

    Goes on where `frontier` stopped: a part that was read is not read again, and of one half read the rest is taken.
    """

    def __init__(self, folder: Path, frontier: Frontier, on_page: Callable[[PageRow], None] = lambda row: None):
        self.folder, self.frontier, self.on_page = folder, frontier, on_page
        self.writer = WarcWriter(folder, frontier.written())

    def read(self, name: str, source: object, parts: Iterable[Part], fix: str, *, apart: bool = False) -> None:
        """Take every page of one source: `name` is its own, `source` what an error calls it. With `apart` the name
        stands in the addresses of its files, so that the same path in another source is another page.

        Raises InputError when there is none to take, with `fix` as its advice, and, after all others, for parts that
        did not come.
        """
        pages, reasons, failed = 0, Counter[str](), []
        for part, found in parts:
            note = f"read {name}/{part}"
            kept = self.frontier.note(note) or "0 0"
            if not kept.startswith(ALL):
                try:
                    ours = (_of(name, each, apart) for each in found())
                    place = folder_url(f"{name}/{part}" if apart else part)
                    kept = self._part(place, note, ours, kept, reasons)
                except Unfinished as error:
                    failed.append(str(error))
                    continue
            pages += int(kept.split()[1])
        if failed:
            raise InputError(f"{len(failed):,} of its files did not come ({failed[0]})", where=source,
                             fix="run the same command again: those that came are not fetched again")  # fmt: skip
        if not pages:
            if reasons and all(reason.startswith("excluded") for reason in reasons):
                fix = "change include or exclude"
            raise InputError(_nothing(reasons), where=source, fix=fix)

    def close(self) -> None:
        """Write the table."""
        self.writer.close()
        write_pages(self.folder / "pages.parquet", self.frontier.rows())

    def _part(self, place: str, note: str, pages: Iterator[Found], kept: str, reasons: Counter[str]) -> str:
        """Take the pages of the part at `place` from where `kept` says; what there is to note of it when all is
        read."""
        done, count = map(int, kept.split())
        rows: dict[str, PageRow] = {}
        for number, found in enumerate(pages, 1):
            if number <= done:
                continue
            row = self._same_url(found.row, f"{place}#{number}", rows)
            if row.outcome == "taken":
                row, count = self._store(row, found), count + 1
            else:
                reasons[f"{row.reason}: {row.detail}" if row.detail else row.reason or ""] += 1
            rows[row.url] = row
            self.on_page(row)
            if len(rows) >= COMMIT_EVERY:
                self.frontier.put(rows.values(), self.writer.tail, (note, f"{number} {count}"))
                rows.clear()
        kept = f"{ALL} {count}"
        self.frontier.put(rows.values(), self.writer.tail, (note, kept))
        return kept

    def _same_url(self, row: PageRow, place: str, rows: dict[str, PageRow]) -> PageRow:
        """The row itself, or, where another page has its URL already, one that says so."""
        before = rows[row.url].outcome if row.url in rows else self.frontier.outcome(row.url)
        if before is None or (before == "refused" and row.outcome == "taken"):
            return row
        return PageRow(place, 0, "refused", "same url", row.url, content_type=row.content_type, source=row.source)

    def _store(self, row: PageRow, found: Found) -> PageRow:
        date = row.fetched_at or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        place = self.writer.resource(row.url, date, found.content_type, found.body, kind=found.kind)
        return replace(row, fetched_at=date, bytes=len(found.body), sha256=hashlib.sha256(found.body).hexdigest(),
                       warc_file=place.file, warc_offset=place.offset, warc_length=place.length)  # fmt: skip


def taken(url: str, content_type: str, body: bytes, kind: str, date: str | None = None) -> Found:
    """A page to take. `kind` is "resource" for a file, "conversion" for what was made of a page elsewhere."""
    url, media = _clean(url), content_type.partition(";")[0].strip().lower()
    row = PageRow(url, 0, "taken", canonical=url, status=200, content_type=media, fetched_at=date)
    return Found(row, content_type, body, kind)


def refused(url: str, reason: str, detail: str = "", content_type: str | None = None) -> Found:
    """A page that cannot be taken, and why."""
    return Found(PageRow(_clean(url), 0, "refused", reason, _clean(detail) or None, content_type=content_type))


def too_big(url: str, max_bytes: int, content_type: str | None = None) -> Found:
    """A page of more than `max_bytes`."""
    return refused(url, "too big", f"more than {max_bytes:,} bytes", content_type)


def _of(name: str, found: Found, apart: bool) -> Found:
    """The page as one of the source of that name."""
    row = replace(found.row, source=name)
    if apart and row.url.startswith(FILES):
        url = folder_url(name) + row.url.removeprefix(FILES[:-1])
        row = replace(row, url=url, canonical=row.canonical and url)
    return found._replace(row=row)


def folder_url(relative: str) -> str:
    """The stable URL of a file in a folder source.

    >>> folder_url("a b/c.html")
    'folder:///a%20b/c.html'
    """
    return FILES + quote(relative, safe="/~!$&'()*+,;=:@", errors="surrogateescape")


def files_of(source: Path, endings: tuple[str, ...]) -> list[tuple[str, Path]]:
    """The file itself, or all files of a folder with these endings; each with its name within the source."""
    if source.is_file():
        return [(source.name, source)]
    found = sorted(path for path in source.rglob("*") if path.is_file() and path.name.lower().endswith(endings))
    return [(path.relative_to(source).as_posix(), path) for path in found]


def page_url(url: str, place: str) -> str:
    """The URL of a page that somebody else stored: canonical where it is one of the web, as it is where it names
    something else (`urn:isbn:…`), and `place` where it is none, or would not stay on its line."""
    try:
        urlsplit(url)
    except ValueError:
        return place
    return canonical_url(url) or (url if 0 < len(url) <= MAX_LENGTH and not _CONTROL.search(url) else place)


def _clean(text: str) -> str:
    """Without lone surrogates, which no table takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _nothing(reasons: Counter[str]) -> str:
    if not reasons:
        return "there is nothing here"
    why, most = reasons.most_common(1)[0]
    return f"none of its {reasons.total():,} pages can be read ({why}{'' if most == 1 else f', {most:,} times'})"
