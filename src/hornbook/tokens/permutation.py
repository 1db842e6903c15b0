"""The order of an epoch as a keyed permutation: any place of it at once, nothing kept in memory but a key."""

from __future__ import annotations

import numpy as np

from hornbook.core.seeds import derive

_ROUNDS = 6


def permuted(places: np.ndarray, size: int, seed: int, *names: str | int) -> np.ndarray:
    """Where the permutation of 0..size-1 called by (seed, names) sends each of `places`, as int64.

    A Feistel network over the next power of four, walked until it falls inside (Black and Rogaway 2002).
    """
    if size <= 1:
        return np.zeros(len(places), np.int64)
    half = ((size - 1).bit_length() + 1) // 2
    keys = np.array([derive(seed, "permutation", *names, turn) for turn in range(_ROUNDS)], np.uint64)
    values = _feistel(np.asarray(places, np.uint64), half, keys)
    while (outside := np.flatnonzero(values >= size)).size:
        values[outside] = _feistel(values[outside], half, keys)
    return values.astype(np.int64)


def _feistel(values: np.ndarray, half: int, keys: np.ndarray) -> np.ndarray:
    mask = np.uint64((1 << half) - 1)
    left, right = values >> np.uint64(half), values & mask
    for key in keys:
        left, right = right, left ^ (_mixed(right ^ key) & mask)
    return left << np.uint64(half) | right


def _mixed(values: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser (Steele et al. 2014): every bit of the input moves every bit of the output."""
    values = (values ^ values >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ values >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return values ^ values >> np.uint64(31)
