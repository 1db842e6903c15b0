"""An HTML page read: its title, the text of its main part as Markdown, the licence it states."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hornbook.corpus.extraction.faults import Check, PageFault
from hornbook.corpus.extraction.htmltree import MAX_DEPTH, FlatPage, parse_html, too_much
from hornbook.corpus.extraction.licences import stated_licence
from hornbook.corpus.extraction.maintext import main_part
from hornbook.corpus.extraction.markdown import to_markdown

_SITE_NAME = re.compile(r"\s+[|·•»–—:-]+\s+")


@dataclass(frozen=True)
class HtmlText:
    """What stands in an HTML page; `link_share` is the share of all its text that lies in links, 0 to 1."""

    title: str = ""
    text: str = ""
    license: str | None = None
    link_share: float = 0.0


def read_html(text: str, url: str, check: Check) -> HtmlText:
    """The document of an HTML page. Raises PageFault where it is more than can be read."""
    tree = parse_html(text)
    check()
    if tree is None:
        if reason := too_much(text):
            raise PageFault("too big", reason)
        return HtmlText()
    page = FlatPage(tree)
    check()
    if sum(1 for _ in page.ancestors(len(page.tags) - 1)) >= MAX_DEPTH:
        raise PageFault("damaged", f"elements nested more than {MAX_DEPTH} deep")
    title, licence = page_title(page), stated_licence(page, url)
    check()
    part, share = main_part(page)
    check()
    return HtmlText(title, to_markdown(page, part, check), licence, share)


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
    return title_without_site(page.texts[first] if first is not None else "", headings)


def title_without_site(title: str, headings: list[str]) -> str:
    """What <title> says without the site's name, unless the page has several h1; else the first of these."""
    whole = " ".join(title.split())
    if whole:
        return _SITE_NAME.split(whole)[0] if not headings else whole
    return headings[0].rstrip("¶# ") if headings else ""
