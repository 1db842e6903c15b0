"""How far a score may be off: intervals for shares, and for the difference of two scores on the same questions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np


def wilson(right: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of a share of `right` in `n`. Source: Wilson (1927), JASA 22, 209-212.

    >>> [round(end, 4) for end in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    if n <= 0:
        raise ValueError("an interval needs at least one trial")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = right / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def paired_difference(first: Sequence[float], second: Sequence[float], *, seed: int, draws: int = 2000,
                      confidence: float = 0.95) -> tuple[float, tuple[float, float]]:
    """(mean of second - first, its percentile bootstrap interval), both scored on the same items in the same order.

    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.
    """
    difference = np.asarray(second, float) - np.asarray(first, float)
    if not len(difference):
        raise ValueError("a difference needs at least one pair")
    random = np.random.default_rng(seed)
    means = np.array([difference[random.integers(0, len(difference), len(difference))].mean() for _ in range(draws)])
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(difference.mean()), (float(low), float(high))


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """The exact two-sided p of "both are right equally often" on the same items. Source: McNemar (1947).

    Only the items on which they differ speak; under the hypothesis they fall like a fair coin.
    """
    gained = sum(b and not a for a, b in zip(first, second, strict=True))
    lost = sum(a and not b for a, b in zip(first, second, strict=True))
    n = gained + lost
    if n == 0:
        return 1.0
    tail = sum(math.comb(n, k) for k in range(min(gained, lost) + 1)) / 2**n
    return min(1.0, 2 * tail)
