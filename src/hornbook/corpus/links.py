"""What a crawler reads in a page: where it leads, what it is really called, whether it may be used."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hornbook.corpus.encodings import decoded
from hornbook.corpus.htmltree import parse_html
from hornbook.corpus.robots import AGENT
from hornbook.corpus.urls import canonical_url

_NOT_PAGES = re.compile(
    r"\.(jpe?g|png|gif|webp|svg|ico|bmp|avif|css|js|mjs|json|xml|rss|atom|woff2?|ttf|eot|zip|gz|tgz|bz2|xz|7z|rar|exe|dmg"
    r"|deb|rpm|jar|iso|mp[34]|m4a|avi|mov|webm|ogg|wav|flac|docx?|xlsx?|pptx?|odt)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class PageLinks:
    """`canonical` is the URL the page calls its own; `links` are canonical URLs, in order, once each."""

    canonical: str | None
    index: bool
    follow: bool
    links: tuple[str, ...]


def read_links(body: bytes, url: str, content_type: str, robots_header: str = "") -> PageLinks:
    """Links, canonical URL and robots directives of an HTML page (meta tag and X-Robots-Tag)."""
    tree = parse_html(decoded(body, content_type)[0])
    directives = robots_header.lower()
    base, own = url, None
    hrefs: list[str] = []
    for element in tree.iter("base", "meta", "link", "a", "area") if tree is not None else ():
        tag, href = element.tag, element.get("href")
        if tag == "meta":
            if element.get("name", "").lower() in ("robots", AGENT):
                directives += "," + element.get("content", "").lower()
        elif href is None:
            continue
        elif tag == "link":
            if "canonical" in element.get("rel", "").lower().split() and own is None:
                own = href
        elif tag == "base":
            base = canonical_url(href, url) or url
        elif "nofollow" not in element.get("rel", "").lower():
            hrefs.append(href)
    words = set(re.split(r"[\s,:]+", directives))
    follow = not words & {"nofollow", "none"}
    return PageLinks(
        canonical=canonical_url(own, base) if own else None,
        index=not words & {"noindex", "none"},
        follow=follow,
        links=tuple(page_links(hrefs, base)) if follow else (),
    )


def page_links(hrefs: Iterable[str], base: str) -> Iterable[str]:
    """The canonical URLs among `hrefs` that may be pages, in order, once each."""
    found = (canonical_url(href, base) for href in hrefs)
    return dict.fromkeys(url for url in found if url and not _NOT_PAGES.search(url.partition("?")[0]))
