"""What can be counted of a text: the statistics of Gopher, C4 and FineWeb, as columns.

Sources: Rae et al. 2021 (Gopher, arXiv:2112.11446, table A1), Raffel et al. 2020 (C4, section 2.2), Penedo et al.
2024 (FineWeb, arXiv:2406.17557, section 3.5). Each is counted as datatrove 0.10 counts it for its filter of that name,
to the last digit, so that with the same words the verdicts are the same.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from itertools import chain

import numpy as np

from hornbook.corpus.tagging.damage import control_share, garbled_share, notice_share
from hornbook.corpus.tagging.lines import Lines, clean_lines
from hornbook.corpus.tagging.punctuation import SYMBOLS, TERMINAL
from hornbook.corpus.tagging.repetition import duplicate_ngrams, duplicates, top_ngrams
from hornbook.corpus.tagging.words import REGEX, Spelling, Words, spelled

STOP_WORDS = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})  # Gopher's eight
SHORT_LINE = 30
TOP, LONG = (2, 3, 4), (5, 6, 7, 8, 9, 10)  # n of the n-grams
_LETTERED, _ALPHABETIC = 1, 2  # of a letter, as bits
_FINEWEB = ("line_end_share", "short_line_share", "repeated_line_characters", "newline_ratio")
_C4 = ("curly_brackets", "placeholders", "sentences")

COLUMNS = (
    # Gopher's quality
    "words", "mean_word_length", "hash_ratio", "ellipsis_ratio", "bullet_line_share", "ellipsis_line_share",
    "alphabetic_word_share", "stop_words",
    # Gopher's repetition
    "duplicate_paragraph_share", "duplicate_paragraph_characters", "duplicate_line_share", "duplicate_line_characters",
    *(f"top_{n}gram" for n in TOP), *(f"duplicate_{n}gram" for n in LONG),
    # C4: of all lines, as FineWeb reads them, and of those alone that end as sentences do
    *_C4, *(f"ended_{name}" for name in _C4),
    # FineWeb: of the text, and of what C4's rules leave of it
    *_FINEWEB, *(f"clean_{name}" for name in _FINEWEB),
    # our own
    "characters", "garbled_share", "control_share", "notice_share",
)  # fmt: skip


def statistics(text: str, words: Words = REGEX) -> dict[str, float]:
    """Every column of `COLUMNS` for one text; shares and ratios are 0 to 1 or a little more, counts are counts. All are
    0 for a text of nothing."""
    if not text:
        return dict.fromkeys(COLUMNS, 0.0)
    lines = text.splitlines()
    by_line = [words.split(line) for line in lines]
    spelling = spelled(list(chain.from_iterable(by_line)))
    clean = clean_lines(text, words, by_line)
    figures = {
        **_gopher_quality(text, lines, spelling),
        **_gopher_repetition(text, spelling),
        **_c4(clean),
        **_fineweb(text, len(spelling.words)),
        **{f"clean_{name}": value for name, value in _fineweb(clean.text, clean.words).items()},
        "characters": len(text), "garbled_share": garbled_share(text), "control_share": control_share(text),
        "notice_share": notice_share(text),
    }  # fmt: skip
    return {name: float(figures[name]) for name in COLUMNS}


def _gopher_quality(text: str, lines: Sequence[str], spelling: Spelling) -> dict[str, float]:
    """Words are those that are not of symbols alone, except where they divide: there all count."""
    kinds = np.bitwise_or.reduceat(_kinds()[spelling.letters], spelling.starts[:-1]) if spelling.words else _kinds()[:0]
    real = kinds & _LETTERED > 0
    count, alphabetic = int(np.count_nonzero(real)), int(np.count_nonzero(kinds & _ALPHABETIC))
    every = max(len(spelling.words), 1)
    return {
        "words": count,
        "mean_word_length": int(np.diff(spelling.starts)[real].sum()) / max(count, 1),
        "hash_ratio": text.count("#") / every,
        "ellipsis_ratio": (text.count("...") + text.count("…")) / every,
        "bullet_line_share": sum(line.lstrip().startswith(("•", "-")) for line in lines) / len(lines),
        "ellipsis_line_share": sum(line.rstrip().endswith(("...", "…")) for line in lines) / len(lines),
        "alphabetic_word_share": alphabetic / every,
        "stop_words": len(STOP_WORDS.intersection(spelling.words)),
    }


@cache
def _kinds() -> np.ndarray:
    """For every code point whether it makes a word more than symbols, and whether it is alphabetic."""
    alphabetic = np.fromiter((chr(point).isalpha() for point in range(sys.maxunicode + 1)), np.uint8)
    kinds = alphabetic * _ALPHABETIC | _LETTERED
    kinds[[ord(sign) for sign in SYMBOLS]] &= _ALPHABETIC
    return kinds


def _gopher_repetition(text: str, spelling: Spelling) -> dict[str, float]:
    """Lines and paragraphs that came before, and n-grams, by characters of the whole text."""
    characters = len(text)
    figures: dict[str, float] = {}
    paragraphs = [part.lstrip("\n") for part in text.strip().split("\n\n")]  # parted by two line breaks or more
    lines = [""] * (text.startswith("\n") + text.endswith("\n"))  # parted by one or more: empty at the ends alone
    lines += filter(None, text.split("\n"))
    for name, parts in (("paragraph", [*filter(None, paragraphs)] or [""]), ("line", lines)):
        count, size = duplicates(parts)
        figures[f"duplicate_{name}_share"] = count / len(parts)
        figures[f"duplicate_{name}_characters"] = size / characters
    figures |= {f"top_{n}gram": size / characters for n, size in top_ngrams(spelling, TOP).items()}
    figures |= {f"duplicate_{n}gram": size / characters for n, size in duplicate_ngrams(spelling, LONG).items()}
    return figures


def _c4(lines: Lines) -> dict[str, float]:
    every = (lines.curly_brackets, lines.placeholders, lines.sentences)
    return dict(zip((*_C4, *(f"ended_{name}" for name in _C4)), (*every, *lines.ended), strict=True))


def _fineweb(text: str, words: int) -> dict[str, float]:
    """Lines are those with something in them, line breaks are all."""
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        return dict.fromkeys(_FINEWEB, 0.0)
    breaks = text.count("\n")
    shares = (
        sum(line[-1] in TERMINAL for line in lines) / len(lines),
        sum(len(line) <= SHORT_LINE for line in lines) / len(lines),
        duplicates(lines)[1] / (len(text) - breaks),
        breaks / max(words, 1),
    )
    return dict(zip(_FINEWEB, shares, strict=True))
