"""Pages that need no fetching: a folder, WARC or WET files, a table. They end as WARC too, so all after is one path."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from hornbook.core.errors import InputError
from hornbook.corpus.encodings import TooBig, unpacked
from hornbook.corpus.fetch import TYPES
from hornbook.corpus.links import read_links
from hornbook.corpus.pages import PageRow, write_pages
from hornbook.corpus.urls import canonical_url
from hornbook.corpus.warc import WarcWriter, read_warc

FILE_TYPES = {
    ".html": "text/html", ".htm": "text/html", ".xhtml": "application/xhtml+xml", ".md": "text/markdown",
    ".markdown": "text/markdown", ".rst": "text/plain", ".txt": "text/plain", ".text": "text/plain",
    ".pdf": "application/pdf",
}
OnPage = Callable[[PageRow], None]


def _nothing_to_do(row: PageRow) -> None:
    """What happens at each page when nobody watches."""


def read_folder(source: Path, folder: Path, *, max_bytes: int = 10_000_000, on_page: OnPage = _nothing_to_do) -> None:
    """Every page under `source` as a `resource` record in `folder`, named `folder:///` and its path within `source`.

    Files in gzip are unpacked. What is of another kind, too big, hidden behind a link that leads out of the folder or
    unreadable is a refused row. Raises InputError when there is no page.
    """
    _write(_folder_pages(source, max_bytes), folder, source, on_page, "put HTML, Markdown, text or PDF files there")


def read_warcs(source: Path, folder: Path, *, max_bytes: int = 10_000_000, on_page: OnPage = _nothing_to_do) -> None:
    """Every page of a WARC or WET file, or of all in a folder. Raises InputError when there is no page."""
    paths = _files(source, (".warc", ".warc.gz", ".wet", ".wet.gz"))
    _write(_warc_pages(paths, max_bytes), folder, source, on_page, "name WARC or WET files, gzip or plain")


def read_table(source: Path, folder: Path, *, max_bytes: int = 10_000_000, on_page: OnPage = _nothing_to_do) -> None:
    """Every row of Parquet or JSON lines files as a text: columns `text` and, where there are any, `url` and `title`.

    Raises InputError when there is no row or no column `text`.
    """
    paths = _files(source, (".parquet", ".jsonl", ".jsonl.gz"))
    _write(_table_pages(paths, max_bytes), folder, source, on_page, "name Parquet or JSON lines files with texts")


def folder_url(relative: str) -> str:
    """The stable URL of a file in a folder source.

    >>> folder_url("a b/c.html")
    'folder:///a%20b/c.html'
    """
    return "folder:///" + quote(relative.replace(os.sep, "/"), safe="/~!$&'()*+,;=:@")


Found = tuple[PageRow, str, bytes, str]  # the row, the whole content type, the body, the kind of record


def _write(found: Iterator[Found], folder: Path, source: Path, on_page: OnPage, fix: str) -> None:
    writer = WarcWriter(folder)
    rows: dict[str, PageRow] = {}
    for row, content_type, body, kind in found:
        if row.url in rows:
            continue
        if row.outcome == "taken":
            date = row.fetched_at or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            place = writer.resource(row.url, date, content_type, body, kind=kind)
            row = replace(row, fetched_at=date, bytes=len(body), sha256=hashlib.sha256(body).hexdigest(),
                          warc_file=place.file, warc_offset=place.offset, warc_length=place.length)
        rows[row.url] = row
        on_page(row)
    writer.close()
    if not any(row.outcome == "taken" for row in rows.values()):
        what = "there is nothing here" if not rows else f"none of its {len(rows):,} files is a page that can be read"
        raise InputError(what, where=source, fix=fix)
    write_pages(folder / "pages.parquet", rows.values())


def _refused(url: str, reason: str, detail: str = "", content_type: str | None = None) -> Found:
    return PageRow(url, 0, "refused", reason, detail or None, content_type=content_type), "", b"", ""


def _taken(url: str, content_type: str, body: bytes, kind: str, date: str | None = None, status: int = 200) -> Found:
    media = content_type.partition(";")[0].strip().lower()
    row = PageRow(url, 0, "taken", canonical=url, status=status, content_type=media, fetched_at=date)
    return row, content_type, body, kind


def _folder_pages(source: Path, max_bytes: int) -> Iterator[Found]:
    root = source.resolve()
    for parent, names, files in os.walk(source):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            path = Path(parent, name)
            if not name.startswith("."):
                yield _file_page(path, folder_url(os.path.relpath(path, source)), root, max_bytes)


def _file_page(path: Path, url: str, root: Path, max_bytes: int) -> Found:
    packed = path.suffix.lower() == ".gz"
    content_type = FILE_TYPES.get(Path(path.stem if packed else path.name).suffix.lower())
    if content_type is None:
        return _refused(url, "type", path.suffix or "no ending")
    if not path.resolve().is_relative_to(root):
        return _refused(url, "link outside", "it leads out of the folder")
    try:
        if path.stat().st_size > max_bytes:
            return _refused(url, "too big", f"more than {max_bytes:,} bytes", content_type)
        body = path.read_bytes()
        body = unpacked(body, "gzip", max_bytes) if packed else body
    except (OSError, ValueError) as error:
        return _refused(url, "unreadable", getattr(error, "strerror", None) or str(error), content_type)
    except TooBig:
        return _refused(url, "too big", f"more than {max_bytes:,} bytes", content_type)
    return _taken(url, content_type, body, "resource")


def _warc_pages(paths: list[Path], max_bytes: int) -> Iterator[Found]:
    for path in paths:
        for stored in read_warc(path):
            url = canonical_url(stored.url) or stored.url
            media = stored.content_type.partition(";")[0].strip().lower()
            if stored.kind == "revisit":
                continue
            if stored.status != 200:
                yield _refused(url, "status", str(stored.status), media)
                continue
            if media and media not in TYPES:
                yield _refused(url, "type", media, media)
                continue
            try:
                body = unpacked(stored.body, stored.headers.get("content-encoding", ""), max_bytes)
            except TooBig:
                yield _refused(url, "too big", f"more than {max_bytes:,} bytes", media)
                continue
            except ValueError as error:
                yield _refused(url, "bad answer", str(error), media)
                continue
            if media in ("text/html", "application/xhtml+xml", "") and not _may_be_used(body, url, stored.headers):
                yield _refused(url, "noindex", "", media)
                continue
            yield _taken(url, stored.content_type, body, "conversion", stored.date or None)


def _may_be_used(body: bytes, url: str, headers: dict[str, str]) -> bool:
    return read_links(body, url, headers.get("content-type", ""), headers.get("x-robots-tag", "")).index


def _table_pages(paths: list[Path], max_bytes: int) -> Iterator[Found]:
    for path in paths:
        for number, row in enumerate(_table_rows(path)):
            text, title = row.get("text"), row.get("title")
            url = str(row.get("url") or "") or f"{folder_url(path.name)}#{number}"
            url = canonical_url(url) or url
            if not isinstance(text, str) or not text.strip():
                yield _refused(url, "empty", "no text")
                continue
            if isinstance(title, str) and title.strip() and not text.lstrip().startswith("# "):
                text = f"# {title.strip()}\n\n{text}"
            body = text.encode("utf-8", "replace")
            if len(body) > max_bytes:
                yield _refused(url, "too big", f"more than {max_bytes:,} bytes", "text/markdown")
                continue
            yield _taken(url, "text/markdown; charset=utf-8", body, "conversion")


def _table_rows(path: Path) -> Iterator[dict]:
    if path.suffix == ".parquet":
        import pyarrow
        import pyarrow.parquet

        try:
            table = pyarrow.parquet.ParquetFile(path)
            if "text" not in table.schema_arrow.names:
                raise InputError("there is no column text", where=path, fix="name the column of the texts text")
            for batch in table.iter_batches(1024):
                yield from batch.to_pylist()
        except (pyarrow.ArrowException, OSError) as error:
            raise InputError(f"not readable as Parquet ({str(error)[:100]})", where=path, fix="mend the file") from None
        return
    with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
        try:
            for number, line in enumerate(file, 1):
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise InputError("a line must be a JSON object", where=f"{path}, line {number}", fix="mend it")
                    yield row
        except (ValueError, EOFError, OSError, zlib.error) as error:
            raise InputError(f"not JSON lines ({str(error)[:100]})", where=path, fix="mend the file") from None


def _files(source: Path, endings: tuple[str, ...]) -> list[Path]:
    if source.is_file():
        return [source]
    return sorted(path for path in source.rglob("*") if path.is_file() and path.name.endswith(endings))
