"""From a stored page to a document: its title, its text as Markdown, the licence it states, or the fault it has."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from hornbook.core.errors import HornbookError
from hornbook.corpus.extraction.encodings import decoded
from hornbook.corpus.extraction.faults import Check, PageFault, cpu_budget

Mode = Literal["main", "fast"]
CPU_SECONDS = 10.0
MAX_CHARACTERS = 5_000_000
UNFORESEEN = "while it was read"  # in the detail of a fault that is a bug of ours
_CUT = f"the text is cut after {MAX_CHARACTERS:,} characters"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
EPUB = "application/epub+zip"
PDF = "application/pdf"
_RESTRUCTURED = frozenset({"text/x-rst", "text/prs.fallenstein.rst"})
_PLAIN = frozenset({"text/plain", "text/markdown", "text/x-markdown"})
_MAGIC = (
    b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"PK\x03\x04", b"\x7fELF", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"Rar!",
    b"MZ\x90", b"OggS", b"ID3", b"\x00\x00\x01\x00", b"RIFF", b"SQLite format 3",
)  # fmt: skip
_ODD_BYTES = bytes({*range(32)} - {9, 10, 12, 13, 27})
_CONTROLS = dict.fromkeys({*range(32), 127} - {9, 10, 11, 12})
_OPEN_TAG = re.compile(r"<[a-zA-Z/!][^<>]{0,4000}$")
_CONTAINERS = re.compile(r"<(/?)(div|main|article|section|table|ul|ol|script|style)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Extracted:
    """`fault` is None, or what is wrong with the page: binary, truncated, empty, damaged, too big, cpu time. `detail`
    says more of it, or that the text was cut.

    `license` is an SPDX identifier, or the address of a licence that has none. `link_share` is the share of the whole
    page's text that lies in links, 0 to 1. `ended` says that the HTML has its </body> or </html>, `unclosed` that it
    has not and ends with containers open: such a page broke off, unless the whole site is written so.
    """

    title: str = ""
    text: str = ""
    fault: str | None = None
    detail: str = ""
    charset: str = ""
    license: str | None = None
    link_share: float = 0.0
    ended: bool = True
    unclosed: bool = False


def extract(
    body: bytes, content_type: str, url: str = "", *, cpu_seconds: float = CPU_SECONDS,
    mode: Mode = "main",
) -> Extracted:
    """The document of one page: HTML, Markdown, plain text, reStructuredText, PDF, DOCX or EPUB.

    Never raises for what a page holds; MissingExtraError where a format's library is not installed. A page that takes
    longer than `cpu_seconds` of this thread's processor time has the fault "cpu time". `mode` "fast" reads HTML with
    resiliparse: several times as fast, without headings, tables and code.
    """
    check = cpu_budget(cpu_seconds)
    try:
        return _extract(body, content_type, url, mode, check, cpu_seconds)
    except PageFault as fault:
        return Extracted(fault=fault.fault, detail=fault.detail)
    except HornbookError:
        raise
    except Exception as error:  # of a million pages one finds what no test has: it costs itself, and says what it was
        detail = f"{type(error).__name__} {UNFORESEEN}: {error}"[:200]
        return Extracted(fault="damaged", detail=detail.encode("utf-8", "replace").decode("utf-8"))


def _extract(body: bytes, content_type: str, url: str, mode: str, check: Check, cpu_seconds: float) -> Extracted:
    media = _media(body, content_type)
    if media == PDF:
        from hornbook.corpus.extraction.pdf import read_pdf

        return _plain(*read_pdf(body, cpu_seconds), charset="pdf")
    if media == DOCX:
        from hornbook.corpus.extraction.docx import read_docx

        return _document(*read_docx(body, check), charset="docx")
    if media == EPUB:
        from hornbook.corpus.extraction.epub import read_epub

        return _document(*read_epub(body, check), charset="epub")
    if _is_binary(body):
        return Extracted(fault="binary", detail="the bytes are no text")
    text, charset = decoded(body, content_type)
    check()
    if not text.strip("\0 \t\r\n"):
        return Extracted(fault="empty", charset=charset)
    if media in _RESTRUCTURED:
        from hornbook.corpus.extraction.restructured import read_restructured

        return _document("", read_restructured(text, check), charset=charset)
    if media in _PLAIN or (not media and "<" not in text[:2000]):
        return _plain("", text, charset=charset)
    return _html(text, charset, url, mode, check)


def _media(body: bytes, content_type: str) -> str:
    """What a page is: by its first bytes where those tell, else by what it was sent as."""
    if body[:5] == b"%PDF-":
        return PDF
    if body[:4] == b"PK\x03\x04":
        if b"mimetypeapplication/epub+zip" in body[:100]:
            return EPUB
        if b"word/document.xml" in body[-65_536:]:
            return DOCX
    return content_type.partition(";")[0].strip().lower()


def _html(text: str, charset: str, url: str, mode: str, check: Check) -> Extracted:
    tail = text[-4000:].rstrip()
    closes = "</html" in tail.lower()
    if not closes and _OPEN_TAG.search(tail):
        return Extracted(fault="truncated", detail="the HTML breaks off", charset=charset)
    if mode == "fast":
        from hornbook.corpus.extraction.fast import read_html_fast

        found = read_html_fast(text, url)
        check()
    else:
        from hornbook.corpus.extraction.htmlpage import read_html

        found = read_html(text, url, check)
    page = _document(found.title, found.text, charset=charset)
    ended = closes or "</body" in tail.lower()
    unclosed = not ended and _is_unclosed(text)
    return replace(page, license=found.license, link_share=found.link_share, ended=ended, unclosed=unclosed)


def _document(title: str, markdown: str, *, charset: str) -> Extracted:
    """Markdown under its title, where it has no heading to be its title yet."""
    text = markdown[:MAX_CHARACTERS]
    heading = _first_heading(text)
    if text and title and not heading:
        first, _, rest = text.partition("\n")
        text = f"# {title}\n{rest}" if first.lstrip("# ") == title else f"# {title}\n\n{text}"
    detail = _CUT if len(markdown) > MAX_CHARACTERS else ""
    return Extracted(title or heading, text, None if text else "empty", detail, charset)


def _plain(title: str, text: str, *, charset: str) -> Extracted:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROLS).expandtabs(4).split("\n")
    clean = re.sub(r"\n{3,}", "\n\n", "\n".join(map(str.rstrip, lines))).strip("\n")
    detail, clean = _CUT if len(clean) > MAX_CHARACTERS else "", clean[:MAX_CHARACTERS]
    first = clean.strip().split("\n", 1)[0].strip("#=*- ")
    title = title or _first_heading(clean[:4000]) or (first if 0 < len(first) <= 120 else "")
    return Extracted(title, clean, None if clean.strip() else "empty", detail, charset)


def _first_heading(markdown: str) -> str:
    """The first heading of level 1 that stands in no code."""
    in_code = False
    for line in markdown.split("\n"):
        if line.startswith("```"):
            in_code = not in_code
        elif not in_code and line.startswith(("# ", "#\t")):
            return line[2:].strip().rstrip("#").rstrip()
    return ""


def _is_binary(body: bytes) -> bool:
    if body.startswith(_MAGIC):
        return True
    if body[:2] in (b"\xff\xfe", b"\xfe\xff") or body[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        return False  # UTF-16 and UTF-32 are full of zero bytes
    head = body[:65536]
    return len(head) - len(head.translate(None, _ODD_BYTES)) > max(0.003 * len(head), 4)


def _is_unclosed(text: str) -> bool:
    """The end tags of html and body may be left out by the standard; those of div and its like may not."""
    if "<body" not in text[:50_000].lower():
        return False
    count = sum(-1 if found[1] else 1 for found in _CONTAINERS.finditer(text))
    return count > 0 or not text.rstrip().endswith((">", ".", "!", "?"))
