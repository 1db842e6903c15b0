"""Which part of a page is its text: boilerplate is cut away, then the container that holds the article is chosen.

The expressions that know the web's class names are trafilatura's (BODY_XPATH, OVERALL_DISCARD_XPATH; Barbaresi 2021,
https://aclanthology.org/2021.acl-demo.15); what stands in the chosen part is then written down by `markdown.py` whole
and in order, where trafilatura's own writer would drop text between blocks and escape characters.
"""

from __future__ import annotations

import re

from lxml.html import HtmlElement
from trafilatura.xpaths import BODY_XPATH, OVERALL_DISCARD_XPATH, REMOVE_COMMENTS_XPATH, TEASER_DISCARD_XPATH

DROPPED = (
    "head", "script", "style", "noscript", "template", "iframe", "object", "embed", "applet", "audio", "video", "map",
    "canvas", "svg", "nav", "aside", "footer", "menu", "dialog", "button", "select", "input", "textarea", "datalist",
    "option", "progress", "meter", "frameset", "frame", "marquee", "rp", "rt", "label", "legend",
)
_ROLES = {"navigation", "banner", "contentinfo", "search", "complementary", "dialog", "menu", "menubar", "toolbar"}
_LISTS_OF_LINKS = re.compile(
    r"nav|menu|breadcrumb|pagination|pager|\btoc\b|table-?of-?contents|social|share|\btags?\b", re.I
)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
_ANCHOR_MARKS = frozenset("¶#§🔗†")
LINK_SHARE = {"ul": 0.75, "ol": 0.75, "div": 0.8, "section": 0.8, "p": 0.9, "table": 0.8, "td": 0.9, "dl": 0.8}
MIN_LINKS = 2
MIN_SHARE_OF_PAGE = 0.4  # a chosen container that holds less of the page's text than this was the wrong one
MIN_LEFT = 1 / 7  # trafilatura's guard: expressions that take more than the rest away were wrong on this page


def main_part(tree: HtmlElement) -> HtmlElement:
    """The element that holds the page's text, boilerplate removed from it. Changes `tree`."""
    body = tree.find(".//body")
    body = tree if body is None else body
    _drop_plain_boilerplate(body)
    _drop_by_expressions(body)
    _drop_link_lists(body)
    total = _length(body)
    for expression in BODY_XPATH:
        for found in expression(body)[:1]:
            if _length(found) >= MIN_SHARE_OF_PAGE * total:
                return found
    return body


def link_share(tree: HtmlElement) -> float:
    """How much of a page's text is the text of links, 0 to 1."""
    body = tree.find(".//body")
    sizes = _sizes(tree if body is None else body)
    own = sizes.get(tree if body is None else body, (0, 0, 0))
    return own[1] / own[0] if own[0] else 0.0


def _drop_plain_boilerplate(body: HtmlElement) -> None:
    for element in list(body.iter(*DROPPED)):
        _drop(element)
    total = _length(body)
    for form in list(body.iter("form", "fieldset")):  # some sites wrap the whole page into a form
        if _length(form) < total / 2:
            _drop(form)
    for header in list(body.iter("header")):
        inside = any(parent.tag in ("article", "main", "section") for parent in header.iterancestors())
        if not inside and header.find(".//h1") is None:
            _drop(header)
    for element in list(body.iter()):
        if not isinstance(element.tag, str) or element is body:
            continue
        attributes = element.attrib
        hidden = "hidden" in attributes or _HIDDEN.search(attributes.get("style", ""))
        if hidden or attributes.get("role", "").lower() in _ROLES:
            _drop(element)
        elif element.tag in ("ul", "ol") and _LISTS_OF_LINKS.search(attributes.get("class", "")):
            if element.find(".//a") is not None:
                _drop(element)
        elif element.tag == "a" and len(text := (element.text_content() or "").strip()) == 1 and text in _ANCHOR_MARKS:
            _drop(element)


def _drop_by_expressions(body: HtmlElement) -> None:
    for expression in (*OVERALL_DISCARD_XPATH, *REMOVE_COMMENTS_XPATH, *TEASER_DISCARD_XPATH):
        found = [element for element in expression(body) if element is not body]
        top = set(found)
        outer = [element for element in found if not any(parent in top for parent in element.iterancestors())]
        if sum(map(_length, outer)) <= (1 - MIN_LEFT) * _length(body):
            for element in outer:
                _drop(element)


def _drop_link_lists(body: HtmlElement) -> None:
    sizes = _sizes(body)
    for element, (characters, in_links, links) in sizes.items():
        limit = LINK_SHARE.get(str(element.tag))
        if limit is None or element is body or links < MIN_LINKS or element.getparent() is None:
            continue
        if characters and in_links / characters >= limit:
            _drop(element)


def _sizes(body: HtmlElement) -> dict[HtmlElement, tuple[int, int, int]]:
    """For every element: characters of text, of them in links, number of links (document order)."""
    sizes: dict[HtmlElement, tuple[int, int, int]] = {}
    elements = [element for element in body.iter() if isinstance(element.tag, str)]
    for element in reversed(elements):  # children come before their parents
        characters = len((element.text or "").strip())
        in_links = links = 0
        for child in element:
            own = sizes.get(child, (0, 0, 0))
            characters += own[0] + len((child.tail or "").strip())
            in_links, links = in_links + own[1], links + own[2]
        if element.tag == "a" and element.get("href") is not None:
            in_links, links = characters, 1
        sizes[element] = (characters, in_links, links)
    return {element: sizes[element] for element in elements}


def _length(element: HtmlElement) -> int:
    return sum(len(piece.strip()) for piece in element.itertext())


def _drop(element: HtmlElement) -> None:
    if element.getparent() is not None:
        element.drop_tree()  # the text that follows it stays
