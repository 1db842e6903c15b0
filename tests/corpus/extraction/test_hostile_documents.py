"""PDF, DOCX, EPUB and reStructuredText that are broken, packed to burst, or ask for files of this machine."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.errors import MissingExtraError
from hornbook.corpus.extraction import extract as extraction
from hornbook.corpus.extraction import pdf as pdf_reader
from hornbook.corpus.extraction.extract import DOCX, EPUB, PDF, UNFORESEEN, Extracted, extract
from tests.corpus.extraction.test_formats import CONTAINER, PACKAGE, XHTML, W, book, document, zipped

STYLES = f"""<w:styles {W}><w:style w:styleId="Own"><w:name w:val="Chapter"/><w:pPr><w:outlineLvl w:val="0"/></w:pPr>
</w:style></w:styles>"""
NUMBERING = f"""<w:numbering {W}><w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:numFmt w:val="decimal"/>
</w:lvl></w:abstractNum><w:num w:numId="5"><w:abstractNumId w:val="0"/></w:num></w:numbering>"""
BODY = """<w:p><w:pPr><w:pStyle w:val="Own"/></w:pPr><w:r><w:t>Ropes</w:t></w:r></w:p>
<w:p><w:pPr><w:numPr><w:ilvl w:val="0"/><w:numId w:val="5"/></w:numPr></w:pPr><w:r><w:t>hemp</w:t></w:r></w:p>
<w:tbl><w:tr><w:tc><w:p><w:r><w:t>y</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"""
RST = "Title\n=====\n\nThe harbour was built in 1843.\n\n"
ASKS = """
.. include:: {secret}

.. csv-table:: x
   :file: {secret}

.. raw:: html
   :file: {secret}

.. csv-table:: y
   :url: file://{secret}

.. literalinclude:: {secret}

.. image:: {secret}

.. |x| image:: {secret}

.. code:: python
   :file: {secret}

|x| :raw-role:`x`
"""
DIRECTIVES = [
    ".. include:: /etc/passwd", ".. table::", ".. list-table::\n   :widths: a\n\n   * - x", ".. figure:: x\n\n   c",
    ".. |a| replace:: |a|\n\n|a|", ".. _a: b_\n.. _b: a_\n\n`a`_", ".. role:: q(raw)\n   :format: html\n\n:q:`x`",
    ".. |u| unicode:: 0xD800\n\n|u|", ".. unicode:: 0x110000", ".. default-role:: q\n\n`x`", ".. sectnum::",
    ".. header:: x", ".. target-notes::", ".. container:: \xff", ".. code:: python\n   :number-lines: x\n\n   y",
    "+---+---+\n| a | b |\n+---+---+", "=== ===\na   b\n=== ===", "::\n\n  x", ".. class:: a", ":field: x",
    "-a FILE  x", ">>> x", "| line", ".. [1] x\n\n[1]_", ".. math:: a\n   :name: x", ".. topic::",
    ".. epigraph::\n\n   x\n\n   -- y",
    ".. replace:: x", ".. restructuredtext-test-directive::", ".. function:: f(x)\n   :x: y\n\n   z", ".. date::",
    ".. only:: html\n\n   x", ".. highlight::", ".. title:: x", "=====\nx\n=====", "x\n~~~", "x\n^^", "* x\n\n  * y",
]  # fmt: skip


def pdf(*lines: str, packed: bytes | None = None, filters: int = 1, pages: int = 1, more: str = "") -> bytes:
    """A PDF of these lines, or with this stream."""
    text = "".join(f"1 0 0 1 10 {780 - 14 * number} Tm ({line}) Tj\n" for number, line in enumerate(lines))
    stream = zlib.compress(f"BT /F1 12 Tf\n{text}ET".encode()) if packed is None else packed
    head = f"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[{"3 0 R " * pages}]/Count {pages}>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources 6 0 R>>endobj
6 0 obj<</Font<</F1 5 0 R>>>>endobj
5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj
4 0 obj<</Length {len(stream)}/Filter[{"/FlateDecode" * filters}]>>stream
"""
    return head.encode() + stream + f"\nendstream endobj\ntrailer<</Root 1 0 R{more}>>\n".encode()


def is_sound(found: Extracted) -> None:
    (found.title + found.text + found.detail).encode("utf-8")
    assert found.fault or found.text.strip()
    assert UNFORESEEN not in found.detail


@settings(max_examples=60)
@given(st.data())
def test_mutated_pdfs_are_read_or_refused_and_the_next_is_read(data: st.DataObject) -> None:
    body = bytearray(pdf("The harbour", "of grey stone"))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(body) - 1))
        piece = data.draw(st.binary(max_size=4) | st.sampled_from(
            [b"4 0 R", b"2 0 R", b"<<", b">>", b"[", b"/LZWDecode", b"99999999999", b"-1", b"endobj", b"%%EOF", b"("]))
        body[at : at + data.draw(st.integers(0, 4))] = piece
        body = body or bytearray(b"x")
    is_sound(extract(bytes(body), PDF, cpu_seconds=5))
    assert extract(pdf("The harbour"), PDF).text == "The harbour"


def test_pdfs_that_burst_crash_or_never_end_cost_themselves_alone() -> None:
    text = b"BT /F1 12 Tf (a) Tj ET\n"
    program = """
import resource, sys
from hornbook.corpus.extraction.extract import PDF, extract
found = extract(sys.stdin.buffer.read(), PDF, cpu_seconds=20)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, found.fault)
"""
    burst = pdf(packed=zlib.compress(text * 10_000_000, 1))
    told = subprocess.run([sys.executable, "-c", program], input=burst, capture_output=True, check=True).stdout.split()
    assert int(told[0]) < 1100  # MiB
    assert told[1] == b"damaged"
    started = time.monotonic()
    slow = extract(pdf(packed=zlib.compress(text * 20_000, 1), pages=4000), PDF, cpu_seconds=1)
    assert (slow.fault, slow.detail) == ("cpu time", "more than 1 s")
    assert time.monotonic() - started < 60
    assert extract(pdf("x", pages=5001), PDF).fault == "too big"
    assert extract(pdf("The harbour"), PDF).text == "The harbour"


def test_a_pdf_that_takes_too_long_within_one_page_is_stopped() -> None:
    found = extract(pdf(packed=zlib.compress(b"BT /F1 12 Tf (a) Tj ET\n" * 2_000_000, 1)), PDF, cpu_seconds=0.2)
    assert (found.fault, found.detail) == ("cpu time", "more than 0.2 s")


def test_a_reader_that_dies_is_started_anew() -> None:
    assert extract(pdf("one"), PDF).text == "one"
    process = pdf_reader._apart._process
    assert process is not None
    process.kill()
    process.wait()
    assert extract(pdf("two"), PDF).text == "two"
    found: list[str] = []
    threads = [threading.Thread(target=lambda n=n: found.append(extract(pdf(f"page {n}"), PDF).text)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [f"page {number}" for number in range(8)]


@pytest.mark.parametrize("level", ["\u00b2", "9" * 5000, "-1", "", "1e3", "\u0663"])
def test_levels_that_are_no_numbers(level: str) -> None:
    listed = f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="5"/></w:numPr>'
    for properties in (f'<w:outlineLvl w:val="{level}"/>', listed):
        body = f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>x</w:t></w:r></w:p>"
        styles = STYLES.replace('outlineLvl w:val="0"', f'outlineLvl w:val="{level}"')
        numbering = NUMBERING.replace('w:ilvl="0"', f'w:ilvl="{level}"')
        found = extract(document(body, **{"word/styles.xml": styles, "word/numbering.xml": numbering}), DOCX)
        assert (found.text in ("x", "- x"), found.fault) == (True, None)


@pytest.mark.parametrize("href", ["http://[x", "%ff", "../../../../etc/passwd", "", "#x", "?", "a" * 70_000])
def test_chapters_that_lie_nowhere(href: str) -> None:
    found = extract(book(package=PACKAGE.replace("text/one.xhtml", href)), EPUB)
    assert found.fault == (None if href in ("", "#x", "?") else "damaged")
    rootfile = CONTAINER.replace("OPS/book.opf", href)
    assert extract(zipped({"mimetype": EPUB, "META-INF/container.xml": rootfile}), EPUB).fault == "damaged"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_python_would_unpack_at_once_is_not_unpacked(method: int) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("word/document.xml", b"\0" * 200_000_000, method)
    program = """
import resource, sys
from hornbook.corpus.extraction.extract import DOCX, extract
extract(b"PK", DOCX)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = extract(sys.stdin.buffer.read(), DOCX)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, found.fault)
"""
    told = subprocess.run([sys.executable, "-c", program], input=packed.getvalue(), capture_output=True, check=True)
    grown, fault = told.stdout.split()
    assert (int(grown) < 50, fault) == (True, b"damaged")


@settings(max_examples=80)
@given(st.data())
def test_mutated_parts_of_documents(data: st.DataObject) -> None:
    """Damage within the parts, where the archive about them is whole."""
    parts = {"word/document.xml": f"<w:document {W}><w:body>{BODY}</w:body></w:document>", "word/styles.xml": STYLES,
             "word/numbering.xml": NUMBERING}  # fmt: skip
    kind = data.draw(st.sampled_from([DOCX, EPUB]))
    if kind == EPUB:
        parts = {"mimetype": EPUB, "META-INF/container.xml": CONTAINER, "OPS/book.opf": PACKAGE,
                 "OPS/nav.xhtml": "", "OPS/text/one.xhtml": XHTML.format("<p>It began."), "OPS/text/two b.xhtml": XHTML}
    name = data.draw(st.sampled_from(sorted(parts)))
    text = parts[name] or "x"
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        pieces = ["<w:tbl>", "<w:p>", "</w:p>", "<w:sdt>", 'w:val="\u00b2"', '"', ">", "<", "&#0;", "&b;", "\0"]
        piece = data.draw(st.text(max_size=3) | st.sampled_from([*pieces, 'href="http://["']))
        text = text[:at] + piece + text[at + data.draw(st.integers(0, 30)) :]
    is_sound(extract(zipped(parts | {name: text.encode("utf-8", "replace")}), kind))


def test_a_text_asks_for_files_in_vain(tmp_path) -> None:
    pytest.importorskip("docutils")
    secret = tmp_path / "secret"
    secret.write_text("the secret, of this machine")
    found = extract((RST + ASKS.format(secret=secret)).encode(), "text/x-rst")
    assert "The harbour was built in 1843." in found.text
    assert "the secret" not in found.text


@settings(max_examples=80)
@given(st.lists(st.sampled_from(DIRECTIVES) | st.text(max_size=12), max_size=8), st.lists(st.integers(0, 6)))
def test_any_directives_in_any_order(pieces: list[str], indents: list[int]) -> None:
    pytest.importorskip("docutils")
    spaces = [" " * indent for indent in [*indents, *[0] * len(pieces)]]
    text = "\n\n".join(piece.replace("\n", f"\n{space}") for piece, space in zip(pieces, spaces, strict=False))
    is_sound(extract((RST + text).encode("utf-8", "replace"), "text/x-rst"))


def test_what_nobody_foresaw_costs_one_page_and_says_what_it_was(monkeypatch) -> None:
    def fails(*_: object) -> Extracted:
        raise KeyError("\ud800")

    monkeypatch.setattr(extraction, "_html", fails)
    found = extract(b"<p>x</p>", "text/html")
    assert (found.fault, found.detail) == ("damaged", "KeyError while it was read: '\\ud800'")

    def lacks(*_: object) -> Extracted:
        raise MissingExtraError.named("docutils", "documents")

    monkeypatch.setattr(extraction, "_html", lacks)
    with pytest.raises(MissingExtraError):
        extract(b"<p>x</p>", "text/html")


def test_no_process_stays_behind() -> None:
    program = """
import os
from hornbook.corpus.extraction.pdf import _apart
from hornbook.corpus.extraction.extract import PDF, extract
extract(b"%PDF-", PDF)
print(_apart._process.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    reader = int(told.stdout)
    until = time.monotonic() + 10
    while (state := _state(reader)) not in ("", "Z") and time.monotonic() < until:
        time.sleep(0.05)
    assert state in ("", "Z")  # gone, or nobody waits for it here


def _state(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][:1]
    except (FileNotFoundError, ProcessLookupError):
        return ""
