"""Documents that are a ZIP of XML: unpacked within limits, parsed without entities, networks and files."""

from __future__ import annotations

import io
import zipfile
import zlib

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  (no stubs)

from hornbook.corpus.extraction.faults import PageFault

MAX_UNPACKED = 30_000_000  # bytes of all parts that are read, together
MAX_PARTS = 20_000
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # all that OPC (ECMA-376 part 2) and OCF (EPUB 3.3) know

_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError)


class Zipped:
    """The parts of a document by name. Raises PageFault where they are damaged or unpack to more than they may."""

    def __init__(self, body: bytes, kind: str):
        self.kind, self.left = kind, MAX_UNPACKED
        try:
            self.file = zipfile.ZipFile(io.BytesIO(body))
        except _UNREADABLE as error:
            raise self.damaged(str(error)) from None
        if len(self.file.namelist()) > MAX_PARTS:
            raise PageFault("too big", f"the {kind} has more than {MAX_PARTS:,} parts")

    def __contains__(self, name: str) -> bool:
        return name in self.file.NameToInfo

    def read(self, name: str) -> bytes:
        """The bytes of one part; what its header says of its size is not believed."""
        try:
            # Of bzip2 and LZMA Python unpacks all that four kilobytes hold at once, which may be gigabytes.
            if self.file.getinfo(name).compress_type not in _METHODS:
                raise self.damaged(f"{name} is packed in a way that no {self.kind} may be")
            with self.file.open(name) as part:
                body = part.read(self.left + 1)
        except KeyError:
            raise self.damaged(f"{name} is missing") from None
        except _UNREADABLE as error:
            raise self.damaged(f"{name}: {error}") from None
        self.left -= len(body)
        if self.left < 0:
            raise PageFault("too big", f"the {self.kind} unpacks to more than {MAX_UNPACKED:,} bytes")
        return body

    def xml(self, name: str) -> etree._Element:
        """One part as a tree. Entities stay unresolved, so that none can grow; nothing is loaded from elsewhere."""
        parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
        try:
            return etree.fromstring(self.read(name), parser)
        except etree.XMLSyntaxError as error:
            raise self.damaged(f"{name}: {str(error)[:80]}") from None

    def damaged(self, detail: str) -> PageFault:
        return PageFault("damaged", f"the {self.kind} cannot be read ({detail[:120]})")
