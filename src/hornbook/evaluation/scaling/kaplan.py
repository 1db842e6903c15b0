"""Kaplan's laws (Kaplan et al. 2020, arXiv:2001.08361): pure powers of size, of data, and of both, without a floor."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from hornbook.evaluation.scaling.fitting import fit
from hornbook.evaluation.scaling.points import Points, by_flops, columns

# of log N_c, log D_c, alpha_N, alpha_D
STARTS = [np.array(start) for start in product(range(5, 45, 8), range(5, 45, 8), (0.05, 0.1, 0.2, 0.4), (0.05, 0.1, 0.2, 0.4))]


@dataclass(frozen=True)
class Kaplan:
    """L(N, D) = ((N_c / N)^(alpha_N / alpha_D) + D_c / D)^alpha_D, the paper's equation 1.5."""

    N_c: float
    D_c: float
    alpha_N: float
    alpha_D: float

    def loss(self, parameters, tokens):
        """L(N, D), of numbers or arrays."""
        return ((self.N_c / parameters) ** (self.alpha_N / self.alpha_D) + self.D_c / tokens) ** self.alpha_D

    def of_size(self, parameters):
        """L(N): what so many parameters come to with data without end (equation 1.1)."""
        return (self.N_c / parameters) ** self.alpha_N

    def of_data(self, tokens):
        """L(D): what so many tokens can teach a model without end (equation 1.2)."""
        return (self.D_c / tokens) ** self.alpha_D


@dataclass(frozen=True)
class OfCompute:
    """L(C) = (C_c / C)^alpha_C: the best that so many FLOPs come to (equation 1.3)."""

    C_c: float
    alpha_C: float

    def loss(self, flops):
        """L(C), of a number or an array."""
        return (self.C_c / flops) ** self.alpha_C


def fit_kaplan(points: Points) -> Kaplan:
    """L(N, D) of the points, at least four; its limits are L(N) and L(D)."""
    parameters, tokens, loss, _ = columns(points)
    if len(loss) < 4:
        raise ValueError(f"four parameters cannot be had from {len(loss)} points")
    n, d = np.log(parameters), np.log(tokens)

    def law(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        size, data, alpha_n, alpha_d = values
        slope = alpha_n / alpha_d
        first, second = slope * (size - n), data - d
        total = np.logaddexp(first, second)
        share, rest = np.exp(first - total), np.exp(second - total)
        by_data_power = total - share * first
        return alpha_d * total, np.stack([alpha_n * share, alpha_d * rest, share * (size - n), by_data_power])

    # alpha_D is divided by: starts lie above 0, and every law that fits better has it there too
    size, data, alpha_n, alpha_d = fit(law, np.log(loss), STARTS)
    return Kaplan(float(np.exp(size)), float(np.exp(data)), float(alpha_n), float(alpha_d))


def fit_compute(points: Points) -> OfCompute:
    """L(C) through the lowest loss of each budget, a straight line in logarithms; at least two budgets."""
    best = [min(row, key=lambda point: point.loss) for row in by_flops(points).values()]
    if len(best) < 2:
        raise ValueError("a power of compute needs at least two budgets")
    _, _, loss, flops = columns(best)
    slope, height = np.polyfit(np.log(flops), np.log(loss), 1)
    return OfCompute(float(np.exp(-height / slope)), float(-slope))
