"""What a larger run will come to, with an interval that counts what may go otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from hornbook.evaluation.scaling.chinchilla import Chinchilla, fit_chinchilla
from hornbook.evaluation.scaling.points import Points, by_flops, columns, seed_noise

LAW_PARAMETERS = 5


@dataclass(frozen=True)
class Noise:
    """How far single runs lie from the law, as standard deviations of log loss.

    `residual` of the runs that it was fitted to; `seeds` between runs that differ in their seed alone; `beyond` (root
    of the mean square) of the runs of the largest budget from a law of the others. `freedom` belongs to the greatest.
    """

    residual: float
    seeds: float
    beyond: float
    freedom: int

    @property
    def greatest(self) -> float:
        return max(self.residual, self.seeds, self.beyond)


@dataclass(frozen=True)
class Prediction:
    """A loss with its interval, in nats a token."""

    loss: float
    low: float
    high: float

    @property
    def width(self) -> float:
        return self.high - self.low

    def has(self, loss: float) -> bool:
        """Whether `loss` lies inside."""
        return self.low <= loss <= self.high


def bootstrap(points: Points, law: Chinchilla, *, seed: int, draws: int) -> list[Chinchilla]:
    """The laws of as many draws of the points, with replacement (Besiroglu et al., arXiv:2404.10102).

    A draw of no more different points than the law has parameters is drawn again. Raises ValueError where there are no
    more than that.
    """
    if len(set(points)) <= LAW_PARAMETERS:
        raise ValueError(f"{len(set(points))} points leave nothing to draw from")
    random = np.random.default_rng(seed)
    laws: list[Chinchilla] = []
    while len(laws) < draws:
        drawn = [points[index] for index in random.integers(0, len(points), len(points))]
        if len(set(drawn)) > LAW_PARAMETERS:
            laws.append(fit_chinchilla(drawn, near=law))
    return laws


def parameter_intervals(laws: Sequence[Chinchilla], confidence: float = 0.95) -> dict[str, tuple[float, float]]:
    """Each parameter's percentile interval among the laws of a bootstrap; `share_of_size` is beta / (alpha + beta), the
    power of C by which the best size grows."""
    values = {field.name: [getattr(law, field.name) for law in laws] for field in fields(Chinchilla)}
    values["share_of_size"] = [law.beta / (law.alpha + law.beta) for law in laws]
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    return {name: tuple(map(float, np.quantile(found, tails))) for name, found in values.items()}  # type: ignore[misc]


def noise(points: Points, law: Chinchilla) -> Noise:
    """How far runs lie from the law, looked at in three ways; the last needs three budgets and enough points."""
    error = _errors(points, law)
    freedom = max(1, len(points) - LAW_PARAMETERS)
    residual = float(np.sqrt((error**2).sum() / freedom))
    seeds, between = seed_noise(points)
    *below, last = by_flops(points).values()
    rest = [point for row in below for point in row]
    beyond = 0.0
    if len(below) >= 2 and len(set(rest)) > LAW_PARAMETERS:
        beyond = float(np.sqrt((_errors(last, fit_chinchilla(rest)) ** 2).mean()))
    of_each = {residual: freedom, seeds: between, beyond: len(last)}
    return Noise(residual, seeds, beyond, max(1, of_each[max(of_each)]))


def predict(
    law: Chinchilla, laws: Sequence[Chinchilla], noise: Noise, parameters: float, tokens: float, *, seed: int,
    confidence: float = 0.95,
) -> Prediction:
    """The loss of one new run, with the interval it will lie in.

    Each law of the bootstrap foretells it; what a single run differs from its law is drawn from Student's t (Gosset
    1908) with the greatest of the noises and its degrees of freedom.
    """
    random = np.random.default_rng(seed)
    foretold = np.log([each.loss(parameters, tokens) for each in laws])
    several = np.repeat(foretold, 100)
    drawn = several + noise.greatest * random.standard_t(noise.freedom, len(several))
    low, high = np.exp(np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2]))
    return Prediction(float(law.loss(parameters, tokens)), float(low), float(high))


def _errors(points: Points, law: Chinchilla) -> np.ndarray:
    parameters, tokens, loss, _ = columns(points)
    return np.log(loss) - np.log(law.loss(parameters, tokens))
