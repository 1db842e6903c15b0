"""All that the trained grid says, as one record: laws with intervals, valleys, noise, and the run that is foretold."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from hornbook.evaluation.scaling.chinchilla import fit_chinchilla
from hornbook.evaluation.scaling.isoflop import best_sizes, valleys
from hornbook.evaluation.scaling.kaplan import fit_compute, fit_kaplan
from hornbook.evaluation.scaling.points import Points, columns
from hornbook.evaluation.scaling.prediction import bootstrap, noise, parameter_intervals, predict

DRAWS = 200  # of the bootstrap


def laws(points: Points) -> dict[str, Any]:
    """Chinchilla's and Kaplan's laws and the isoFLOP valleys; `error` is a law's root mean square of log loss."""
    chinchilla, kaplan = fit_chinchilla(points), fit_kaplan(points)
    found = valleys(points)
    powers = best_sizes(found)
    return {
        "chinchilla": asdict(chinchilla) | {"error": _error(points, chinchilla)},
        "kaplan": asdict(kaplan) | {"error": _error(points, kaplan)},
        "compute": asdict(fit_compute(points)),
        "valleys": [asdict(valley) for valley in found],
        "best": {"parameters": asdict(powers[0]), "tokens": asdict(powers[1])} if powers else None,
    }


def best_size(points: Points, flops: float) -> float:
    """The parameters that Chinchilla's law holds best for so many FLOPs."""
    parameters, tokens, _, spent = columns(points)
    each = float((spent / (parameters * tokens)).mean())
    return fit_chinchilla(points).best(flops, each)[0]


def prediction(points: Points, parameters: float, tokens: float, *, seed: int = 0) -> dict[str, Any]:
    """The loss of a run that is not among the points, its interval and what that is made of."""
    law = fit_chinchilla(points)
    drawn = bootstrap(points, law, seed=seed, draws=DRAWS)
    off = noise(points, law)
    foretold = predict(law, drawn, off, parameters, tokens, seed=seed)
    return {
        "parameters": parameters, "tokens": tokens, "loss": foretold.loss, "interval": [foretold.low, foretold.high],
        "width": foretold.width, "width_share": foretold.width / foretold.loss, "noise": asdict(off),
        "law_intervals": {name: list(ends) for name, ends in parameter_intervals(drawn).items()},
        "kaplan_loss": float(fit_kaplan(points).loss(parameters, tokens)),
    }  # fmt: skip


def compared(foretold: dict[str, Any], loss: float) -> dict[str, Any]:
    """What became of a prediction: `inside` its interval or not, and by how much it was wrong."""
    low, high = foretold["interval"]
    return foretold | {"found": loss, "inside": bool(low <= loss <= high), "wrong_by": loss / foretold["loss"] - 1}


def _error(points: Points, law: Any) -> float:
    parameters, tokens, loss, _ = columns(points)
    return float(np.sqrt(np.mean((np.log(loss) - np.log(law.loss(parameters, tokens))) ** 2)))
