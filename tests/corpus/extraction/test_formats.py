from __future__ import annotations

import io
import zipfile

import pytest

from hornbook.corpus.extraction.extract import DOCX, EPUB, PDF, extract

XHTML = '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>T</title></head><body>{}</body></html>'
CONTAINER = """<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="OPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">
<metadata><dc:title>The Isle of Mell</dc:title></metadata><manifest>
<item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="b" href="text/two%20b.xhtml" media-type="application/xhtml+xml"/>
<item id="a" href="text/one.xhtml" media-type="application/xhtml+xml"/>
<item id="p" href="cover.png" media-type="image/png"/></manifest>
<spine><itemref idref="n"/><itemref idref="p"/><itemref idref="a"/><itemref idref="b"/></spine></package>"""
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def zipped(parts: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content, zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def book(**changed: str) -> bytes:
    return zipped({
        "mimetype": EPUB, "META-INF/container.xml": CONTAINER, "OPS/book.opf": changed.get("package", PACKAGE),
        "OPS/nav.xhtml": XHTML.format("<nav><a href='x'>Contents</a></nav>"),
        "OPS/text/one.xhtml": changed.get("one", XHTML.format("<h1>One</h1><p>It began.</p>")),
        "OPS/text/two b.xhtml": XHTML.format("<h1>Two</h1><ul><li>a boat</li><li>a rope</li></ul>"),
    })  # fmt: skip


def document(body: str, **parts: str) -> bytes:
    return zipped({"word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>", **parts})


def test_epub() -> None:
    found = extract(book(), EPUB)
    assert (found.title, found.fault) == ("The Isle of Mell", None)
    assert found.text == "# One\n\nIt began.\n\n# Two\n\n- a boat\n- a rope"
    assert extract(book(), "application/octet-stream").text == found.text


def test_an_epub_of_another_hand() -> None:
    epub = pytest.importorskip("ebooklib.epub")
    made = epub.EpubBook()
    made.set_identifier("x")
    made.set_title("Ropes")
    made.set_language("en")
    chapters = [epub.EpubHtml(title=name, file_name=f"{name}.xhtml") for name in ("knots", "splices")]
    for chapter in chapters:
        chapter.content = f"<h1>{chapter.title}</h1><p>All about {chapter.title}.</p>"
        made.add_item(chapter)
    made.toc, made.spine = chapters, ["nav", *chapters]
    made.add_item(epub.EpubNcx())
    made.add_item(epub.EpubNav())
    written = io.BytesIO()
    epub.write_epub(written, made)
    found = extract(written.getvalue(), EPUB)
    assert (found.title, found.text) == ("Ropes", "# knots\n\nAll about knots.\n\n# splices\n\nAll about splices.")


def test_docx_by_the_specification() -> None:
    def paragraph(text: str, style: str = "", number: str = "") -> str:
        listed = f'<w:numPr><w:ilvl w:val="{number[0]}"/><w:numId w:val="{number[1]}"/></w:numPr>' if number else ""
        return f'<w:p><w:pPr><w:pStyle w:val="{style}"/>{listed}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>'

    numbering = f"""<w:numbering {W}>
<w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:numFmt w:val="decimal"/></w:lvl>
<w:lvl w:ilvl="1"><w:numFmt w:val="bullet"/></w:lvl></w:abstractNum>
<w:num w:numId="5"><w:abstractNumId w:val="0"/></w:num></w:numbering>"""
    styles = f"""<w:styles {W}><w:style w:styleId="H2"><w:name w:val="heading 2"/></w:style>
<w:style w:styleId="Own"><w:name w:val="Chapter"/><w:pPr><w:outlineLvl w:val="0"/></w:pPr></w:style>
<w:style w:styleId="C"><w:name w:val="Source Code"/></w:style></w:styles>"""
    body = (
        paragraph("Ropes", "Own") + paragraph("Kinds", "H2") + paragraph("hemp", number="05")
        + paragraph("thin", number="15") + paragraph("wire", number="05") + paragraph("Then: &lt;b&gt;.")
        + paragraph("x = 1", "C") + paragraph("y = 2", "C")
        + "<w:tbl><w:tr><w:tc>" + paragraph("a|b") + "</w:tc><w:tc>" + paragraph("2") + "</w:tc></w:tr></w:tbl>"
        + "<w:p><w:ins><w:r><w:t>kept</w:t></w:r></w:ins><w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>"
    )  # fmt: skip
    found = extract(document(body, **{"word/numbering.xml": numbering, "word/styles.xml": styles}), DOCX)
    assert found.title == "Ropes"
    assert found.text == (
        "# Ropes\n\n## Kinds\n\n1. hemp\n  - thin\n2. wire\n\nThen: <b>.\n\n```\nx = 1\ny = 2\n```\n\n"
        "| a\\|b | 2 |\n\nkept"
    )


def test_a_docx_of_another_hand() -> None:
    made = pytest.importorskip("docx").Document()
    made.core_properties.title = "All of ropes"
    made.add_heading("Ropes", 0)
    made.add_paragraph("Two lines\nof text.")
    made.add_heading("Kinds", 1)
    made.add_paragraph("hemp", style="List Bullet")
    made.add_paragraph("wire", style="List Bullet")
    made.add_paragraph("first", style="List Number")
    table = made.add_table(rows=2, cols=2)
    for place, text in enumerate(("Name", "Length", "hemp", "7")):
        table.cell(place // 2, place % 2).text = text
    made.add_paragraph("The end.")
    written = io.BytesIO()
    made.save(written)
    found = extract(written.getvalue(), "")
    assert found.title == "All of ropes"
    assert found.text == ("# Ropes\n\nTwo lines\nof text.\n\n# Kinds\n\n- hemp\n- wire\n\n1. first\n\n"
                          "| Name | Length |\n|---|---|\n| hemp | 7 |\n\nThe end.")  # fmt: skip


def test_zip_bombs_and_damage() -> None:
    bomb = document("<w:p>" + " " * 40_000_000 + "</w:p>")
    assert len(bomb) < 100_000
    assert extract(bomb, DOCX).fault == "too big"
    many = zipped({"mimetype": EPUB, **{f"part{number}": "" for number in range(20_001)}})
    assert extract(many, EPUB).fault == "too big"
    laughs = '<!DOCTYPE a [<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ) + "]>"
    assert "ha" not in extract(book(package=laughs + PACKAGE.replace("The Isle of Mell", "&i;")), EPUB).title
    good = book()
    flipped = good[:300] + b"\xff" * 50 + good[350:]
    for body in (good[: len(good) // 2], good[:40], b"PK\x03\x04" + b"\0" * 100, flipped):
        assert extract(body, EPUB).fault == "damaged"
    assert extract(zipped({"x": "y"}), EPUB).fault == "damaged"
    assert extract(zipped({"word/document.xml": "<w:document"}), DOCX).fault == "damaged"
    assert extract(document(""), DOCX).fault == "empty"
    assert extract(zipped({"x": "y"}), "application/zip").fault == "binary"


def test_external_entities_are_not_read(tmp_path) -> None:
    (tmp_path / "secret").write_text("the secret")
    doctype = f'<!DOCTYPE x [<!ENTITY s SYSTEM "file://{tmp_path}/secret">]>'
    xml = f"{doctype}<w:document {W}><w:body><w:p><w:r><w:t>a &s; b</w:t></w:r></w:p></w:body></w:document>"
    assert "secret" not in extract(zipped({"word/document.xml": xml}), DOCX).text


def test_pdf(tmp_path) -> None:
    import pypdfium2

    made = pypdfium2.PdfDocument.new()
    made.new_page(200, 200)
    made.save(tmp_path / "empty.pdf")
    assert extract((tmp_path / "empty.pdf").read_bytes(), PDF).fault == "empty"
    content = "BT /F1 12 Tf 10 100 Td (The harbour was built in 1843.) Tj ET"
    pdf = f"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>endobj
4 0 obj<</Length {len(content)}>>stream
{content}
endstream endobj
5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj
trailer<</Root 1 0 R>>
"""
    assert extract(pdf.encode(), PDF).text == "The harbour was built in 1843."
    assert extract(pdf.encode(), "text/html").text == "The harbour was built in 1843."
