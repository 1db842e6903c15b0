"""Texts as hashed n-grams, and a logistic regression on them: small, quick to learn, the same on every machine.

Words, pairs of words and pieces of five bytes are counted in 2^bits places by their hash (feature hashing: Weinberger
et al. 2009, arXiv:0902.2206). Two n-grams may share a place, which costs little while places are many. The hash of any
piece of a text comes from one running sum over its bytes, so all pieces are hashed at once in numpy.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hornbook.core.errors import DamagedError, InputError
from hornbook.core.files import write_bytes

BYTES = 16_384  # of a text are looked at; what a page is shows long before
PIECE = 5  # bytes
BITS = 17  # of the models that come with the package, so that a page's n-grams are counted once for all
_BASE = 0x9E3779B97F4A7C15  # odd, and so invertible modulo 2^64
_FINISH = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)  # splitmix64's (Steele et al. 2014)
_POWERS = np.cumprod(np.r_[np.uint64(1), np.full(BYTES + 1, _BASE, np.uint64)])
_INVERSES = np.cumprod(np.r_[np.uint64(1), np.full(BYTES + 1, pow(_BASE, -1, 2**64), np.uint64)])
_WORD, _PAIR, _BYTES = (np.uint64(salt) for salt in (1, 2, 3))
_ZERO = np.zeros(1, np.uint64)
_FOLDED = np.arange(256, dtype=np.uint8)
_FOLDED[48:58] = 48  # every digit is one digit: which year or price it is says nothing of what a page is
_IN_WORD = np.array([byte >= 128 or chr(byte).isalnum() or byte == 39 for byte in range(256)])


Features = tuple[np.ndarray, np.ndarray]  # places and values, as `features` gives them


class Hashes:
    """The hashes of pieces of one sequence of bytes, each in constant time: sum of byte[i] * base^i, modulo 2^64."""

    def __init__(self, data: np.ndarray):
        """`data`: uint8, at most `BYTES` long."""
        sums = np.cumsum((data.astype(np.uint64) + np.uint64(1)) * _POWERS[: len(data)], dtype=np.uint64)
        self._sums = np.concatenate((_ZERO, sums))

    def of(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """uint64 for each piece from a start to its end, the same for the same bytes wherever they stand."""
        return (self._sums[ends] - self._sums[starts]) * _INVERSES[starts]


def mixed(hashes: np.ndarray) -> np.ndarray:
    """The hashes with every bit a function of all bits (splitmix64's last steps)."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * _FINISH[0]
    hashes = (hashes ^ (hashes >> np.uint64(27))) * _FINISH[1]
    return hashes ^ (hashes >> np.uint64(31))


def features(text: str, bits: int) -> Features:
    """The places of a text's n-grams, sorted int64 below 2^bits, and their values, float64 of length 1 together.

    Case, digits and blanks are made alike first; a value is 1 + log(count).
    """
    data = np.frombuffer(" ".join(text[:BYTES].lower().split()).encode("utf-8", "replace")[:BYTES], np.uint8)
    data = _FOLDED[data]
    hashes = Hashes(data)
    inside = np.zeros(len(data) + 2, bool)
    inside[1:-1] = _IN_WORD[data]
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    words = hashes.of(edges[::2], edges[1::2])
    pairs = words[:-1] * np.uint64(_BASE) + words[1:]
    starts = np.arange(max(len(data) - PIECE + 1, 0))
    pieces = hashes.of(starts, starts + PIECE)
    every = mixed(np.concatenate((words ^ _WORD, pairs ^ _PAIR, pieces ^ _BYTES))) >> np.uint64(64 - bits)
    places, counts = _counted(every.astype(np.int32))
    values = 1 + np.log(counts)
    return places, values / max(np.sqrt(values @ values), 1e-9)


def _counted(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each place once, sorted, and how often it is there (np.unique, which sorts the same, takes twice as long)."""
    places = np.sort(places)
    new = np.ones(len(places), bool)
    new[1:] = places[1:] != places[:-1]
    first = np.flatnonzero(new)
    counts = np.empty(len(first), np.int64)
    counts[:-1] = first[1:] - first[:-1]
    counts[-1:] = len(places) - first[-1:]
    return places[first].astype(np.int64), counts


@dataclass(frozen=True)
class LinearModel:
    """Logistic regression: p = 1 / (1 + exp(-(weights @ features + bias))). `weights`: float32, 2^bits long."""

    weights: np.ndarray
    bias: float

    @property
    def bits(self) -> int:
        return len(self.weights).bit_length() - 1

    def logits(self, texts: Sequence[str]) -> list[float]:
        """How much speaks for each text: above 0 more than against it."""
        return [self.logit(features(text, self.bits)) for text in texts]

    def logit(self, found: Features) -> float:
        """The same for one text, of which the features are known."""
        places, values = found
        return float(self.weights[places] @ values) + self.bias

    def scores(self, texts: Sequence[str]) -> list[float]:
        """The probability of each text, 0 to 1."""
        return [self.score(features(text, self.bits)) for text in texts]

    def score(self, found: Features) -> float:
        """The same for one text, of which the features are known."""
        return float(_sigmoid(np.array(self.logit(found))))

    def save(self, path: Path, **about: object) -> None:
        """Write the weights as whole numbers of eight bits with their scale (safetensors, about 2^bits bytes); `about`
        goes into the header, as JSON."""
        from safetensors.numpy import save

        scale = np.float32(max(float(np.abs(self.weights).max()), 1e-9) / 127)
        weights, numbers = np.rint(self.weights / scale).astype(np.int8), np.array([scale, self.bias], np.float32)
        header = {"about": json.dumps(about, sort_keys=True)}
        write_bytes(path, save({"weights": weights, "scale_and_bias": numbers}, header))

    @classmethod
    def load(cls, path: Path) -> LinearModel:
        """The model that `save` wrote. Raises InputError where there is none, DamagedError where it is none."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            tensors = load(path.read_bytes())
            weights, (scale, bias) = tensors["weights"], tensors["scale_and_bias"].tolist()
        except OSError:
            raise InputError("there is no model here", where=path, fix="name the file of a model") from None
        except (SafetensorError, KeyError, ValueError) as error:
            raise DamagedError(f"not a linear model ({error})", where=path, fix="make it again") from None
        if weights.ndim != 1 or len(weights) & (len(weights) - 1) or not len(weights):
            raise DamagedError("not a linear model (its weights are no power of two)", where=path, fix="make it again")
        return cls(weights.astype(np.float32) * np.float32(scale), bias)


def learn(
    examples: Sequence[Features], targets: Sequence[float], *, bits: int,
    weights: Sequence[float] | None = None, epochs: int = 12, rate: float = 0.5, decay: float = 1e-5, batch: int = 32,
) -> LinearModel:
    """Learn from examples (as `features` gives them) and their targets, 0 to 1, each with a weight of its own.

    AdaGrad (Duchi et al. 2011) on the cross-entropy with `decay` * |weights|^2 / 2, in an order drawn from a fixed
    seed: the same examples give the same model.
    """
    wanted = np.asarray(targets, np.float64)
    share = np.ones(len(wanted)) if weights is None else np.asarray(weights, np.float64)
    model, squares = np.zeros((1 << bits) + 1), np.full((1 << bits) + 1, 1e-6)  # the last is the bias
    random = np.random.default_rng(0)
    for _ in range(epochs):
        order = random.permutation(len(examples))
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            rows = np.repeat(np.arange(len(chosen)), [len(examples[index][0]) for index in chosen])
            places = np.concatenate([examples[index][0] for index in chosen])
            values = np.concatenate([examples[index][1] for index in chosen])
            logits = np.bincount(rows, model[places] * values, len(chosen)) + model[-1]
            errors = (_sigmoid(logits) - wanted[chosen]) * share[chosen] / len(chosen)
            gradient = np.bincount(places, errors[rows] * values, len(model)) + decay * model
            gradient[-1] = errors.sum()
            squares += gradient * gradient
            model -= rate * gradient / np.sqrt(squares)
    return LinearModel(model[:-1].astype(np.float32), float(model[-1]))


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
