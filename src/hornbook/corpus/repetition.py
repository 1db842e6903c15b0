"""How much of a text repeats itself, in characters: Gopher's n-grams of words (Rae et al. 2021, arXiv:2112.11446, A1).

The counts are those of datatrove's Gopher filter to the character. Hashes and sorting only say where it pays to look:
whether two n-grams are equal is decided on their text, so a collision costs time and never a wrong count.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np

_MULTIPLIER = 0x9E3779B1  # odd, so that it has an inverse modulo 2^32
_INVERSE = pow(_MULTIPLIER, -1, 1 << 32)


def duplicates(parts: Sequence[str]) -> tuple[int, int]:
    """How many of the parts (lines, paragraphs) were seen before, and how many characters they have."""
    once = set(parts)
    return len(parts) - len(once), sum(map(len, parts)) - sum(map(len, once))


def top_ngrams(words: Sequence[str], sizes: Iterable[int]) -> dict[int, int]:
    """By n, the length of the most frequent n-gram, with spaces, times how often it comes, which may be once; of
    several the first. 0 where there are fewer than n words."""
    number = {word: index for index, word in enumerate(dict.fromkeys(words))}
    ids = np.fromiter(map(number.__getitem__, words), np.uint64, len(words))
    return {n: _top(words, ids, len(number), n) for n in sizes}


def duplicate_ngrams(words: Sequence[str], sizes: Iterable[int]) -> dict[int, int]:
    """By n, the characters in n-grams seen before; after one the search goes on behind it, so none counts twice.

    N-grams are equal when their letters are, wherever their words end.
    """
    joined = "".join(words)
    starts = np.zeros(len(words) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, words), np.int64, len(words)), out=starts[1:])
    at, unit = _prefix_hashes(joined, starts)
    places = starts.tolist()
    found = {}
    for n in sizes:
        hashes = (at[n:] - at[:-n]) * unit[:-n] if n < len(at) else at[:0]
        found[n] = _repeated(joined, places, n, _suspects(hashes))
    return found


def _top(words: Sequence[str], ids: np.ndarray, vocabulary: int, n: int) -> int:
    if len(ids) < n:
        return 0
    grams, kinds = ids, vocabulary
    for place in range(1, n):
        if kinds * vocabulary >= 1 << 64:  # too many to number them all: number those there are
            seen, grams = np.unique(grams, return_inverse=True)
            kinds = len(seen)
        grams = grams[:-1].astype(np.uint64) * np.uint64(vocabulary) + ids[place:]
        kinds *= vocabulary
    ordered = np.sort(grams)
    firsts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    counts = np.diff(firsts, append=len(ordered))
    times = int(counts.max())
    first = 0 if times == 1 else int(np.isin(grams, ordered[firsts[counts == times]]).argmax())
    return times * len(" ".join(words[first : first + n]))


def _prefix_hashes(text: str, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The polynomial hash, modulo 2^32, of the text before each start, and the factor that makes the differences of two
    comparable: of equal stretches of text (at[b] - at[a]) * unit[a] is equal."""
    letters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    at = np.zeros(len(text) + 1, np.uint32)
    np.add.accumulate(letters * _powers(_MULTIPLIER, len(text)), dtype=np.uint32, out=at[1:])
    return at[starts], _powers(_INVERSE, len(text) + 1)[starts]


def _powers(base: int, count: int) -> np.ndarray:
    """base^0, base^1, … modulo 2^32."""
    powers = np.full(count, base, np.uint32)
    powers[:1] = 1
    return np.multiply.accumulate(powers, dtype=np.uint32, out=powers)


def _suspects(hashes: np.ndarray) -> Collection[int]:
    """The places whose hash comes more than once, in order."""
    ordered = np.sort(hashes)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    return np.flatnonzero(np.isin(hashes, twice)).tolist() if twice.size else ()


def _repeated(joined: str, starts: Sequence[int], n: int, suspects: Collection[int]) -> int:
    seen: set[str] = set()
    repeated = free = 0
    for place in suspects:
        if place < free:
            continue
        gram = joined[starts[place] : starts[place + n]]
        if gram in seen:
            repeated += len(gram)
            free = place + n
        else:
            seen.add(gram)
    return repeated
