"""The text of a PDF, by pypdfium2: its lines joined to paragraphs, its pages one after another.

pdfium takes what a stream unpacks to, up to a gigabyte, and cannot be stopped within a page, so it works apart.
"""

from __future__ import annotations

import re

from hornbook.corpus.extraction.apart import Apart, serve
from hornbook.corpus.extraction.faults import Check, PageFault

MAX_PAGES = 5000
_apart = Apart(__name__, "PDF")


def read_pdf(body: bytes, cpu_seconds: float) -> tuple[str, str]:
    """Title and text of a PDF. Raises PageFault where it cannot be read, or not in so many seconds."""
    return _apart.read(body, cpu_seconds)


def _read(body: bytes, check: Check) -> tuple[str, str]:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(body)
        try:
            if len(document) > MAX_PAGES:
                raise PageFault("too big", f"more than {MAX_PAGES:,} pages")
            pages: list[str] = []
            for page in document:
                check()
                pages.append(page.get_textpage().get_text_bounded())
            title = (document.get_metadata_dict().get("Title") or "").strip()
        finally:
            document.close()
    except (pypdfium2.PdfiumError, ValueError, OSError) as error:
        raise PageFault("damaged", f"the PDF cannot be read ({str(error)[:80]})") from None
    text = "\n\n".join(pages).encode("utf-8", "replace").decode("utf-8")
    return " ".join(title.encode("utf-8", "replace").decode("utf-8").split()), _unwrapped(text)


def _unwrapped(text: str) -> str:
    """Lines joined to paragraphs: a line that ends in mid-sentence goes on with the next."""
    text = text.replace("\r\n", "\n").replace("\ufffe\n", "").replace("\ufffe", "").replace("\u00ad\n", "")
    text = re.sub(r"(?<=[a-z])-\n(?=[a-z])", "", text)
    return re.sub(r"(?<=[^\n.!?:])\n(?=[a-z(,;])", " ", text)


if __name__ == "__main__":
    serve(_read)
