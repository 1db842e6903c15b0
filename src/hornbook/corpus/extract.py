"""From a stored page to a document: its title, its text as Markdown, the licence it states, or the fault it has."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hornbook.corpus.encodings import decoded
from hornbook.corpus.htmltree import FlatPage, parse_html
from hornbook.corpus.maintext import main_part
from hornbook.corpus.markdown import to_markdown
from hornbook.corpus.urls import canonical_url

CPU_SECONDS = 10.0
MAX_CHARACTERS = 5_000_000
_MAGIC = (
    b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"PK\x03\x04", b"\x7fELF", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"Rar!",
    b"MZ\x90", b"OggS", b"ID3", b"\x00\x00\x01\x00", b"RIFF", b"SQLite format 3",
)  # fmt: skip
_ODD = bytes({*range(32)} - {9, 10, 12, 13, 27})
_OPEN_TAG = re.compile(r"<[a-zA-Z/!][^<>]{0,4000}$")
_CONTAINERS = re.compile(r"<(/?)(div|main|article|section|table|ul|ol|script|style)\b", re.IGNORECASE)
_LICENCE = re.compile(r"(creativecommons\.org/(licenses|publicdomain)|gnu\.org/(licenses|copyleft))/[\w./-]+", re.I)
_SITE_NAME = re.compile(r"\s+[|·•»–—:-]+\s+")
_MARKDOWN_TITLE = re.compile(r"^#\s+(.+?)\s*#*\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Extracted:
    """`fault` is None, or what is wrong with the page: binary, truncated, empty, damaged, cpu time.

    `link_share` is the share of the whole page's text that lies in links, 0 to 1. `ended` says that the HTML
    has its </body> or </html>, `unclosed` that it has not and ends with containers open: such a page broke off, unless
    the whole site is written so.
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


class _Budget(Exception):
    """The page used up its processor time."""


def extract(body: bytes, content_type: str, url: str = "", *, cpu_seconds: float = CPU_SECONDS) -> Extracted:
    """The document of one page. Never raises for what a page holds; a page that takes longer than `cpu_seconds` of
    processor time (not of wall clock: a busy machine refuses nothing) has the fault "cpu time".

    The budget needs the main thread of a process, where signals arrive; elsewhere it does not bind.
    """
    try:
        with _cpu_budget(cpu_seconds):
            return _extract(body, content_type, url)
    except _Budget:
        return Extracted(fault="cpu time", detail=f"more than {cpu_seconds:g} s")
    except (RecursionError, MemoryError) as error:
        return Extracted(fault="damaged", detail=type(error).__name__)


def _extract(body: bytes, content_type: str, url: str) -> Extracted:
    media = content_type.partition(";")[0].strip().lower()
    if media == "application/pdf" or body[:5] == b"%PDF-":
        return _pdf(body)
    if _is_binary(body):
        return Extracted(fault="binary", detail="the bytes are no text")
    text, charset = decoded(body, content_type)
    if not text.strip("\0 \t\r\n"):
        return Extracted(fault="empty", charset=charset)
    if media in ("text/plain", "text/markdown", "text/x-markdown") or (not media and "<" not in text[:2000]):
        return _plain(text, charset)
    return _html(text, charset, url)


def _html(text: str, charset: str, url: str) -> Extracted:
    if _breaks_off_in_tag(text):
        return Extracted(fault="truncated", detail="the HTML breaks off", charset=charset)
    tree = parse_html(text)
    if tree is None:
        return Extracted(fault="empty", charset=charset)
    page = FlatPage(tree)
    title, licence = page_title(page), _licence(page, url)
    part, share = main_part(page)
    markdown = _with_title(to_markdown(page, part)[:MAX_CHARACTERS], title)
    fault = None if markdown else "empty"
    ended = "</html" in text[-4000:].lower() or "</body" in text[-4000:].lower()
    return Extracted(title, markdown, fault, charset=charset, license=licence, link_share=share,
                     ended=ended, unclosed=not ended and _is_unclosed(text))


def _with_title(markdown: str, title: str) -> str:
    """The text under its title, where it has none yet."""
    if not markdown or not title or _MARKDOWN_TITLE.search(markdown):
        return markdown
    first, _, rest = markdown.partition("\n")
    return f"# {title}\n{rest}" if first.lstrip("# ") == title else f"# {title}\n\n{markdown}"


def _plain(text: str, charset: str) -> Extracted:
    clean = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "", text.replace("\r\n", "\n").replace("\r", "\n"))
    lines = [line.rstrip() for line in clean.expandtabs(4).split("\n")]
    clean = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")[:MAX_CHARACTERS]
    heading = _MARKDOWN_TITLE.search(clean[:4000])
    first = clean.strip().split("\n", 1)[0].strip("#=*- ")
    title = heading[1] if heading else (first if 0 < len(first) <= 120 else "")
    return Extracted(title, clean, None if clean.strip() else "empty", charset=charset)


def _pdf(body: bytes) -> Extracted:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(body)
        try:
            pages = [page.get_textpage().get_text_bounded() for page in document]
            title = (document.get_metadata_dict().get("Title") or "").strip()
        finally:
            document.close()
    except (pypdfium2.PdfiumError, ValueError, OSError) as error:
        return Extracted(fault="damaged", detail=f"the PDF cannot be read ({str(error)[:80]})")
    found = _plain(_unwrapped("\n\n".join(pages).encode("utf-8", "replace").decode("utf-8")), "pdf")
    return Extracted(title or found.title, found.text, found.fault, charset="pdf")


def _unwrapped(text: str) -> str:
    """A PDF's lines joined to paragraphs: a line that ends in mid-sentence goes on with the next."""
    text = text.replace("\r\n", "\n").replace("\ufffe\n", "").replace("\ufffe", "").replace("\u00ad\n", "")
    text = re.sub(r"(?<=[a-z])-\n(?=[a-z])", "", text)
    return re.sub(r"(?<=[^\n.!?:])\n(?=[a-z(,;])", " ", text)


def page_title(page: FlatPage) -> str:
    """The page's own title: its only h1, else og:title, else <title> without the site's name, else the first h1."""
    headings = [" ".join(page.text(i).split()) for i, tag in enumerate(page.tags) if tag == "h1"]
    headings = [heading for heading in headings if heading]
    if len(headings) == 1:
        return headings[0].rstrip("¶# ")
    for i, tag in enumerate(page.tags):
        if tag == "meta" and page.get(i, "property") == "og:title" and page.get(i, "content").strip():
            return " ".join(page.get(i, "content").split())
    first = page.first("title")
    whole = " ".join(page.texts[first].split()) if first is not None else ""
    if whole:
        return _SITE_NAME.split(whole)[0] if not headings else whole
    return headings[0].rstrip("¶# ") if headings else ""


def _licence(page: FlatPage, url: str) -> str | None:
    for i, tag in enumerate(page.tags):
        if tag not in ("a", "link"):
            continue
        href = page.get(i, "href")
        if "license" in page.get(i, "rel").lower().split() and href:
            return canonical_url(href, url) or href
        if found := _LICENCE.search(href):
            return found[0].rstrip("/.")
    return None


def _is_binary(body: bytes) -> bool:
    if body.startswith(_MAGIC):
        return True
    if body[:2] in (b"\xff\xfe", b"\xfe\xff") or body[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        return False  # UTF-16 and UTF-32 are full of zero bytes
    head = body[:65536]
    odd = len(head) - len(head.translate(None, _ODD))
    return odd > max(0.003 * len(head), 4)


def _breaks_off_in_tag(text: str) -> bool:
    return "</html" not in text[-4000:].lower() and _OPEN_TAG.search(text[-4000:].rstrip()) is not None


def _is_unclosed(text: str) -> bool:
    """The end tags of html and body may be left out by the standard; those of div and its like may not."""
    if "<body" not in text[:50_000].lower():
        return False
    count = sum(-1 if found[1] else 1 for found in _CONTAINERS.finditer(text))
    return count > 0 or not text.rstrip().endswith((">", ".", "!", "?"))


@contextmanager
def _cpu_budget(seconds: float) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise _Budget

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
