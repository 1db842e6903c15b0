"""What a crawler reads in a page: where it leads, what it is really called, whether it may be used."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from hornbook.corpus.extraction.encodings import decoded
from hornbook.corpus.extraction.htmltree import parse_html
from hornbook.corpus.store.urls import canonical_url
from hornbook.corpus.web.robots import AGENT

MAX_LINKS = 10_000  # of one page: what lists more is no page for people
_NOT_PAGES = re.compile(
    r"\.(jpe?g|png|gif|webp|svg|ico|bmp|avif|css|js|mjs|json|xml|rss|atom|woff2?|ttf|eot|zip|gz|tgz|bz2|xz|7z|rar|exe|dmg"
    r"|deb|rpm|jar|iso|mp[34]|m4a|avi|mov|webm|ogg|wav|flac|doc|xlsx?|pptx?|odt)$",
    re.IGNORECASE,
)
_REFRESH = re.compile(r"^\s*[\d.]*\s*[;,]\s*url\s*=\s*[\"']?([^\"']+)", re.IGNORECASE)
_HOW_MUCH = ("max-snippet", "max-image-preview", "max-video-preview", "unavailable_after")  # directives with a value


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
    words = directives(robots_header)
    base, own = url, None
    hrefs: list[str] = []
    for element in tree.iter("base", "meta", "link", "a", "area", "frame", "iframe") if tree is not None else ():
        tag, href = element.tag, element.get("href")
        if tag == "meta":
            if element.get("name", "").lower() in ("robots", AGENT):
                words |= set(re.split(r"[\s,:]+", element.get("content", "").lower()))
            elif element.get("http-equiv", "").lower() == "refresh":
                hrefs += _REFRESH.findall(element.get("content", ""))
        elif tag in ("frame", "iframe"):
            hrefs += [src for src in [element.get("src")] if src]
        elif href is None:
            continue
        elif tag == "link":
            if "canonical" in element.get("rel", "").lower().split() and own is None:
                own = href
        elif tag == "base":
            base = canonical_url(href, url) or url
        elif "nofollow" not in element.get("rel", "").lower():
            hrefs.append(href)
    follow = not words & {"nofollow", "none"}
    return PageLinks(
        canonical=canonical_url(own, base) if own else None,
        index=not words & {"noindex", "none"},
        follow=follow,
        links=tuple(islice(page_links(hrefs, base), MAX_LINKS)) if follow else (),
    )


def directives(header: str) -> set[str]:
    """The words of X-Robots-Tag headers, joined by commas, that are meant for everybody or for us.

    >>> sorted(directives("nofollow, otherbot: noindex, hornbook: noarchive"))
    ['noarchive', 'nofollow']
    """
    found: set[str] = set()
    meant = True
    for part in header.lower().split(","):
        name, colon, rest = part.partition(":")
        if colon and name.strip() not in _HOW_MUCH:
            meant, part = name.strip() == AGENT, rest
        if meant:
            found.add(part.strip())
    return found


def page_links(hrefs: Iterable[str], base: str) -> Iterable[str]:
    """The canonical URLs among `hrefs` that may be pages, in order, once each."""
    found = (canonical_url(href, base) for href in hrefs)
    return dict.fromkeys(url for url in found if url and not _NOT_PAGES.search(url.partition("?")[0]))
