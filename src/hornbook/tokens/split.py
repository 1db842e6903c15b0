"""Where text is cut before any token is made: by Qwen2's pattern."""

from __future__ import annotations

import re
from collections.abc import Iterator

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# SPLIT looks ahead in one place only: of a run of white space before a word, the last blank goes to the word. Where
# `parts` has cut before that blank, PARTS cuts as SPLIT does, and never looks ahead: no run is too long for it.
PARTS = SPLIT.replace(r"\s+(?!\S)|", "")
_BLANK = "\t\x0b\x0c \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # Unicode's; Python's \s holds more
_RUN = re.compile(rf"[{_BLANK}\r\n](?=[{_BLANK}][^{_BLANK}\r\n])")

# With SPLIT an engine that backtracks comes to the end of its stack in some hundred thousand blanks.
_LONG = 32768
_LONG_RUN = re.compile(rf"(\s{{{_LONG}}})")
_STEP = _LONG // 4


def has_long_run(text: str) -> bool:
    """Whether a run of white space may be too long for SPLIT: true of all that are, and of little else.

    Only one character in thousands is looked at: a long run holds four of them in a row.
    """
    return len(text) >= _LONG and re.search(r"\s{4}", text[::_STEP]) is not None


def parts(text: str) -> Iterator[str]:
    """The text cut before the last blank of every run of white space that goes on in a word."""
    start = 0
    for found in _RUN.finditer(text):
        yield text[start : found.end()]
        start = found.end()
    yield text[start:]


def short_runs(text: str) -> list[str]:
    """The text, cut within runs of white space that SPLIT could not read."""
    return _LONG_RUN.split(text) if has_long_run(text) else [text]


def readable(text: str) -> str:
    """The text as UTF-8 can hold it: two halves of a surrogate pair become their character, a lone half U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
