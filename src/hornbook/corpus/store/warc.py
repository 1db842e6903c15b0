"""WARC and WET files, anybody's and damaged ones: read with fastwarc, each record checked by its digest."""

from __future__ import annotations

import io
import mmap
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_BYTES = 100_000_000
_HEAD_BYTES = 1 << 20  # more than any HTTP header that is read
_PACKED, _PLAIN = re.compile(rb"\x1f\x8b\x08"), re.compile(rb"(?<=\n)WARC/\d\.\d\r?\n")


@dataclass(frozen=True)
class Place:
    """Where a page's record lies: file name, first byte, bytes (with the request that follows it)."""

    file: str
    offset: int
    length: int


@dataclass(frozen=True)
class Stored:
    """A page as it lies in a WARC: `headers` are those of HTTP where there was HTTP, names in lower case.

    `kind` is the record's, or "damaged", of which there is no more to say than `position`, its first byte in the file.
    """

    kind: str
    url: str
    status: int
    headers: dict[str, str]
    body: bytes
    date: str
    digest: str = ""
    position: int = 0

    @property
    def content_type(self) -> str:
        """The media type with its parameters, or ""."""
        return self.headers.get("content-type", "")


def read_at(folder: Path, place: Place) -> Stored:
    """The one record at `place`. Raises ValueError when there is none that can be read."""
    with open(folder / place.file, "rb") as file:
        file.seek(place.offset)
        data = file.read(place.length)
    try:
        return next(_records(io.BytesIO(data), 0, MAX_BYTES))
    except (StopIteration, _Broken):
        raise ValueError("no record can be read here") from None


def read_warc(path: Path, *, max_bytes: int = MAX_BYTES) -> Iterator[Stored]:
    """The response, resource, conversion and revisit records of a WARC or WET file, gzip or plain, in order.

    Damage costs the damaged records alone: one of kind "damaged" stands for them, and reading goes on at the next that
    can be read. Of a body longer than `max_bytes` one byte more than that is given. Holds one record at a time.
    """
    if path.stat().st_size == 0:
        return
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        packed = data[:2] == b"\x1f\x8b" or path.suffix == ".gz"
        start, damage = 0, None
        while True:
            try:
                for stored in _records(file, start, max_bytes):
                    if damage is not None:
                        yield damage
                    start, damage = stored.position, None
                    yield stored
                if packed and damage is None and not _ends_whole(data, start):
                    raise _Broken
                break
            except _Broken:
                damage = damage or Stored("damaged", "", 0, {}, b"", "", position=start)
                found = (_PACKED if packed else _PLAIN).search(data, start + 1)
                if found is None:
                    break
                start = found.start()
        if damage is not None:
            yield damage


class _Broken(Exception):
    """What lies here is no whole record."""


def _records(file: Any, start: int, max_bytes: int) -> Iterator[Stored]:
    """The records from `start` up to the end. Raises _Broken at the first that is damaged."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    kinds = WarcRecordType.response | WarcRecordType.resource | WarcRecordType.conversion | WarcRecordType.revisit
    file.seek(start)
    records = iter(ArchiveIterator(file, record_types=kinds, parse_http=False))
    while True:
        try:
            stored = _stored(next(records), max_bytes)
        except StopIteration:
            return
        except (ValueError, OSError, RuntimeError):
            raise _Broken from None
        yield stored


def _stored(record: Any, max_bytes: int) -> Stored:
    headers = {str(name).lower(): str(value) for name, value in record.headers.asdict().items()}
    small = record.content_length <= max_bytes + _HEAD_BYTES
    checked = small and headers.get("warc-block-digest", "").startswith("sha1:")
    if "content-length" not in headers or (checked and not record.verify_block_digest()):
        raise _Broken
    record.parse_http(auto_decode="transfer")
    body = record.reader.read(max_bytes + 1)
    http = record.http_headers
    fields = {"content-type": headers.get("content-type", "")}
    if http is not None:
        fields = {str(name).lower(): str(value) for name, value in http.asdict().items()}
    if not checked and "transfer-encoding" not in fields and len(body) < min(record.content_length, max_bytes + 1):
        raise _Broken
    return Stored(
        kind=headers.get("warc-type", ""), url=headers.get("warc-target-uri", "").strip("<>"),
        status=int(http.status_code or 0) if http is not None else 200, headers=fields, body=body,
        date=headers.get("warc-date", ""), digest=headers.get("warc-payload-digest", ""), position=record.stream_pos,
    )  # fmt: skip


def _ends_whole(data: mmap.mmap, start: int) -> bool:
    """Whether the gzip members from `start` on are whole: the reader is silent about a last one that is cut off."""
    while start < len(data):
        member = zlib.decompressobj(zlib.MAX_WBITS + 16)
        while not member.eof:
            if start >= len(data):
                return False
            try:
                packed = data[start : start + (1 << 16)]
                member.decompress(packed)
            except zlib.error:
                return False
            start += len(packed) - len(member.unused_data)
    return True
