"""How pages look: six layouts with the header, menus, side columns and footers of a site that grew over the years."""

from __future__ import annotations

import random
from collections.abc import Callable
from html import escape

from hornbook.demo.page import Block, Page

SECTION_NAMES = {
    "people": "People", "places": "Villages", "creatures": "Creatures", "kitchen": "Kitchen", "trades": "Trades",
    "festivals": "Festivals", "history": "History", "letters": "Letters", "news": "Newspapers", "diaries": "Diaries",
    "almanac": "Almanac", "quiz": "Quiz", "reader": "Reader", "exercises": "Exercises", "tables": "Tables",
}  # fmt: skip
FOOTERS = (
    "© The island library. All rights reserved. Imprint. Contact. Privacy.",
    "Back to top · Imprint · Privacy policy · Terms of use",
    "This site is kept by volunteers. Follow us. Subscribe to our newsletter.",
    "Printed from the island pages. Cookie settings. Accessibility.",
)
ASIDES = ("Most read this week", "You may also like", "Latest comments", "Share this page", "Log in", "Tag cloud")


def render(rng: random.Random, page: Page, island: str, canonical: str | None, links: list[tuple[str, str]]) -> str:
    """The whole HTML of a page. `links` are (address, words) of its neighbours, shown in menus and side columns."""
    return rng.choice(LAYOUTS)(rng, page, body(page), island, head(page, island, canonical), links)


def head(page: Page, island: str, canonical: str | None) -> str:
    link = f'<link rel="canonical" href="{escape(canonical)}">' if canonical else ""
    return (
        f'<meta charset="utf-8"><title>{escape(page.title)} | Pages of {island}</title>'
        f'<meta name="viewport" content="width=device-width">{link}<style>body{{font:16px serif}}</style>'
    )


def body(page: Page) -> str:
    """The main text."""
    return "\n".join(render_block(block) for block in page.blocks)


def render_block(block: Block) -> str:
    text = escape(block.text, quote=False)
    pairs = [tuple(escape(cell, quote=False) for cell in row) for row in block.rows if isinstance(row, tuple)]
    match block.kind:
        case "p" | "h2":
            return f"<{block.kind}>{text}</{block.kind}>"
        case "list":
            return "<ul>" + "".join(f"<li>{escape(row, quote=False)}</li>" for row in block.rows) + "</ul>"
        case "table":
            return "<table>" + "".join(f"<tr><th>{a}</th><td>{b}</td></tr>" for a, b in pairs) + "</table>"
        case "quiz":
            return "\n".join(f"<h3>{question}</h3>\n<p>{answer}</p>" for question, answer in pairs)
        case "faq":
            return "<dl>" + "\n".join(f"<dt>{question}</dt><dd>{answer}</dd>" for question, answer in pairs) + "</dl>"
        case "details":
            return "\n".join(f"<details><summary>{asks}</summary><p>{answer}</p></details>" for asks, answer in pairs)
    raise ValueError(f"no such block: {block.kind}")


def menu(island: str) -> str:
    """The links to the sections, on every page."""
    items = "".join(f'<li><a href="/{key}/index.html">{name}</a></li>' for key, name in SECTION_NAMES.items())
    return f'<ul class="menu"><li><a href="/index.html">Home of {island}</a></li>{items}</ul>'


def link_list(links: list[tuple[str, str]]) -> str:
    return "<ul>" + "".join(f'<li><a href="{escape(to)}">{escape(words)}</a></li>' for to, words in links) + "</ul>"


def semantic(rng, page, main, island, head, links) -> str:
    return f"""<!doctype html>
<html lang="en"><head>{head}</head><body>
<header><p>Pages of {island}</p><nav>{menu(island)}</nav></header>
<main><article><h1>{escape(page.title)}</h1>
{main}
</article></main>
<aside><h4>{rng.choice(ASIDES)}</h4>{link_list(links)}</aside>
<footer><p>{rng.choice(FOOTERS)}</p></footer></body></html>"""


def columns(rng, page, main, island, head, links) -> str:
    return f"""<!doctype html>
<html lang="en"><head>{head}</head><body class="two-columns">
<div id="header"><a href="/index.html">{island}</a></div>
<div id="sidebar" class="sidebar"><h4>{rng.choice(ASIDES)}</h4>{link_list(links)}{menu(island)}</div>
<div id="content"><h1>{escape(page.title)}</h1>
{main}
</div>
<div id="footer" class="footer">{rng.choice(FOOTERS)}</div></body></html>"""


def blog(rng, page, main, island, head, links) -> str:
    crumbs = f'<a href="/index.html">Home</a> &gt; <a href="/{page.kind}/index.html">{SECTION_NAMES[page.kind]}</a>'
    return f"""<!doctype html>
<html lang="en"><head>{head}</head><body>
<nav class="breadcrumb">{crumbs}</nav>
<div class="post"><h1 class="entry-title">{escape(page.title)}</h1>
<div class="entry-content">
{main}
</div></div>
<div class="related"><h4>{rng.choice(ASIDES)}</h4>{link_list(links)}</div>
<nav class="menu">{menu(island)}</nav>
<footer>{rng.choice(FOOTERS)}</footer></body></html>"""


def wiki(rng, page, main, island, head, links) -> str:
    return f"""<!doctype html>
<html lang="en"><head>{head}</head><body class="mediawiki">
<div id="mw-navigation"><nav>{menu(island)}</nav></div>
<div id="bodyContent" class="mw-body"><h1 id="firstHeading">{escape(page.title)}</h1>
<div id="mw-content-text">
{main}
</div></div>
<div class="catlinks"><a href="/{page.kind}/index.html">Category: {SECTION_NAMES[page.kind]}</a></div>
<div class="navbox">{link_list(links)}</div>
<footer><p>{rng.choice(FOOTERS)}</p></footer></body></html>"""


def plain(rng, page, main, island, head, links) -> str:
    return f"""<html><head>{head}</head><body>
<p class="nav"><a href="/index.html">home</a> | <a href="/{page.kind}/index.html">up</a></p><hr>
<h1>{escape(page.title)}</h1>
{main}
<hr><p class="footer">{rng.choice(FOOTERS)}</p>{link_list(links)}</body></html>"""


def cookie_shop(rng, page, main, island, head, links) -> str:
    return f"""<!doctype html>
<html lang="en"><head>{head}<script>var visits = 1;</script></head><body>
<div class="cookie-banner" role="dialog"><p>We use cookies. Accept all or change your settings.</p>
<button>Accept</button></div>
<header class="site-header"><form action="/search"><input name="q"><button>Search</button></form>{menu(island)}</header>
<section class="main"><article class="content"><header><h1>{escape(page.title)}</h1></header>
{main}
</article></section>
<div class="share-buttons"><a href="#">Share</a> <a href="#">Print</a> <a href="#">Like</a></div>
<aside class="widget">{link_list(links)}</aside>
<footer class="site-footer"><small>{rng.choice(FOOTERS)}</small></footer></body></html>"""


LAYOUTS: tuple[Callable[..., str], ...] = (semantic, columns, blog, wiki, plain, cookie_shop)
