"""IsoFLOP parabolas (Hoffmann et al. 2022, arXiv:2203.15556, approach 2): which size is best for so many FLOPs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hornbook.evaluation.scaling.points import Points, by_flops, columns


@dataclass(frozen=True)
class Valley:
    """The lowest place of one budget's parabola, loss against log N. `inside` says whether it lies between the sizes
    that were trained; if not it is a guess, and `curve` (the parabola's coefficients, highest first) may have none."""

    flops: float
    parameters: float
    tokens: float
    loss: float
    inside: bool
    curve: tuple[float, float, float]


@dataclass(frozen=True)
class Power:
    """y = factor * C^exponent."""

    factor: float
    exponent: float

    def __call__(self, flops):
        return self.factor * flops**self.exponent


def valleys(points: Points) -> list[Valley]:
    """One for every budget with at least three sizes, the smallest budget first."""
    found = []
    for flops, row in by_flops(points).items():
        parameters, tokens, loss, _ = columns(row)
        if len(set(parameters)) < 3:
            continue
        curve = np.polyfit(np.log(parameters), loss, 2)
        bowl = curve[0] > 0
        place = -curve[1] / (2 * curve[0]) if bowl else np.log(parameters[loss.argmin()])
        inside = bool(bowl and np.log(parameters.min()) < place < np.log(parameters.max()))
        each = float(np.median(flops / (parameters * tokens)))
        best = float(np.exp(place))
        lowest = float(np.polyval(curve, place))
        a, b, c = map(float, curve)
        found.append(Valley(flops, best, flops / each / best, lowest, inside, (a, b, c)))
    return found


def best_sizes(found: Sequence[Valley]) -> tuple[Power, Power] | None:
    """How the best N and D grow with C, by the valleys that lie inside; None where there are fewer than two."""
    inside = [valley for valley in found if valley.inside]
    if len(inside) < 2:
        return None
    flops = np.log([valley.flops for valley in inside])
    size = np.polyfit(flops, np.log([valley.parameters for valley in inside]), 1)
    data = np.polyfit(flops, np.log([valley.tokens for valley in inside]), 1)
    return (Power(float(np.exp(size[1])), float(size[0])), Power(float(np.exp(data[1])), float(data[0])))
