"""Crawler traps: addresses that a site makes up without end, known by their shape before they are fetched."""

from __future__ import annotations

MAX_SEGMENTS = 20
REPEATS = 3


def trap(url: str) -> str | None:
    """Why this canonical URL looks like one of endlessly many, or None.

    More than 20 path segments, or the same folders three times in a row, as a wrong relative link makes them. Source:
    Heritrix's TooManyPathSegments and PathologicalPath rules, with its limits.

    >>> trap("http://example.org/a/b/a/b/a/b/c.html")
    'a/b/ again and again'
    """
    folders = url.partition("?")[0].split("/")[3:-1]
    if len(folders) > MAX_SEGMENTS:
        return f"more than {MAX_SEGMENTS} folders deep"
    for size in range(1, len(folders) // REPEATS + 1):
        for start in range(len(folders) - size * REPEATS + 1):
            part = folders[start : start + size]
            if any(part) and folders[start : start + size * REPEATS] == part * REPEATS:
                return f"{'/'.join(part)}/ again and again"
    return None
