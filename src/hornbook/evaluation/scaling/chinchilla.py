"""Chinchilla's law, L(N, D) = E + A / N^alpha + B / D^beta (Hoffmann et al. 2022, arXiv:2203.15556, approach 3)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from hornbook.evaluation.scaling.fitting import fit, softmax_sum
from hornbook.evaluation.scaling.points import Points, columns

# of log A, log B, log E, alpha, beta: the paper's grid
STARTS = [np.array(start) for start in product(range(0, 30, 5), range(0, 30, 5), (-1.0, -0.5, 0.0, 0.5, 1.0),
                                               (0.0, 0.5, 1.0, 1.5, 2.0), (0.0, 0.5, 1.0, 1.5, 2.0))]


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
    n, d = np.log(parameters), np.log(tokens)
    zeros = np.zeros_like(n)

    def law(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        a, b, e, alpha, beta = values
        foretold, shares = softmax_sum(np.stack([a - alpha * n, b - beta * d, e + zeros]))
        return foretold, np.stack([*shares, -n * shares[0], -d * shares[1]])

    starts = STARTS if near is None else [_values(near)]
    a, b, e, alpha, beta = fit(law, np.log(loss), starts)
    return Chinchilla(float(np.exp(e)), float(np.exp(a)), float(np.exp(b)), float(alpha), float(beta))


def _values(law: Chinchilla) -> np.ndarray:
    return np.array([np.log(law.A), np.log(law.B), np.log(law.E), law.alpha, law.beta])
