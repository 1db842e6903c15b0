"""Lines that stand on most pages of a site: menus, banners, footers that extraction left. They go, headings stay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hornbook.core.digest import digest_bytes

MIN_PAGES = 8  # of a site, before anything can be said of its lines
SHARE = 0.3  # of a site's pages that carry a line, from which on it is the site's and not the page's
MAX_LINE = 400


def line_keys(text: str) -> set[int]:
    """The hashes (64 bits) of the lines of a text that may be boilerplate, each once."""
    return {_key(line) for line in _paragraph_lines(text)}


def frequent_lines(counts: Counter[int], pages: int) -> frozenset[int]:
    """The hashes of the lines that stand on so many of a site's `pages` that they are boilerplate."""
    if pages < MIN_PAGES:
        return frozenset()
    least = max(SHARE * pages, 5)
    return frozenset(key for key, count in counts.items() if count >= least)


def without_lines(text: str, frequent: frozenset[int]) -> str:
    """The text without these lines, and without the empty lines that leaves. Code and headings are left alone."""
    if not frequent:
        return text
    kept: list[str] = []
    in_code = False
    for line in text.split("\n"):
        in_code ^= line.startswith("```")
        own = in_code or not _may_be(line) or _key(line) not in frequent
        if own and (line or (kept and kept[-1])):
            kept.append(line)
    return "\n".join(kept).strip("\n")


def _paragraph_lines(text: str) -> Iterable[str]:
    in_code = False
    for line in text.split("\n"):
        in_code ^= line.startswith("```")
        if not in_code and _may_be(line):
            yield line


def _may_be(line: str) -> bool:
    return bool(line.strip()) and not line.startswith(("#", "|", "```")) and len(line) <= MAX_LINE


def _key(line: str) -> int:
    return int(digest_bytes(" ".join(line.lower().split()).encode("utf-8", "replace"))[:16], 16)
