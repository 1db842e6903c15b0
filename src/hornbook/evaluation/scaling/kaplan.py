"""Kaplan's laws (Kaplan et al. 2020, arXiv:2001.08361): pure powers of size, of data, and of both, without a floor."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from hornbook.evaluation.scaling.fitting import fit, softmax_sum
from hornbook.evaluation.scaling.points import Points, by_flops, columns

# of log L(N) and log L(D) in the middle of the points, by the loss there, and of alpha_N and alpha_D
STARTS = list(product((-1.0, -0.3, 0.0), (-1.0, -0.3, 0.0), (0.05, 0.1, 0.2, 0.4), (0.05, 0.1, 0.2, 0.4)))


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
    n, d, level = np.log(parameters), np.log(tokens), np.log(loss)
    middle = np.array([n.mean(), d.mean()])
    n, d = n - middle[0], d - middle[1]

    def law(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        of_size, of_data, alpha_n, alpha_d = values
        first, second = (of_size - alpha_n * n) / alpha_d, of_data / alpha_d - d
        total, shares = softmax_sum(np.stack([first, second]))
        by_power = total - shares[0] * first - shares[1] * of_data / alpha_d
        return alpha_d * total, np.stack([*shares, -n * shares[0], by_power])

    starts = [np.array(start) + level.mean() * np.array([1, 1, 0, 0]) for start in STARTS]
    of_size, of_data, alpha_n, alpha_d = fit(law, level, starts)
    size, data = np.exp(np.array([of_size / alpha_n, of_data / alpha_d]) + middle)
    return Kaplan(float(size), float(data), float(alpha_n), float(alpha_d))


def fit_compute(points: Points) -> OfCompute:
    """L(C) through the lowest loss of each budget, a straight line in logarithms; at least two budgets."""
    best = [min(row, key=lambda point: point.loss) for row in by_flops(points).values()]
    if len(best) < 2:
        raise ValueError("a power of compute needs at least two budgets")
    _, _, loss, flops = columns(best)
    slope, height = np.polyfit(np.log(flops), np.log(loss), 1)
    return OfCompute(float(np.exp(-height / slope)), float(-slope))
