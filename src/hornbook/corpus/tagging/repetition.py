"""How much of a text repeats itself, in characters: Gopher's n-grams of words (Rae et al. 2021, arXiv:2112.11446, A1).

The counts are those of datatrove's Gopher filter to the character. Hashes and sorting only say where it pays to look:
whether two n-grams are equal is decided on their text, so a collision costs time and never a wrong count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import cache

import numpy as np

from hornbook.corpus.tagging.words import Spelling

_MULTIPLIER = 0x9E3779B1  # odd, so that it has an inverse modulo 2^32
_INVERSE = pow(_MULTIPLIER, -1, 1 << 32)
_USUAL = 1 << 16  # letters of a text; the powers for so many are kept


def duplicates(parts: Sequence[str]) -> tuple[int, int]:
    """How many of the parts (lines, paragraphs) were seen before, and how many characters they have."""
    once = set(parts)
    return len(parts) - len(once), sum(map(len, parts)) - sum(map(len, once))


def top_ngrams(spelling: Spelling, sizes: Iterable[int]) -> dict[int, int]:
    """By n, the length of the most frequent n-gram, with spaces, times how often it comes, which may be once; of
    several the first. 0 where there are fewer than n words."""
    at, unit = _prefix_hashes(spelling.lines, spelling.starts + np.arange(len(spelling.starts)))
    return {n: _top(spelling.words, _ngram_hashes(at, unit, n), n) for n in sizes}


def duplicate_ngrams(spelling: Spelling, sizes: Iterable[int]) -> dict[int, int]:
    """By n, the characters in n-grams seen before; after one the search goes on behind it, so none counts twice.

    N-grams are equal when their letters are, wherever their words end.
    """
    at, unit = _prefix_hashes(spelling.letters, spelling.starts)
    starts = spelling.starts.tolist()
    return {n: _repeated(spelling.text, starts, n, _suspects(_ngram_hashes(at, unit, n))) for n in sizes}


def _prefix_hashes(letters: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The polynomial hash, modulo 2^32, of the letters before each start, and the factor that makes differences
    comparable: for equal stretches (at[b] - at[a]) * unit[a] is equal."""
    at = np.zeros(len(letters) + 1, np.uint32)
    np.add.accumulate(letters * _powers(_MULTIPLIER, len(letters)), dtype=np.uint32, out=at[1:])
    return at[starts], _powers(_INVERSE, len(letters) + 1)[starts]


def _ngram_hashes(at: np.ndarray, unit: np.ndarray, n: int) -> np.ndarray:
    return (at[n:] - at[:-n]) * unit[:-n] if n < len(at) else at[:0]


def _powers(base: int, count: int) -> np.ndarray:
    """base^0, base^1, … modulo 2^32."""
    return _usual_powers(base)[:count] if count <= _USUAL else _all_powers(base, count)


@cache
def _usual_powers(base: int) -> np.ndarray:
    return _all_powers(base, _USUAL)


def _all_powers(base: int, count: int) -> np.ndarray:
    powers = np.full(count, base, np.uint32)
    powers[:1] = 1
    return np.multiply.accumulate(powers, dtype=np.uint32, out=powers)


def _top(words: Sequence[str], hashes: np.ndarray, n: int) -> int:
    if not len(hashes):
        return 0
    ordered, places = _sorted(hashes)
    firsts = np.concatenate(([0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1, [len(ordered)]))
    counts = np.diff(firsts)
    times = int(counts.max())
    if times == 1:
        return len(" ".join(words[:n]))
    often = firsts[:-1][counts == times]
    where = places[(often[:, None] + np.arange(times)).ravel()].tolist()
    if len({tuple(words[place : place + n]) for place in where}) > len(often):  # two with one hash: count them all
        gram, times = Counter(zip(*(words[start:] for start in range(n)), strict=False)).most_common(1)[0]
        return times * len(" ".join(gram))
    return times * len(" ".join(words[min(where) : min(where) + n]))


def _suspects(hashes: np.ndarray) -> Collection[int]:
    """The places whose hash comes more than once, in order."""
    ordered, places = _sorted(hashes)
    again = np.flatnonzero(ordered[1:] == ordered[:-1])
    if not len(again):
        return ()
    twice = np.zeros(len(ordered), bool)
    twice[again] = twice[again + 1] = True
    return np.sort(places[twice]).tolist()


def _sorted(hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The hashes in order, and the place of each, those of equal ones in order. Sorting both as one integer is faster
    than sorting places by hash."""
    both = np.sort(hashes.astype(np.uint64) << np.uint64(32) | np.arange(len(hashes), dtype=np.uint64))
    return (both >> np.uint64(32)).astype(np.uint32), (both & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _repeated(text: str, starts: Sequence[int], n: int, suspects: Collection[int]) -> int:
    seen: set[str] = set()
    repeated = free = 0
    for place in suspects:
        if place < free:
            continue
        gram = text[starts[place] : starts[place + n]]
        if gram in seen:
            repeated += len(gram)
            free = place + n
        else:
            seen.add(gram)
    return repeated
