"""Which models to train for a law: budgets of FLOPs, and for each several sizes with as many tokens as it buys."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

ROWS, SIZES = 4, 5  # budgets, each half of the next; sizes a budget
HELD_OUT = 4.0  # FLOPs of the run that is foretold, by those of the largest budget
TOKENS_EACH = 4  # a parameter: about where the valley of small models lies (docs/log.md), not the 20 of large ones
LEAST_STEPS = 100  # of a run: shorter ones are warm-up and cool-down, and follow no law
LEAST_SIZES = 3  # of every budget all the same
SEEDS = 3  # of the two cells that are trained more than once


class Shape(NamedTuple):
    """A model that could be trained: layers, width, parameters in matrix products (the head's too, the embedding's
    not) and FLOPs a token (models/counts.py)."""

    depth: int
    width: int
    parameters: int
    flops: float


class Trial(NamedTuple):
    """A model to train on so many tokens. `seed` counts from 0."""

    shape: Shape
    tokens: int
    seed: int


def grid(shapes: Sequence[Shape], flops: float, step_tokens: int) -> list[Trial]:
    """The trials for budgets of `flops` and less, cheapest first: ROWS budgets of SIZES neighbouring shapes (the
    smallest shape first in `shapes`) around the size that has TOKENS_EACH, fewer where the larger ones would have no
    LEAST_STEPS; the middle cell of the two cheapest budgets with SEEDS seeds."""
    trials = []
    for row in range(ROWS):
        budget = flops / 2 ** (ROWS - 1 - row)
        enough = sum(budget / shape.flops >= LEAST_STEPS * step_tokens for shape in shapes)
        near = _neighbours(shapes[: max(LEAST_SIZES, enough)], math.sqrt(budget / (6 * TOKENS_EACH)))
        for shape in near:
            seeds = SEEDS if row < 2 and shape == near[len(near) // 2] else 1
            trials += [trial(shape, budget, step_tokens, seed) for seed in range(seeds)]
    return trials


def trial(shape: Shape, flops: float, step_tokens: int, seed: int = 0) -> Trial:
    """As many tokens as so many FLOPs buy, in whole steps."""
    return Trial(shape, max(1, round(flops / shape.flops / step_tokens)) * step_tokens, seed)


def nearest(shapes: Sequence[Shape], parameters: float) -> Shape:
    """The shape of about so many parameters."""
    return min(shapes, key=lambda shape: abs(math.log(shape.parameters / parameters)))


def affordable(seconds: float, cost: Callable[[float], float], least: float = 1e9) -> float:
    """The most FLOPs for the largest budget whose `cost` in seconds is no more than that, to 2 %."""
    high = least
    while cost(high) < seconds:
        high *= 2
    low = high / 2
    while high / low > 1.02:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if cost(middle) <= seconds else (low, middle)
    return low


def _neighbours(shapes: Sequence[Shape], parameters: float) -> Sequence[Shape]:
    """SIZES shapes in a row, the middle one the nearest where there are as many on both sides."""
    place = shapes.index(nearest(shapes, parameters))
    begin = min(max(0, place - SIZES // 2), max(0, len(shapes) - SIZES))
    return shapes[begin : begin + SIZES]
