"""An EPUB as Markdown: the chapters of its spine in their order, each read as the HTML page it is.

Source: EPUB 3.3 (https://www.w3.org/TR/epub-33), sections 4 (container) and 5 (package document).
"""

from __future__ import annotations

import posixpath
import re
from urllib.parse import unquote

from hornbook.corpus.extraction.encodings import decoded
from hornbook.corpus.extraction.faults import Check
from hornbook.corpus.extraction.htmlpage import read_html
from hornbook.corpus.extraction.zipped import Zipped

_CONTAINER = "META-INF/container.xml"
_FRAGMENT = re.compile(r"[?#].*", re.DOTALL)
_MEDIA = ("application/xhtml+xml", "text/html")


def read_epub(body: bytes, check: Check) -> tuple[str, str]:
    """Title and Markdown of an EPUB, without its table of contents. Raises PageFault where it cannot be read."""
    book = Zipped(body, "EPUB")
    rootfile = book.xml(_CONTAINER).find(".//{*}rootfile")
    package_name = "" if rootfile is None else rootfile.get("full-path", "")
    package = book.xml(package_name)
    title = " ".join((package.findtext(".//{http://purl.org/dc/elements/1.1/}title") or "").split())
    chapters = {
        item.get("id", ""): _FRAGMENT.sub("", item.get("href", ""))
        for item in package.iterfind(".//{*}manifest/{*}item")
        if item.get("media-type") in _MEDIA and "nav" not in item.get("properties", "").split()
    }
    texts = []
    for reference in package.iterfind(".//{*}spine/{*}itemref"):
        href = chapters.pop(reference.get("idref", ""), None)  # a spine may name a chapter twice
        if href and reference.get("linear") != "no":
            name = posixpath.normpath(posixpath.join(posixpath.dirname(package_name), unquote(href)))
            chapter, _ = decoded(book.read(name), "application/xhtml+xml")
            texts.append(read_html(chapter, "", check).text)
            check()
    return title, "\n\n".join(filter(None, texts))
