"""What a scaling law is fitted to: one row a trained model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Point(NamedTuple):
    """A trained model: its parameters, the tokens it read, its loss on held-out text in nats a token, and the FLOPs."""

    parameters: float
    tokens: float
    loss: float
    flops: float


Points = Sequence[Point]


def columns(points: Points) -> np.ndarray:
    """(4, n), fp64: parameters, tokens, loss and FLOPs."""
    return np.array(points, dtype=np.float64).reshape(-1, 4).T


def by_flops(points: Points) -> dict[float, list[Point]]:
    """The rows of a grid: points of equal FLOPs (to 5 %, for steps are whole), the smallest first."""
    rows: dict[float, list[Point]] = {}
    for point in sorted(points, key=lambda point: point.flops):
        level = next((level for level in rows if abs(point.flops / level - 1) <= 0.05), point.flops)
        rows.setdefault(level, []).append(point)
    return rows


def seed_noise(points: Points) -> tuple[float, int]:
    """(standard deviation of log loss between seeds, degrees of freedom), pooled over all shapes that were trained more
    than once; (0, 0) where none was."""
    same = defaultdict(list)
    for point in points:
        same[point.parameters, point.tokens].append(np.log(point.loss))
    squares = sum(float(np.var(losses)) * len(losses) for losses in same.values())
    freedom = sum(len(losses) - 1 for losses in same.values())
    return (float(np.sqrt(squares / freedom)), freedom) if freedom else (0.0, 0)
