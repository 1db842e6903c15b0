"""Which addresses of a site, or files of a folder, are wanted: patterns on their paths."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

_WILD = re.compile(r"\*\*/|\*\*|\*")
_MEANING = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}


class Patterns:
    """A path is wanted where one of `include` fits it (or there is none) and none of `exclude` does.

    `*` is anything within one folder, `**` anything at all, `**/` any folders or none, every other character itself; a
    pattern fits the whole path, and one that ends in `/` fits all below. One with a `?` in it fits path and query
    together, one without the path alone. Case counts, and percent signs are undone first. Raises ValueError for a
    pattern that begins with neither `/` nor `**`.
    """

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()):
        self.include, self.exclude = ({pattern: _regular(pattern) for pattern in side} for side in (include, exclude))

    def refusal(self, address: str, *, start: bool = False) -> str | None:
        """Why an address, or a path that begins with a slash, is not wanted: the pattern; None where it is.

        Where a crawl starts need not be included.

        >>> Patterns(["/docs/"], ["**.pdf"]).refusal("https://example.org/docs/a/b.pdf")
        '**.pdf'
        >>> Patterns(["/docs/"]).refusal("https://example.org/blog/")
        'in none of include'
        """
        path, query = _parts(address)
        texts = {True: f"{path}?{query}", False: path}
        fitting = (pattern for pattern, fits in self.exclude.items() if fits.fullmatch(texts["?" in pattern]))
        if (excluded := next(fitting, None)) is not None:
            return excluded
        if start or not self.include:
            return None
        wanted = any(fits.fullmatch(texts["?" in pattern]) for pattern, fits in self.include.items())
        return None if wanted else "in none of include"


def _regular(pattern: str) -> re.Pattern[str]:
    if not pattern.startswith(("/", "**")):
        raise ValueError(f"begin the pattern {pattern!r} with / or with **")
    plain = unquote(pattern) + ("**" if pattern.endswith("/") else "")
    pieces, at = [], 0
    for wild in _WILD.finditer(plain):
        pieces += [re.escape(plain[at : wild.start()]), _MEANING[wild[0]]]
        at = wild.end()
    return re.compile("".join([*pieces, re.escape(plain[at:])]), re.DOTALL)


def _parts(address: str) -> tuple[str, str]:
    """Path and query; of a path that is no address, the path."""
    if address.startswith("/"):
        return address, ""
    split = urlsplit(address)
    return unquote(split.path), unquote(split.query)
