"""Chinchilla's law, L(N, D) = E + A / N^alpha + B / D^beta (Hoffmann et al. 2022, arXiv:2203.15556, approach 3)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from hornbook.evaluation.scaling.fitting import fit, softmax_sum
from hornbook.evaluation.scaling.points import Points, columns

# Of each term's part of the loss in the middle of the points, in logarithms, and of alpha and beta. The paper's grid is
# of log A and log B, where nearly every start is far from any data.
STARTS = list(product((-2.5, -1.5, -0.5), (-2.5, -1.5, -0.5), (-1.2, -0.5, -0.1), (0.1, 0.3, 0.7), (0.1, 0.3, 0.7)))


@dataclass(frozen=True)
class Chinchilla:
    """Loss in nats a token, of so many parameters that read so many tokens. `E` is what no model gets below."""

    E: float
    A: float
    B: float
    alpha: float
    beta: float

    def loss(self, parameters, tokens):
        """L(N, D), of numbers or arrays."""
        return self.E + self.A / parameters**self.alpha + self.B / tokens**self.beta

    def best(self, flops: float, flops_each: float = 6.0) -> tuple[float, float]:
        """(N, D) of the least loss for so many FLOPs, `flops_each` a parameter and token (the paper's equation 4)."""
        ratio = (self.alpha * self.A / (self.beta * self.B)) ** (1 / (self.alpha + self.beta))
        parameters = ratio * (flops / flops_each) ** (self.beta / (self.alpha + self.beta))
        return parameters, flops / flops_each / parameters


def fit_chinchilla(points: Points, near: Chinchilla | None = None) -> Chinchilla:
    """The law of the points; at least five. With `near` the search starts from that law alone: for a bootstrap."""
    parameters, tokens, loss, _ = columns(points)
    if len(loss) < 5:
        raise ValueError(f"five parameters cannot be had from {len(loss)} points")
    n, d, level = np.log(parameters), np.log(tokens), np.log(loss)
    middle = np.array([n.mean(), d.mean()])
    n, d, zeros = n - middle[0], d - middle[1], np.zeros_like(n)  # so that a term's height and its slope go separately

    def law(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        a, b, e, alpha, beta = values
        foretold, shares = softmax_sum(np.stack([a - alpha * n, b - beta * d, e + zeros]))
        return foretold, np.stack([*shares, -n * shares[0], -d * shares[1]])

    if near is None:
        starts = [np.array(start) + level.mean() * np.array([1, 1, 1, 0, 0]) for start in STARTS]
    else:
        heights = np.log([near.A, near.B]) - np.array([near.alpha, near.beta]) * middle
        starts = [np.array([*heights, np.log(near.E), near.alpha, near.beta])]
    a, b, e, alpha, beta = fit(law, level, starts)
    size, data = np.exp(np.array([a, b]) + np.array([alpha, beta]) * middle)
    return Chinchilla(float(np.exp(e)), float(size), float(data), float(alpha), float(beta))
