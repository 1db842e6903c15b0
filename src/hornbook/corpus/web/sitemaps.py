"""Sitemaps: the URLs a site lists of itself (sitemaps.org, protocol 0.9); XML, text, gzip, nested indexes."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from hornbook.corpus.extraction.encodings import TooBig, unpacked

MAX_BYTES = 50 * 1024 * 1024
MAX_SITEMAPS = 500
# The locations of pictures, films and news are no pages. No part of it can run away over a file of open tags.
_LOCATION = re.compile(r"<(?!(?:image|video|news):)(?:\w+:)?loc\s*>(?:\s*<!\[CDATA\[)?([^<]{1,4096})<")


@dataclass(frozen=True)
class Sitemap:
    """What one sitemap file lists: pages, or further sitemaps."""

    pages: list[str]
    sitemaps: list[str]


def read_sitemap(body: bytes) -> Sitemap:
    """The URLs of a sitemap as they stand in it; an empty one for what is no sitemap.

    Read by pattern, not by an XML parser: a damaged file gives what it still holds, and no entity is ever expanded.
    """
    if body[:2] == b"\x1f\x8b":
        try:
            body = unpacked(body, "gzip", MAX_BYTES)
        except (TooBig, ValueError):
            return Sitemap([], [])
    text = body.decode("utf-8-sig", errors="replace")
    found = [html.unescape(found.partition("]]>")[0]).strip() for found in _LOCATION.findall(text)]
    if "<sitemapindex" in text or ":sitemapindex" in text:
        return Sitemap([], found)
    if not found and "<" not in text[:1000]:
        found = [line.strip() for line in text.splitlines() if line.strip().startswith(("http://", "https://"))]
    return Sitemap(found, [])
