"""Equal to the definition in plain dictionaries; a distribution; better the more it reads."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.evaluation.ngram import WITHOUT_STATISTICS, KneserNey


class Plain:
    """Modified Kneser-Ney word for word as Chen and Goodman write it; n-grams are tuples, the mark is None."""

    def __init__(self, documents, vocab_size, order):
        self.vocab_size, self.order = vocab_size, order
        raw = Counter(
            tuple(marked[end - length : end])
            for marked in ([None, *document] for document in documents)
            for length in range(1, order + 1)
            for end in range(length, len(marked) + 1)
        )
        before = defaultdict(set)
        for gram in raw:
            before[gram[1:]].add(gram[0])
        self.counts = {
            gram: count if len(gram) == order or gram[0] is None else len(before[gram])
            for gram, count in raw.items() if gram != (None,)
        }
        self.discounts = {length: self.discount(length) for length in range(1, order + 1)}
        self.after = defaultdict(list)
        for gram, count in self.counts.items():
            self.after[gram[:-1]].append(count)

    def discount(self, length):
        n = Counter(count for gram, count in self.counts.items() if len(gram) == length)
        if not all(n[count] for count in (1, 2, 3, 4)):
            return WITHOUT_STATISTICS
        y = n[1] / (n[1] + 2 * n[2])
        found = [count - (count + 1) * y * n[count + 1] / n[count] for count in (1, 2, 3)]
        return found if all(0 <= d <= c for c, d in enumerate(found, 1)) else WITHOUT_STATISTICS

    def probability(self, context, token):
        context = tuple(context)[max(len(context) - self.order + 1, 0):]
        lower = self.probability(context[1:], token) if context else 1 / self.vocab_size
        counts = self.after.get(context, [])
        if not sum(counts):
            return lower
        off = [0.0, *self.discounts[len(context) + 1]]
        own = self.counts.get((*context, token), 0)
        spared = sum(off[min(count, 3)] for count in counts)
        return (own - off[min(own, 3)] + spared * lower) / sum(counts)

    def bits(self, document):
        marked = [None, *document]
        return [-math.log2(self.probability(marked[:at], marked[at])) for at in range(1, len(marked))]


def text(seed: int, length: int, vocab_size: int) -> list[int]:
    """Tokens with a structure to learn: each mostly a function of the two before it."""
    random = np.random.default_rng(seed)
    tokens = [0, 1]
    for _ in range(length):
        guess = (tokens[-1] * 3 + tokens[-2] * 5 + 1) % vocab_size
        tokens.append(int(guess if random.random() < 0.6 else random.integers(vocab_size)))
    return tokens


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.integers(0, 4), max_size=25), max_size=8),
    st.lists(st.lists(st.integers(0, 4), max_size=8), max_size=4),
    st.integers(1, 5),
)
def test_bits_equal_the_definition(train, heldout, order):
    model, plain = KneserNey(train, 5, order), Plain(train, 5, order)
    for bits, document in zip(model.bits(heldout), heldout, strict=True):
        assert bits.tolist() == pytest.approx(plain.bits(document), rel=1e-12)


def test_bits_equal_the_definition_where_discounts_come_from_counts():
    train, heldout = [text(seed, 400, 12) for seed in range(9)], [text(9, 200, 12)]
    plain = Plain(train, 12, 5)
    assert sum(found is not WITHOUT_STATISTICS for found in plain.discounts.values()) >= 3
    assert KneserNey(train, 12).bits(heldout)[0].tolist() == pytest.approx(plain.bits(heldout[0]), rel=1e-12)


@pytest.mark.parametrize("context", [[], [0], [0, 1, 4], [7, 7, 7, 7, 7], [0, 1, 6, 0, 3, 1]])
def test_it_is_a_distribution(context):
    model = KneserNey([text(seed, 300, 8) for seed in range(3)], 8)
    ends = model.bits([[*context, token] for token in range(8)])
    assert sum(2.0 ** -bits[-1] for bits in ends) == pytest.approx(1.0, abs=1e-12)


def test_longer_contexts_and_more_text_help():
    train, heldout = [text(seed, 2000, 30) for seed in range(8)], [text(99, 2000, 30)]

    def mean(order: int, documents) -> float:
        return float(np.mean(KneserNey(documents, 30, order).bits(heldout)[0]))

    assert mean(3, train) < mean(2, train) < mean(1, train)
    assert mean(3, train) < mean(3, train[:1]) < math.log2(30)


def test_nothing_read_is_no_knowledge():
    assert KneserNey([], 16).bits([[3, 5]])[0].tolist() == [4.0, 4.0]
    assert KneserNey([[1, 2]], 16).bits([]) == []
