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
SEPARATOR, LETTER, MARK, ALONE, INVISIBLE = 1, 2, 3, 4, 5
MOST_MARKS = 30  # combining marks in a row; Unicode's Stream-Safe Text Format (UAX 15) allows no more either
# Thai and Lao; Myanmar; Khmer; kana; ideographs, among them those beyond the first plane.
_WITHOUT_SPACES = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x4DBF),
                   (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))  # fmt: skip
_WORD = re.compile(r"[\w\x80-\U0010ffff]+")  # beyond ASCII folding leaves nothing but letters, digits and marks
_known = np.zeros(0x110000, np.uint32)  # of each character met so far its kind, and above that its small letter


def fold(texts: Sequence[str]) -> str:
    """The texts after NFKC and in small letters, `BETWEEN` them; beyond ASCII only the characters of words are left.

    Any string will do, one with lone surrogates or endless combining marks too.
    """
    joined = BETWEEN.join([text.replace(BETWEEN, " ") for text in texts])
    if joined.isascii():
        return joined.lower()
    texts = _words_only(joined).split(BETWEEN)
    foreign = BETWEEN.join([unicodedata.normalize("NFKC", text) for text in texts if not text.isascii()])
    folded = iter(_small_and_apart(foreign).split(BETWEEN))
    return BETWEEN.join([text.lower() if text.isascii() else next(folded) for text in texts])


def words(text: str) -> list[str]:
    """The words of one text, folded.

    >>> words("The “Ｈarbour”, café!")
    ['the', 'harbour', 'café']
    """
    return _WORD.findall(fold([text]))


def _words_only(text: str) -> str:
    """Spaces for what is in no word, which leaves ASCII of most English texts; no soft hyphens and the like; and no
    more marks than are sensible: NFKC sorts the marks of a letter by insertion, so a million would take it a day."""
    codes, foreign, kinds, _ = _classified(text)
    codes[foreign[kinds == SEPARATOR]] = ord(" ")
    invisible, marks = foreign[kinds == INVISIBLE], foreign[kinds == MARK]
    places = marks - np.searchsorted(invisible, marks)
    endless = marks[MOST_MARKS:][places[MOST_MARKS:] - places[:-MOST_MARKS] == MOST_MARKS]
    dropped = np.concatenate([invisible, endless])
    return _text(np.delete(codes, dropped) if len(dropped) else codes)


def _small_and_apart(text: str) -> str:
    """Small letters, and spaces around every letter that is a word alone; NFKC may have made new separators too."""
    codes, foreign, kinds, small = _classified(text)
    codes += (codes - ord("A") < 26) * np.uint32(ord("a") - ord("A"))  # unsigned: what is below "A" is far above 26
    codes[foreign] = small
    codes[foreign[kinds == SEPARATOR]] = ord(" ")
    alone = foreign[kinds == ALONE]
    return _text(np.insert(codes, np.concatenate([alone, alone + 1]), ord(" ")) if len(alone) else codes)


def _classified(text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The code points of a text, the places of those beyond ASCII, their kinds and their small letters."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").copy()
    foreign = np.flatnonzero(codes > 127)
    known = _known[codes[foreign]]
    if not known.all():
        for code in np.unique(codes[foreign[known == 0]]).tolist():
            _known[code] = _small(code) << 3 | _kind(code)
        known = _known[codes[foreign]]
    return codes, foreign, known & 7, known >> 3


def _kind(code: int) -> int:
    character = chr(code)
    if unicodedata.category(character).startswith("M"):
        return MARK
    if unicodedata.category(character) == "Cf":
        return INVISIBLE
    parts = unicodedata.normalize("NFKC", character)  # of a sign such as ™ or ½ words may come
    if not any(part.isalnum() or unicodedata.category(part).startswith("M") for part in parts):
        return SEPARATOR
    return ALONE if any(first <= code <= last for first, last in _WITHOUT_SPACES) else LETTER


def _small(code: int) -> int:
    """One character for one: where Unicode's folding has several, the first of the small form."""
    folded = chr(code).casefold()
    return ord(folded if len(folded) == 1 else chr(code).lower()[0])


def _text(codes: np.ndarray) -> str:
    return codes.tobytes().decode("utf-32-le", "surrogatepass")
