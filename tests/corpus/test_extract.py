from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.corpus.extract import extract

BODY = """
<h1>The harbour of Mell</h1>
<p>The harbour of Mell was built in 1843 by <b>Tamsin Orr</b>, a mason; it cost £4,512.50 &amp; took 3&nbsp;years.<br>
It has 17 boats.</p>
<h2>Trade</h2>
<p>They sold <em>rope</em>, <code>x_1 * y_2</code> and 10<sup>6</sup> nails<sup><a href="#n">[1]</a></sup>.
   See <a href="/o">Orr's
   house</a>.</p>
<pre><code class="language-python">def f(x):
    return x  # 1
</code></pre>
<ul><li>One fish</li><li>Two fish<ul><li>inner fish</li></ul></li></ul>
<ol start="3"><li>Third</li><li>Fourth</li></ol>
<table><tr><th>Name</th><th>Age</th></tr><tr><td>Orr</td><td>41</td></tr><tr><td>Vell</td><td>7</td></tr></table>
<h2>Questions</h2>
<h3>Who built the harbour?</h3><p>Tamsin Orr built it.</p>
<dl><dt>What is a skerry?</dt><dd>A small rock in the sea.</dd><dt>Voe</dt><dd><p>A narrow inlet.</p></dd></dl>
<details><summary>Is it open on Sunday?</summary>No, never.</details>
<p><b>What is sold there?</b></p><p>Fish and cheese.</p>
<div>Loose text <span>in a div</span><p>before a paragraph</p>and after it.</div>
"""
MARKDOWN = """\
# The harbour of Mell

The harbour of Mell was built in 1843 by Tamsin Orr, a mason; it cost £4,512.50 & took 3 years.
It has 17 boats.

## Trade

They sold rope, `x_1 * y_2` and 10^6 nails. See Orr's house.

```python
def f(x):
    return x  # 1
```

- One fish
- Two fish
  - inner fish

3. Third
4. Fourth

| Name | Age |
|---|---|
| Orr | 41 |
| Vell | 7 |

## Questions

### Who built the harbour?

Tamsin Orr built it.

#### What is a skerry?

A small rock in the sea.

#### Voe

A narrow inlet.

#### Is it open on Sunday?

No, never.

#### What is sold there?

Fish and cheese.

Loose text in a div

before a paragraph

and after it."""
LINKS = "".join(f'<li><a href="/{word}">{word}</a></li>' for word in ("Home", "People", "Villages", "Kitchen"))
LAYOUTS = [
    "<html><head><title>T</title></head><body><header><nav><ul>{links}</ul></nav></header><main>{body}</main>"
    "<aside><h4>Read more</h4><ul>{links}</ul></aside><footer><p>© 2024 All rights reserved</p></footer></body></html>",
    "<html><body><div id='header'><a href='/'>Home</a></div><div class='sidebar'><ul>{links}</ul></div>"
    "<div id='content'>{body}</div><div class='footer'>Imprint</div></body></html>",
    "<html><body><p class='nav'><a href='/'>home</a> | <a href='/up'>up</a></p><hr>{body}<hr><ul>{links}</ul></body>",
    "<html><body><div class='cookie-banner'><p>We use cookies.</p><button>Accept</button></div><section class='main'>"
    "<article>{body}</article></section><div class='share-buttons'><a href='#'>Share</a></div></body></html>",
    "<html><body><form action='/search'><input><button>Go</button></form><div class='mw-body'>{body}</div>"
    "<div class='navbox'><ul>{links}</ul></div><script>var x = 'secret';</script><p hidden>hidden</p></body></html>",
    "{body}",
]  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_structure_and_figures_survive_whatever_the_layout(layout: str) -> None:
    html = layout.replace("{links}", LINKS).replace("{body}", BODY)
    found = extract(html.encode(), "text/html; charset=utf-8")
    assert found.fault is None
    assert found.title == "The harbour of Mell"
    assert found.text == MARKDOWN


def test_a_title_outside_the_text_is_put_before_it() -> None:
    html = ("<html><head><title>Orr | Pages of Mell</title></head><body><div class='post'><h1>Tamsin Orr</h1>"
            "<div class='entry-content'><p>She was a mason.</p><p>And so on, at great length, for all.</p></div>"
            "</div></body></html>")  # fmt: skip
    assert extract(html.encode(), "text/html").text.startswith("# Tamsin Orr\n\nShe was a mason.")
    html = "<html><head><title>Orr | Pages of Mell</title></head><body><p>She was a mason.</p></body></html>"
    assert extract(html.encode(), "text/html").title == "Orr"


def test_layout_tables_are_text_and_link_lists_are_not() -> None:
    html = "<table><tr><td><h2>Left</h2><p>One.</p></td><td><p>Two.</p><ul><li>a</li></ul></td></tr></table>"
    assert extract(html.encode(), "text/html").text == "## Left\n\nOne.\n\nTwo.\n\n- a"
    html = f"<html><body><h1>Index</h1><ul>{LINKS}</ul></body></html>"
    found = extract(html.encode(), "text/html")
    assert found.text == "# Index"
    assert found.link_share > 0.7


def test_licence() -> None:
    html = '<p>Text.</p><a rel="license" href="https://creativecommons.org/licenses/by/4.0/">CC</a>'
    assert extract(html.encode(), "text/html").license == "https://creativecommons.org/licenses/by/4.0/"
    html = '<p>Text.</p><a href="http://creativecommons.org/licenses/by-sa/3.0/de/">CC</a>'
    assert extract(html.encode(), "text/html").license == "creativecommons.org/licenses/by-sa/3.0/de"


@pytest.mark.parametrize(
    ("body", "content_type", "fault"),
    [
        (b"", "text/html", "empty"),
        (b"\n \n", "text/plain", "empty"),
        (b"<html><body><script>x</script></body></html>", "text/html", "empty"),
        (random.Random(0).randbytes(3000), "text/html", "binary"),
        (b"\x1f\x8b\x08" + b"x" * 50, "text/html", "binary"),
        (b"\x89PNG\r\n" + b"x" * 50, "text/plain", "binary"),
        (b"<html><body><p>This is a page that br", "text/html", None),
        (b"<html><body><p>text</p><div clas", "text/html", "truncated"),
        (b"%PDF-1.4 nonsense", "application/pdf", "damaged"),
    ],
)
def test_faults(body: bytes, content_type: str, fault: str | None) -> None:
    assert extract(body, content_type).fault == fault


def test_html_that_ends_too_early_is_marked() -> None:
    assert extract(b"<html><body><div><p>Half a sentence that goes on and", "text/html").unclosed
    assert not extract(b"<html><body><div><p>All of it.</p></div></body></html>", "text/html").unclosed
    assert not extract(b"<p>A fragment that never said html.", "text/html").unclosed


def test_plain_text_and_markdown() -> None:
    found = extract(b"# Title\r\n\r\ntext\ton  \r\n\r\n\r\n\r\nmore\x00", "text/markdown")
    assert (found.title, found.text) == ("Title", "# Title\n\ntext    on\n\nmore")
    assert extract(b"Heading\n=======\n\nwords", "text/plain").title == "Heading"


def test_pdf(tmp_path) -> None:
    import pypdfium2

    document = pypdfium2.PdfDocument.new()
    document.new_page(200, 200)
    document.save(tmp_path / "empty.pdf")
    assert extract((tmp_path / "empty.pdf").read_bytes(), "application/pdf").fault == "empty"
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
    assert extract(pdf.encode(), "application/pdf").text == "The harbour was built in 1843."


@pytest.mark.parametrize("piece", [b"<div>", b"<b><i>", b"<ul><li>", b"<table><tr><td>", b"<dl><dd>", b"<span>"])
def test_a_million_open_tags(piece: bytes) -> None:
    started = time.process_time()
    extract(b"<p>text</p>" + piece * 200_000 + b"deep", "text/html", cpu_seconds=1.0)
    assert time.process_time() - started < 10


def test_the_budget_is_processor_time() -> None:
    found = extract(b"<p>x" * 400_000, "text/html", cpu_seconds=0.05)
    assert found.fault == "cpu time"


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_mutated_pages_never_raise(data) -> None:
    body = bytearray(LAYOUTS[0].replace("{links}", LINKS).replace("{body}", BODY).encode())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(body) - 1))
        change = data.draw(st.sampled_from(["cut", "noise", "double", "nul"]))
        if change == "cut":
            del body[at : at + data.draw(st.integers(1, 300))]
        elif change == "noise":
            body[at:at] = data.draw(st.binary(max_size=20))
        elif change == "double":
            body[at:at] = body[at : at + 200]
        else:
            body[at] = 0
        body = body or bytearray(b"x")
    extract(bytes(body), "text/html").text.encode("utf-8")


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=300), st.sampled_from(["text/html", "text/plain", "", "application/xhtml+xml"]))
def test_any_bytes_never_raise(body: bytes, content_type: str) -> None:
    extract(body, content_type).text.encode("utf-8")


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=100), st.integers(0, 10**12))
def test_words_and_numbers_come_out_exactly(text: str, number: int) -> None:
    from html import escape

    words = " ".join(text.split())
    html = f"<html><body><main><p>{escape(words)} costs {number:,} pounds.</p></main></body></html>"
    assert " ".join(extract(html.encode(), "text/html").text.split()) == " ".join(
        f"{words} costs {number:,} pounds.".replace("\xad", "").split()
    )
