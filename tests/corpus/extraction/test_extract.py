from __future__ import annotations

import random
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hornbook.corpus.extraction.extract import extract

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


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=100), st.integers(0, 10**12))
@example("soft\xadhyphen \ufffe\uffff", 1)
def test_words_and_numbers_come_out_exactly(text: str, number: int) -> None:
    """All but soft hyphens, which are no letters, and the two code points that no XML may hold."""
    from html import escape

    words = " ".join(text.split())
    html = f"<html><body><main><p>{escape(words)} costs {number:,} pounds.</p></main></body></html>"
    wanted = re.sub("[\xad\ufffe\uffff]", "", f"{words} costs {number:,} pounds.")
    assert " ".join(extract(html.encode(), "text/html").text.split()) == " ".join(wanted.split())


SPHINX = """<!DOCTYPE html><html><head><title>shlex — Manual</title></head><body>
<div class="related" role="navigation"><ul><li><a href="/">index</a></li><li><a href="/m">modules</a></li></ul></div>
<div class="document"><div class="documentwrapper"><div class="bodywrapper"><div class="body" role="main">
<section id="sharing-options"><h1>Sharing options<a class="headerlink" href="#sharing-options">¶</a></h1>
<p>Choose <span class="menuselection">File ‣ Share</span> and press <span class="guilabel">Apply</span>.</p>
<p>The flags can be one or more of the following constants:</p>
<ul class="simple"><li><p><a href="#a"><code>CREATE_ONE</code></a></p></li>
<li><p><a href="#b"><code>CREATE_TWO</code></a></p></li></ul>
<section id="related-buttons"><h2>Related buttons<a class="headerlink" href="#related-buttons">¶</a></h2>
<div class="highlight-python3 notranslate"><div class="highlight"><pre><span class="hljs-meta">import</span> os
</pre></div></div>
<aside class="sidebar"><p class="sidebar-title">Aside</p><p>Remarks have a title.</p></aside>
<aside class="footnote-list brackets"><aside class="footnote brackets" role="note"><p>A footnote.</p></aside></aside>
</section></section></div></div></div>
<div class="sphinxsidebar" role="navigation"><p>Previous</p></div></div><div class="footer">© Us</div></body></html>"""
SPHINX_MARKDOWN = """\
# Sharing options

Choose File ‣ Share and press Apply.

The flags can be one or more of the following constants:

- `CREATE_ONE`
- `CREATE_TWO`

## Related buttons

```python3
import os
```

Aside

Remarks have a title.

A footnote."""


def test_documentation_loses_nothing_to_the_names_of_its_sections() -> None:
    assert extract(SPHINX.encode(), "text/html").text == SPHINX_MARKDOWN


def test_a_docbook_sidebar_is_text_and_a_site_s_is_not() -> None:
    docbook = '<div class="sidebar"><div class="titlepage"><p class="title">NOTE</p></div><p>Read this.</p></div>'
    page = f"<html><body><h1>Disks</h1><p>{'Words. ' * 30}</p>{{}}</body></html>"
    assert "Read this." in extract(page.format(docbook).encode(), "text/html").text
    other = '<div class="sidebar"><p>Subscribe now.</p></div>'
    assert "Subscribe" not in extract(page.format(other).encode(), "text/html").text


def test_the_article_is_the_container_with_the_prose() -> None:
    prose = "".join(f"<p>Sentence number {number} tells of the harbour and of its boats.</p>" for number in range(20))
    cards = "<article><h3>Another</h3><p>A teaser of some words.</p></article>" * 3
    page = f"<html><body>{cards}<div class='social-frame'><div class='story-body'>{prose}</div></div></body></html>"
    found = extract(page.encode(), "text/html").text
    assert found.startswith("Sentence number 0")
    assert found.endswith("Sentence number 19 tells of the harbour and of its boats.")
    parts = (f"<div class='article-body'>{prose}<p>Part {number}.</p></div><p>-</p>" for number in range(3))
    chunks = "".join(parts)
    found = extract(f"<html><body><div id='x'>{chunks}</div></body></html>".encode(), "text/html").text
    assert all(f"Part {number}." in found for number in range(3))


def test_pictures_take_their_captions_along_and_tables_stay() -> None:
    page = ("<p>Text.</p><figure><img src=a><figcaption>A harbour at night.</figcaption></figure>"
            "<figure><table><tr><th>Boat</th><th>Crew</th></tr><tr><td>Ann</td><td>4</td></tr></table></figure>"
            )  # fmt: skip
    assert extract(page.encode(), "text/html").text == "Text.\n\n| Boat | Crew |\n|---|---|\n| Ann | 4 |"


def test_what_stands_before_the_title_is_no_text() -> None:
    page = f"<body><div><p>News / Coast</p><p>4 May</p><h1>The harbour</h1><p>{'It is old. ' * 30}</p></div></body>"
    assert extract(page.encode(), "text/html").text.startswith("# The harbour\n\nIt is old.")


def test_fast_mode_reads_the_same_words_without_the_marks() -> None:
    html = LAYOUTS[0].replace("{links}", LINKS).replace("{body}", BODY)
    found = extract(html.encode(), "text/html; charset=utf-8", mode="fast")
    assert found.title == "The harbour of Mell"
    assert "The harbour of Mell was built in 1843 by Tamsin Orr, a mason; it cost £4,512.50 & took 3" in found.text
    assert "Kitchen" not in found.text
    assert extract(b"<body>", "text/html", mode="fast").fault == "empty"
    links = f"<body><p>Some text.</p><ul>{LINKS * 9}</ul></body>".encode()
    assert extract(links, "text/html", mode="fast").link_share > 0.8


def test_a_box_called_content_with_a_quarter_of_the_text_is_not_the_article() -> None:
    prose = "<p>A sentence of some words.</p>"
    page = f"<body><div id='content'>{prose}</div><div id='more'>{prose * 3}</div></body>"
    assert extract(page.encode(), "text/html").text.count("A sentence") == 4
