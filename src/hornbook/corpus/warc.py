"""WARC 1.1, gzip a record: written with warcio, read with fastwarc. Source: ISO 28500:2017."""

from __future__ import annotations

import io
import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.core.files import explained

FILE_BYTES = 1 << 30
_HOP_BY_HOP = {"transfer-encoding"}  # the body is kept without its chunks, so this must not be claimed of it


@dataclass(frozen=True)
class Place:
    """Where a page's record lies: file name, first byte, bytes (with the request that follows it)."""

    file: str
    offset: int
    length: int


@dataclass(frozen=True)
class Stored:
    """A page as it lies in a WARC: `headers` are those of HTTP where there was HTTP, names in lower case."""

    kind: str
    url: str
    status: int
    headers: dict[str, str]
    body: bytes
    date: str

    @property
    def content_type(self) -> str:
        """The media type with its parameters, or ""."""
        return self.headers.get("content-type", "")


class WarcWriter:
    """Appends records to `pages-00000.warc.gz`, `pages-00001.warc.gz`, … in `folder`, a new file each gigabyte.

    `keep` says how many bytes of which files are known to be whole (file name -> bytes): what lies beyond, a record
    torn by a kill, is cut off, and files not named are removed.
    """

    def __init__(self, folder: Path, keep: dict[str, int] | None = None, *, file_bytes: int = FILE_BYTES):
        self.folder, self.file_bytes = folder, file_bytes
        folder.mkdir(parents=True, exist_ok=True)
        keep = keep or {}
        for path in folder.glob("pages-*.warc.gz"):
            if path.name in keep:
                with open(path, "r+b") as file:
                    file.truncate(keep[path.name])
            else:
                path.unlink()
        self._number = max((int(name[6:11]) for name in keep), default=0)
        self._file: io.BufferedWriter | None = None

    def exchange(
        self, url: str, date: str, status_line: str, headers: list[tuple[str, str]], body: bytes,
        request_line: str = "", request_headers: list[tuple[str, str]] | None = None,
    ) -> Place:
        """An HTTP response and, after it, its request. `date` is ISO 8601 with a Z."""
        from warcio.statusandheaders import StatusAndHeaders

        kept = [(f"X-Crawler-{name}" if name.lower() in _HOP_BY_HOP else name, value) for name, value in headers]
        response = self._record(url, "response", date, body, StatusAndHeaders(status_line, kept, protocol="HTTP/1.1"))
        records = [response]
        if request_line:
            asked = StatusAndHeaders(request_line, request_headers or [], is_http_request=True)
            linked = {"WARC-Concurrent-To": response.rec_headers.get_header("WARC-Record-ID")}
            records.append(self._record(url, "request", date, b"", asked, linked))
        return self._append(records)

    def resource(self, url: str, date: str, content_type: str, body: bytes, *, kind: str = "resource") -> Place:
        """A file ("resource"), or text that was made of a page elsewhere ("conversion")."""
        return self._append([self._record(url, kind, date, body, content_type=content_type)])

    def revisit(self, url: str, date: str, headers: list[tuple[str, str]], earlier_date: str) -> Place:
        """A page that answered 304: it is what it was at `earlier_date`."""
        from warcio.statusandheaders import StatusAndHeaders

        answer = StatusAndHeaders("304 Not Modified", headers, protocol="HTTP/1.1")
        profile = {
            "WARC-Profile": "http://netpreserve.org/warc/1.1/revisit/server-not-modified",
            "WARC-Refers-To-Target-URI": url, "WARC-Refers-To-Date": earlier_date,
        }
        return self._append([self._record(url, "revisit", date, b"", answer, profile)])

    def sync(self) -> None:
        """Everything written so far is on the disk when this returns."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Sync and close."""
        self.sync()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _record(
        self, url: str, kind: str, date: str, body: bytes, http: Any = None, more: dict[str, str] | None = None,
        content_type: str = "",
    ) -> Any:
        from warcio.warcwriter import WARCWriter

        made = WARCWriter(io.BytesIO(), gzip=True, warc_version="1.1")
        return made.create_warc_record(
            url, kind, payload=io.BytesIO(body), length=len(body), http_headers=http,
            warc_content_type=content_type, warc_headers_dict={"WARC-Date": date, **(more or {})},
        )

    def _append(self, records: list[Any]) -> Place:
        from warcio.warcwriter import WARCWriter

        buffer = io.BytesIO()
        writer = WARCWriter(buffer, gzip=True, warc_version="1.1")
        for record in records:
            writer.write_record(record)
        data = buffer.getvalue()
        try:
            file = self._open()
            offset = file.tell()
            file.write(data)
            file.flush()
        except OSError as error:
            raise explained(error, self.folder) from error
        return Place(Path(file.name).name, offset, len(data))

    def _open(self) -> io.BufferedWriter:
        if self._file is not None and self._file.tell() >= self.file_bytes:
            self.close()
            self._number += 1
        if self._file is None:
            self._file = open(self.folder / f"pages-{self._number:05d}.warc.gz", "ab")  # noqa: SIM115 (open for long)
        return self._file


def read_at(folder: Path, place: Place) -> Stored:
    """The one record at `place`. Raises ValueError when there is none that can be read."""
    with open(folder / place.file, "rb") as file:
        file.seek(place.offset)
        data = file.read(place.length)
    for _, stored in _records(io.BytesIO(data), 0):
        return stored
    raise ValueError("no record can be read here")


def read_warc(path: Path) -> Iterator[Stored]:
    """The response, resource, conversion and revisit records of a WARC or WET file, gzip or plain, in order.

    In a gzip file a damaged record costs itself alone: reading goes on at the next one that can be read.
    """
    if path.stat().st_size == 0:
        return
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start, packed = 0, path.suffix == ".gz" or data[:2] == b"\x1f\x8b"
        while start >= 0:
            for position, stored in _records(file, start):
                start = position
                yield stored
            start = data.find(b"\x1f\x8b\x08", start + 1) if packed else -1


def _records(file: Any, start: int) -> Iterator[tuple[int, Stored]]:
    """The records from `start` up to the end or the first damage, each with its position."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    file.seek(start)
    kinds = WarcRecordType.response | WarcRecordType.resource | WarcRecordType.conversion | WarcRecordType.revisit
    records = iter(ArchiveIterator(file, record_types=kinds, parse_http=True))
    while True:
        try:
            record = next(records)
            yield record.stream_pos, _stored(record, record.reader.read())
        except (StopIteration, ValueError, OSError, RuntimeError):
            return


def _stored(record: Any, body: bytes) -> Stored:
    headers = {str(name).lower(): str(value) for name, value in record.headers.asdict().items()}
    http = record.http_headers
    fields = {"content-type": headers.get("content-type", "")}
    if http is not None:
        fields = {str(name).lower(): str(value) for name, value in http.asdict().items()}
    return Stored(
        kind=headers.get("warc-type", ""), url=headers.get("warc-target-uri", "").strip("<>"),
        status=int(http.status_code or 0) if http is not None else 200, headers=fields, body=body,
        date=headers.get("warc-date", ""),
    )
