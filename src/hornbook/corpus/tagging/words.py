"""What counts as a word. Every verdict depends on it, so a way of splitting has a name and a version.

`REGEX` 2: letters, digits and the marks on them, joined by a single apostrophe, full stop, comma, colon or hyphen
("3.5", "don't", "well-known"), and each other sign for itself. In a script that parts no words (Chinese, Japanese,
Thai, Khmer, Burmese …) two ideographs, or four letters with their marks, stand for one word: about the mean length of
a word there, so that counts and n-grams mean what they mean elsewhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from hornbook.corpus.tagging.punctuation import TERMINAL

# Kana; Thai, Lao; Burmese; Khmer; Tai Le, New Tai Lue; Tai Tham; Balinese; Javanese, Burmese's extensions; Tai Viet
_UNPARTED = (
    (0x3041, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F), (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF),
    (0x1950, 0x19DF), (0x1A20, 0x1AAF), (0x1B00, 0x1B7F), (0xA980, 0xA9FF), (0xAA60, 0xAADF),
)  # fmt: skip
_IDEOGRAPHS = ((0x3005, 0x3007), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
_INVISIBLE = "\xad\u200c\u200d"  # soft hyphens and (non-)joiners stand inside words
_LAST_MARK = 0x1E94A  # the last combining mark but for variation selectors
# Latin, Greek, Cyrillic, Armenian, Georgian, punctuation, symbols, Hangul: no combining marks, and words are parted
_SIMPLE = re.compile(
    "[\0-\xac\xae-\u02ff\u0370-\u0482\u048a-\u058f\u10a0-\u10ff\u1e00-\u200b\u200e-\u20cf\u2100-\u2bff\uac00-\ud7a3]*"
)
_JOINED = r"(?:['’.,:-]{0})*|[^\w\s]"
_PLAIN = re.compile(r"\w+" + _JOINED.format(r"\w+"))


@dataclass(frozen=True)
class Words:
    """A way of splitting a text into words; none of them holds white space or depends on what lies beyond it."""

    name: str
    version: int
    split: Callable[[str], list[str]]


def _split(text: str) -> list[str]:
    simple = text.isascii() or _SIMPLE.fullmatch(text)  # the pattern for every script finds the same words, more slowly
    return (_PLAIN if simple else _every_script()).findall(text)


REGEX = Words("regex", 2, _split)


@dataclass(frozen=True)
class Spelling:
    """Words laid end to end, for counting in bulk: word i is `text[starts[i] : starts[i + 1]]`. `letters` are the code
    points of the text, uint32, and `lines` the same with a line break after each word."""

    words: Sequence[str]
    text: str
    starts: np.ndarray
    letters: np.ndarray
    lines: np.ndarray


def spelled(words: Sequence[str]) -> Spelling:
    """The spelling of some words, none of which holds a line break."""
    lines = np.frombuffer("\n".join([*words, ""]).encode("utf-32-le", "surrogatepass"), np.uint32)
    breaks = lines == ord("\n")
    starts = np.zeros(len(words) + 1, np.int64)
    starts[1:] = np.flatnonzero(breaks) - np.arange(len(words))
    return Spelling(words, "".join(words), starts, lines[~breaks], lines)


def sentences(words: Sequence[str]) -> int:
    """How many sentences these words make, at least 1: one ends with a terminal sign, and the next begins with the
    first word after it that is no punctuation (spaCy's sentencizer)."""
    count, ended = 1, False
    for word in words:
        if word in TERMINAL:
            ended = True
        elif ended and not all(unicodedata.category(letter)[0] == "P" for letter in word):
            count, ended = count + 1, False
    return count


@cache
def _every_script() -> re.Pattern[str]:
    marks = [chr(point) for point in range(0x300, _LAST_MARK + 1) if unicodedata.category(chr(point))[0] == "M"]
    mark = _ranges([*map(ord, marks), *map(ord, _INVISIBLE)])
    unparted = [point for first, last in _UNPARTED for point in range(first, last + 1)]
    letter = _ranges(point for point in unparted if unicodedata.category(chr(point))[0] in "LN")
    ideograph = "".join(f"{chr(first)}-{chr(last)}" for first, last in _IDEOGRAPHS)
    part = f"[^\\W{letter}{ideograph}]"
    word = f"{part}+(?:[{mark}]+{part}*)*"
    return re.compile(f"{word}{_JOINED.format(word)}|[{ideograph}]{{1,2}}|(?:[{letter}][{mark}]*){{1,4}}")


def _ranges(points: Iterable[int]) -> str:
    """A regular expression's character class of these code points, without its brackets."""
    found: list[list[int]] = []
    for point in sorted(points):
        if found and point == found[-1][1] + 1:
            found[-1][1] = point
        else:
            found.append([point, point])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in found)
