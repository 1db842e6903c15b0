"""Words and the windows of words of many texts at once, as 64-bit hashes; from them digests and exact similarity.

Everything here is a pure function of each text: how texts are put together in calls changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hornbook.corpus.copies.folding import BETWEEN, fold

SHINGLE_WORDS = 5  # Penedo et al. 2024 (FineWeb), section 3.4
_BLOCK = 1 << 18  # characters hashed at a time: what is made of them should fit the processor's cache
_LONG = 64  # bytes of a word, from which on it is hashed alone
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)
_IN_WORDS = bytes(byte >= 0x80 or chr(byte).isalnum() or byte == ord("_") for byte in range(256))
_MASKS = np.array([(1 << 8 * length) - 1 for length in range(9)], np.uint64)


@dataclass(frozen=True)
class Hashes:
    """The hashes of the words, or what they make up, of several texts: one text after another (uint64), and how many
    each has (int64)."""

    values: np.ndarray
    counts: np.ndarray

    @property
    def ends(self) -> np.ndarray:
        """Where those of each text end among all."""
        return np.cumsum(self.counts)

    @classmethod
    def joined(cls, parts: Sequence[Hashes]) -> Hashes:
        """Those of several shards, one after another."""
        return cls(np.concatenate([part.values for part in parts]), np.concatenate([part.counts for part in parts]))


def blocks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """The texts, as many at a time as are hashed fastest; always one block at least."""
    start = size = 0
    for index, text in enumerate(texts):
        size += len(text)
        if size >= _BLOCK:
            yield texts[start : index + 1]
            start, size = index + 1, 0
    yield texts[start:]


def hash_words(texts: Sequence[str]) -> Hashes:
    """The words of `folding.fold`, hashed eight bytes at a time."""
    folded = b" " + fold(texts).encode() + BETWEEN.encode() * 8
    in_words = np.frombuffer(folded.translate(_IN_WORDS), np.uint8)
    edges = np.flatnonzero(in_words[1:] != in_words[:-1]) + 1
    starts, ends = edges[::2], edges[1::2]
    # Eight bytes from every place on: of a short word one of them is all, less what comes after it.
    eights = np.ndarray(len(folded) - 7, "<u8", folded, strides=(1,))
    lengths = ends - starts
    hashes = mixed(eights[starts] & _MASKS[np.minimum(lengths, 8)])
    longer = np.flatnonzero(lengths > 8)
    for offset in range(8, _LONG, 8):
        more = eights[starts[longer] + offset] & _MASKS[np.minimum(lengths[longer] - offset, 8)]
        hashes[longer] = mixed(hashes[longer] * _MULTIPLIER + more)
        longer = longer[lengths[longer] > offset + 8]
    for index in longer.tolist():
        whole = hashlib.sha256(folded[starts[index] : ends[index]]).digest()
        hashes[index] = int.from_bytes(whole[:8], "little")
    borders = np.flatnonzero(np.frombuffer(folded, np.uint8) == ord(BETWEEN))[: len(texts)]
    return Hashes(hashes, np.diff(np.searchsorted(starts, borders), prepend=0))


def windows(words: Hashes, size: int) -> Hashes:
    """Every window of `size` words as a hash, and how many windows each text has."""
    hashes, whole = _windows(words, size)
    return Hashes(hashes[whole], np.maximum(words.counts - size + 1, 0))


def shingles(words: Hashes, size: int = SHINGLE_WORDS) -> Hashes:
    """Every window of `size` words; a text of fewer words is one shingle, one without words has none."""
    hashes, whole = _windows(words, size)
    firsts = words.ends - words.counts
    for count in range(1, size):
        short = firsts[words.counts == count]
        hashes[short] = _combined([words.values[short + place] for place in range(count)])
        whole[short] = True
    return Hashes(hashes[whole], np.where(words.counts >= size, words.counts - size + 1, words.counts > 0))


def digests(words: Hashes) -> np.ndarray:
    """Sixteen bytes for each text, uint64 of shape (texts, 2): equal where the words are, in their order."""
    ends = words.ends.tolist()
    found = [hashlib.sha256(words.values[start:end].data).digest()[:16]
             for start, end in zip([0, *ends], ends, strict=False)]  # fmt: skip
    return np.frombuffer(b"".join(found), "<u8").reshape(-1, 2)


def shingle_sets(texts: Sequence[str]) -> list[np.ndarray]:
    """The distinct shingles of each text, sorted."""
    sets = []
    for block in blocks(texts):
        found = shingles(hash_words(block))
        ends = found.ends.tolist()
        for start, end in zip([0, *ends], ends, strict=False):
            own = np.sort(found.values[start:end])
            distinct = np.ones(len(own), bool)
            np.not_equal(own[1:], own[:-1], out=distinct[1:])
            sets.append(own[distinct])
    return sets


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """Shared shingles over all shingles of two sets as `shingle_sets` gives them; 0 for two empty ones."""
    both = np.concatenate([one, other])
    both.sort(kind="stable")  # which merges two sorted halves in one pass
    shared = np.count_nonzero(both[1:] == both[:-1])
    return shared / (len(both) - shared) if len(both) else 0.0


def mixed(values: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014), in place: every bit hangs on every bit."""
    values ^= values >> _SHIFTS[0]
    values *= _FIRST
    values ^= values >> _SHIFTS[1]
    values *= _SECOND
    values ^= values >> _SHIFTS[2]
    return values


def _windows(words: Hashes, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The hash of the window that begins at each word, and whether that window ends within its text."""
    count = max(len(words.values) - size + 1, 0)
    hashes = np.zeros(len(words.values), np.uint64)
    hashes[:count] = _combined([words.values[place : place + count] for place in range(size)])
    whole = np.ones(len(words.values), bool)
    broken = words.ends[:, None] - np.arange(1, size)
    whole[broken[broken >= 0]] = False
    return hashes, whole


def _combined(columns: Sequence[np.ndarray]) -> np.ndarray:
    """One hash of the hashes of a window's words, which lie in a column each; the order of the words counts."""
    total = columns[0].copy()
    for column in columns[1:]:
        total *= _MULTIPLIER
        total += column
    return mixed(total)
