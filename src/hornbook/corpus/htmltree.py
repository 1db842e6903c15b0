"""HTML text to a tree, whatever the text: lxml, with depth and entities kept within bounds by libxml2."""

from __future__ import annotations

import re

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  (no stubs)
from lxml.html import HtmlElement, HtmlElementClassLookup

_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def parse_html(text: str) -> HtmlElement | None:
    """The tree of a page, or None where there is nothing in it. Never raises for what stands in the text."""
    clean = _ILLEGAL.sub("", text)
    if not clean.strip():
        return None
    parser = etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
    parser.set_element_class_lookup(HtmlElementClassLookup())
    try:
        tree = etree.fromstring(clean.encode("utf-8"), parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        return None
    return tree if isinstance(tree, HtmlElement) else None
