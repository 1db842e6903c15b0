"""Texts made ready for comparison: what differs only in case, punctuation, white space or the form of its letters is
the same. A folded text is its words; a character of a script that sets no spaces is a word of its own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

FOLDING_VERSION = 1  # signatures that were stored are compared only with those of the same folding
BETWEEN = "\0"  # stands between folded texts, and in none
SEPARATOR, LETTER, MARK, ALONE = 1, 2, 3, 4
MOST_MARKS = 30  # combining marks in a row; Unicode's Stream-Safe Text Format (UAX 15) allows no more either
# Thai and Lao; Myanmar; Khmer; kana; ideographs, among them those beyond the first plane.
_WITHOUT_SPACES = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x4DBF),
                   (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))  # fmt: skip
_WORD = re.compile(r"[\w\x80-\U0010ffff]+")  # beyond ASCII folding leaves nothing but letters, digits and marks
_kinds = np.zeros(0x110000, np.uint8)  # of the characters met so far; 0: not met yet


def fold(texts: Sequence[str]) -> str:
    """The texts after NFKC and in small letters, `BETWEEN` them; beyond ASCII only the characters of words are left.

    Any string will do, one with lone surrogates or endless combining marks too.
    """
    joined = BETWEEN.join([text.replace(BETWEEN, " ") for text in texts])
    if joined.isascii():
        return joined.lower()
    joined = _without_endless_marks(joined)
    return _separated(BETWEEN.join([unicodedata.normalize("NFKC", text).lower() for text in joined.split(BETWEEN)]))


def words(text: str) -> list[str]:
    """The words of one text, folded.

    >>> words("The “Ｈarbour”, café!")
    ['the', 'harbour', 'café']
    """
    return _WORD.findall(fold([text]))


def _without_endless_marks(text: str) -> str:
    """Normalisation sorts the marks of a letter by insertion, so a million of them would take it a day."""
    codes, foreign, kinds = _classified(text)
    marks = foreign[kinds == MARK]
    endless = marks[MOST_MARKS:][marks[MOST_MARKS:] - marks[:-MOST_MARKS] == MOST_MARKS]
    return _text(np.delete(codes, endless)) if len(endless) else text


def _separated(text: str) -> str:
    """Spaces for what is in no word, and around every letter that is a word alone."""
    codes, foreign, kinds = _classified(text)
    codes[foreign[kinds == SEPARATOR]] = ord(" ")
    alone = foreign[kinds == ALONE]
    return _text(np.insert(codes, np.concatenate([alone, alone + 1]), ord(" ")) if len(alone) else codes)


def _classified(text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The code points of a text, the places of those beyond ASCII, and the kinds of these."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").copy()
    foreign = np.flatnonzero(codes > 127)
    kinds = _kinds[codes[foreign]]
    if not kinds.all():
        for code in np.unique(codes[foreign[kinds == 0]]).tolist():
            _kinds[code] = _kind(code)
        kinds = _kinds[codes[foreign]]
    return codes, foreign, kinds


def _kind(code: int) -> int:
    character = chr(code)
    if character.isalnum():
        return ALONE if any(first <= code <= last for first, last in _WITHOUT_SPACES) else LETTER
    return MARK if unicodedata.category(character).startswith("M") else SEPARATOR


def _text(codes: np.ndarray) -> str:
    return codes.tobytes().decode("utf-32-le", "surrogatepass")
