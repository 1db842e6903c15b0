"""How every law here is fitted: Huber's loss on log loss, by L-BFGS from a grid of starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from hornbook.core.errors import MissingExtraError

DELTA = 1e-3  # Hoffmann et al.: beyond an error of 0.1 % a point counts by its distance, no longer by its square
BEST_STARTS = 8  # of the grid, by the objective at the start: from these L-BFGS goes on
OPTIONS = {"maxiter": 1000, "maxfun": 2000, "ftol": 1e-11, "gtol": 1e-7}

# parameters -> (log of the loss that a law foretells, (n,), and its gradient by each parameter, (parameters, n))
LogLaw = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def fit(law: LogLaw, log_loss: np.ndarray, starts: Iterable[np.ndarray]) -> np.ndarray:
    """The parameters of `law` with the least sum of Huber losses (DELTA) on log loss, from the best of the starts.

    The sum and not the mean, with a tight end: the mean is so small that L-BFGS takes it for the minimum too early,
    which is what Besiroglu et al. (arXiv:2404.10102) found of the published fit.
    """
    minimize = _minimize()

    def objective(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        foretold, gradient = law(parameters)
        error = foretold - log_loss
        slope = np.clip(error / DELTA, -1.0, 1.0)
        value = np.where(np.abs(error) <= DELTA, error**2 / (2 * DELTA), np.abs(error) - DELTA / 2)
        return float(value.sum()), gradient @ slope

    begun = sorted(starts, key=lambda start: objective(start)[0])[:BEST_STARTS]
    ends = (minimize(objective, start, jac=True, method="L-BFGS-B", options=OPTIONS) for start in begun)
    return np.asarray(min(ends, key=lambda end: end.fun).x)


def softmax_sum(terms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log of the sum of e to the terms, (terms, n) to (n,), and each term's share of the sum."""
    highest = terms.max(0)
    parts = np.exp(terms - highest)
    total = parts.sum(0)
    return highest + np.log(total), parts / total


def _minimize() -> Callable:
    try:
        from scipy.optimize import minimize
    except ImportError:
        raise MissingExtraError.named("scipy", "scaling") from None
    return minimize
