"""Where text is cut before any token is made: by Qwen2's pattern."""

from __future__ import annotations

import re
from collections.abc import Iterator

_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
)
SPLIT = rf"{_WORDS}|\s+(?!\S)|\s+"

# The same cut for engines that run as an automaton what does not look ahead: as one group it is tried once, not five
# times (fancy-regex, in rustbpe and tiktoken: a quarter to a third faster).
GROUPED = rf"(?:{_WORDS})|\s+(?!\S)|\s+"

# The cut of what `parts` has cut before: there is nothing to look ahead for, and no run is too long.
PARTS = rf"{_WORDS}|\s+"
_BLANK = "\t\x0b\x0c \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # Unicode's; Python's \s holds more
_RUN = re.compile(rf"[{_BLANK}\r\n](?=[{_BLANK}][^{_BLANK}\r\n])")

# Looking ahead, an engine that backtracks comes to the end of its stack in some hundred thousand blanks.
_LONG = 32768
_STEP = _LONG // 4


def has_long_run(text: str) -> bool:
    """Whether a run of white space may be too long to look ahead from: true of all that are, and of little else.

    Only one character in thousands is looked at: a long run holds four of them in a row.
    """
    return len(text) >= _LONG and re.search(r"\s{4}", text[::_STEP]) is not None


def parts(text: str) -> Iterator[str]:
    """The text cut before the last blank of every run of white space that goes on in a word: the one place for which
    SPLIT looks ahead."""
    start = 0
    for found in _RUN.finditer(text):
        yield text[start : found.end()]
        start = found.end()
    yield text[start:]


def short_runs(text: str) -> list[str]:
    """The text, cut within runs of white space that are too long to look ahead from."""
    if not has_long_run(text):
        return [text]
    runs = (run.span() for run in re.finditer(r"\s+", text))
    cuts = [place for start, end in runs for place in range(start + _LONG, end, _LONG)]
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def readable(text: str) -> str:
    """The text as UTF-8 can hold it: two halves of a surrogate pair become their character, a lone half U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
