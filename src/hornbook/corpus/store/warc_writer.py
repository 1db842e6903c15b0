"""WARC 1.1 written, gzip a record: with warcio. Source: ISO 28500:2017."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from hornbook.core.files import explained
from hornbook.corpus.store.warc import Place, Stored

FILE_BYTES = 1 << 30
GZIP_LEVEL = 6  # warcio's own is 9: 1.6 times the time for less than a hundredth of the size
_HOP_BY_HOP = {"transfer-encoding"}  # the body is kept without its chunks, so this must not be claimed of it
_REVISIT = "http://netpreserve.org/warc/1.1/revisit/"


class Request(NamedTuple):
    """What was asked: "GET /path HTTP/1.1" and the headers sent."""

    line: str
    headers: list[tuple[str, str]]


class WarcWriter:
    """Appends records to `pages-00000.warc.gz`, `pages-00001.warc.gz`, … in `folder`, a new file each gigabyte.

    `keep` says how many bytes of which files are known to be whole (file name -> bytes): what lies beyond, a record
    torn by a kill, is cut off, and files not named are removed. `about` are fields for each file's `warcinfo`.
    """

    def __init__(
        self, folder: Path, keep: Mapping[str, int] | None = None, *, about: Mapping[str, str] | None = None,
        file_bytes: int = FILE_BYTES,
    ):  # fmt: skip
        self.folder, self.about, self.file_bytes = folder, about or {}, file_bytes
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

    @property
    def tail(self) -> tuple[str, int] | None:
        """The file that is written now and its bytes so far; None when nothing was written yet."""
        return (self._name, self._file.tell()) if self._file is not None else None

    def exchange(
        self, url: str, date: str, status_line: str, headers: list[tuple[str, str]], body: bytes,
        request: Request | None = None,
    ) -> Place:  # fmt: skip
        """An HTTP response and, after it, its request. `date` is ISO 8601 with a Z."""
        response = self._record(url, "response", date, body, _http(status_line, headers))
        return self._append([response, *self._asked(response, url, date, request)])

    def resource(self, url: str, date: str, content_type: str, body: bytes, *, kind: str = "resource") -> Place:
        """A file ("resource"), or text that was made of a page elsewhere ("conversion")."""
        return self._append([self._record(url, kind, date, body, content_type=content_type)])

    def revisit(
        self, url: str, date: str, status_line: str, headers: list[tuple[str, str]], earlier: Stored,
        request: Request | None = None,
    ) -> Place:  # fmt: skip
        """A page that is what `earlier` is: because it answered 304, or because the same bytes came, and are not kept
        twice."""
        why = "server-not-modified" if status_line.startswith("304") else "identical-payload-digest"
        fields = {
            "WARC-Profile": f"{_REVISIT}{why}", "WARC-Refers-To-Target-URI": earlier.url,
            "WARC-Refers-To-Date": earlier.date, **({"WARC-Payload-Digest": earlier.digest} if earlier.digest else {}),
        }  # fmt: skip
        record = self._record(url, "revisit", date, b"", _http(status_line, headers), fields)
        return self._append([record, *self._asked(record, url, date, request)])

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

    def _asked(self, answer: Any, url: str, date: str, request: Request | None) -> list[Any]:
        from warcio.statusandheaders import StatusAndHeaders

        if request is None:
            return []
        asked = StatusAndHeaders(request.line, request.headers, is_http_request=True)
        linked = {"WARC-Concurrent-To": answer.rec_headers.get_header("WARC-Record-ID")}
        return [self._record(url, "request", date, b"", asked, linked)]

    def _record(
        self, url: str, kind: str, date: str, body: bytes, http: Any = None, more: dict[str, str] | None = None,
        content_type: str = "",
    ) -> Any:  # fmt: skip
        return _builder().create_warc_record(
            url, kind, payload=io.BytesIO(body), length=len(body), http_headers=http,
            warc_content_type=content_type, warc_headers_dict={"WARC-Date": date, **(more or {})},
        )

    def _append(self, records: list[Any]) -> Place:
        data = b"".join(map(_packed, records))
        try:
            file = self._open()
            offset = file.tell()
            file.write(data)
            file.flush()
        except OSError as error:
            raise explained(error, self.folder) from error
        return Place(self._name, offset, len(data))

    @property
    def _name(self) -> str:
        return f"pages-{self._number:05d}.warc.gz"

    def _open(self) -> io.BufferedWriter:
        if self._file is not None and self._file.tell() >= self.file_bytes:
            self.close()
            self._number += 1
        if self._file is None:
            self._file = open(self.folder / self._name, "ab")  # noqa: SIM115 (open for long)
            if self._file.tell() == 0:
                self._file.write(_packed(self._warcinfo()))
        return self._file

    def _warcinfo(self) -> Any:
        fields = {"software": f"hornbook/{version('hornbook')}", "format": "WARC File Format 1.1",
                  "conformsTo": "http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/",
                  **self.about}  # fmt: skip
        return _builder().create_warcinfo_record(self._name, fields)


def _builder() -> Any:
    from warcio.recordbuilder import RecordBuilder

    return RecordBuilder(warc_version="1.1")


def _http(status_line: str, headers: list[tuple[str, str]]) -> Any:
    from warcio.statusandheaders import StatusAndHeaders

    kept = [(f"X-Crawler-{name}" if name.lower() in _HOP_BY_HOP else name, value) for name, value in headers]
    return StatusAndHeaders(status_line, kept, protocol="HTTP/1.1")


def _packed(record: Any) -> bytes:
    from warcio.warcwriter import WARCWriter

    plain = io.BytesIO()
    WARCWriter(plain, gzip=False, warc_version="1.1").write_record(record)
    packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS + 16)
    return packer.compress(plain.getvalue()) + packer.flush()
