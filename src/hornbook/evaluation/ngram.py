"""The baseline a language model must beat: an interpolated modified Kneser-Ney n-gram on the same tokens.

Source: Chen and Goodman 1999, "An empirical study of smoothing techniques for language modeling"; sequences begin with
a mark of their own, as in Heafield et al. 2013 (KenLM). Counting and asking are whole-array operations: half a million
tokens take about a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

WITHOUT_STATISTICS = (0.5, 1.0, 1.5)  # discounts where the counts of counts give none (KenLM's fallback)


class KneserNey:
    """p(token | up to order-1 tokens before it), learnt from documents of token ids below `vocab_size`."""

    def __init__(self, documents: Iterable[Sequence[int] | np.ndarray], vocab_size: int, order: int = 5):
        self.vocab_size, self.order = vocab_size, order
        tokens, offsets = _joined(documents, vocab_size)
        grams: list[_Grams] = []
        suffixes: list[np.ndarray] = []
        ids = np.zeros(len(tokens), np.int64)  # the n-gram that ends at each place; of order 0 there is one
        for length in range(1, order + 1):
            before = ids if length == 1 else np.concatenate([[-1], ids[:-1]])
            places = np.flatnonzero(offsets >= length - 1)
            keys, first, inverse, counts = np.unique(
                before[places] * (vocab_size + 1) + tokens[places],
                return_index=True, return_inverse=True, return_counts=True,
            )
            first = places[first]
            suffixes.append(ids[first])
            grams.append(_Grams(keys, counts, opens=offsets[first] == length - 1))
            ids = np.full(len(tokens), -1, np.int64)
            ids[places] = inverse
        for shorter, suffix in zip(grams, suffixes[1:], strict=False):
            # A lower order counts in how many contexts an n-gram stands, not how often; the mark has none before it.
            contexts = np.bincount(suffix, minlength=len(shorter.keys))
            shorter.counts = np.where(shorter.opens, shorter.counts, contexts)
        grams[0].counts = np.where(grams[0].keys == vocab_size, 0, grams[0].counts)  # the mark is never predicted
        self._levels = [
            _Level.of(gram, gram.keys // (vocab_size + 1), len(grams[below - 1].keys) if below else 1)
            for below, gram in enumerate(grams)
        ]

    def bits(self, documents: Iterable[Sequence[int] | np.ndarray]) -> list[np.ndarray]:
        """-log2 p of every token of every document, float64, each given all of the document before it that the order
        sees. `bits[i][1:]` stands beside `Engine.score` of the same document, which has no first token."""
        documents = [np.asarray(document, np.int64) for document in documents]
        tokens, offsets = _joined(documents, self.vocab_size)
        probability = np.full(len(tokens), 1 / self.vocab_size)
        ids = np.zeros(len(tokens), np.int64)
        for length, level in enumerate(self._levels, 1):
            before = ids if length == 1 else np.concatenate([[-1], ids[:-1]])
            context = np.where(offsets >= length - 1, before, -1)
            ids = level.find(context, tokens, self.vocab_size)
            probability = level.interpolated(probability, context, ids)
        lengths = [len(document) for document in documents]
        return np.split(-np.log2(probability[offsets > 0]), np.cumsum(lengths)[:-1]) if lengths else []


@dataclass
class _Grams:
    """The distinct n-grams of one order, sorted by key = context * (vocab_size + 1) + last token."""

    keys: np.ndarray
    counts: np.ndarray
    opens: np.ndarray  # whether it begins with the mark of a document's start


@dataclass
class _Level:
    """One order's share: discounted counts of its n-grams, and for each context their sum and what was taken off.

    Each array ends with an entry of nothing, so that -1, an n-gram or context never seen, reads as nothing.
    """

    keys: np.ndarray
    discounted: np.ndarray
    total: np.ndarray
    spared: np.ndarray

    @classmethod
    def of(cls, grams: _Grams, contexts: np.ndarray, number_of_contexts: int) -> _Level:
        discount = np.array([0.0, *_discounts(grams.counts)])[np.minimum(grams.counts, 3)]
        total = np.bincount(contexts, weights=grams.counts, minlength=number_of_contexts + 1)
        spared = np.bincount(contexts, weights=discount, minlength=number_of_contexts + 1)
        keys = np.append(grams.keys, np.iinfo(np.int64).max)
        return cls(keys, np.append(grams.counts - discount, 0.0), total, spared)

    def find(self, context: np.ndarray, tokens: np.ndarray, vocab_size: int) -> np.ndarray:
        """The id of each n-gram, -1 where it was never seen."""
        wanted = context * (vocab_size + 1) + tokens
        at = np.searchsorted(self.keys, wanted)
        return np.where(self.keys[at] == wanted, at, -1)

    def interpolated(self, lower: np.ndarray, context: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """p of this order from `lower`, that of the order below: it stays where the context was never seen."""
        total = self.total[context]
        found = (self.discounted[ids] + self.spared[context] * lower) / np.maximum(total, 1.0)
        return np.where(total > 0, found, lower)


def _discounts(counts: np.ndarray) -> tuple[float, float, float]:
    """What is taken off counts of 1, 2 and 3 or more (Chen and Goodman 1999, equation 26)."""
    ones, twos, threes, fours = (int((counts == count).sum()) for count in (1, 2, 3, 4))
    if not (ones and twos and threes and fours):
        return WITHOUT_STATISTICS
    share = ones / (ones + 2 * twos)
    found = (1 - 2 * share * twos / ones, 2 - 3 * share * threes / twos, 3 - 4 * share * fours / threes)
    return found if all(0 <= off <= count for count, off in enumerate(found, 1)) else WITHOUT_STATISTICS


def _joined(documents: Iterable[Sequence[int] | np.ndarray], vocab_size: int) -> tuple[np.ndarray, np.ndarray]:
    """All documents end to end, each after its mark (the id `vocab_size`), and each place's offset from its mark."""
    parts, offsets = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for document in documents:
        parts += [np.array([vocab_size]), np.asarray(document, np.int64)]
        offsets.append(np.arange(len(document) + 1))
    return np.concatenate(parts), np.concatenate(offsets)
