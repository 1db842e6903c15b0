"""A mixture reads what it was asked to, every document of a source as often as the next, and a cursor stays a place."""

from __future__ import annotations

import hashlib
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.tokens import mixture as module
from hornbook.tokens import order
from hornbook.tokens.loader import PackedBatches, predictions
from hornbook.tokens.mixture import Mixture, passes_within
from tests.tokens.test_loader import PHASES, equal, goes_on, sequences_of

# For each source how many documents, how often it is read, and how often at most.
SOURCES = st.lists(
    st.tuples(st.integers(1, 60), st.floats(0.01, 5), st.one_of(st.just(np.inf), st.floats(1, 4))),
    min_size=1, max_size=4,
)  # fmt: skip


def mixture_of(given: list[tuple[int, float, float]], seed: int = 3) -> Mixture:
    sources = np.repeat(np.arange(len(given)), [count for count, _, _ in given])
    sources = np.random.default_rng(0).permutation(sources)
    return Mixture(sources, *(np.array(column) for column in list(zip(*given, strict=True))[1:]), seed)


def read(mixture: Mixture, groups: int, documents: int) -> np.ndarray:
    """How often the first groups hold each document."""
    return sum(np.bincount(mixture.members(group, 0), minlength=documents) for group in range(groups))


@settings(max_examples=150)
@given(SOURCES, st.integers(1, 40))
def test_each_document_of_a_source_is_read_as_often_as_the_next(given, groups):
    mixture = mixture_of([(count, passes, np.inf) for count, passes, _ in given])
    counts = read(mixture, groups, sum(count for count, _, _ in given))
    group = min(order.GROUP, sum(count for count, _, _ in given))
    whole = sum(count * passes for count, passes, _ in given)
    for own, (count, passes, _) in zip(mixture._sequences, given, strict=True):
        assert counts[own].max() - counts[own].min() <= 1
        assert abs(counts[own].sum() - groups * group * count * passes / whole) <= 1


@settings(max_examples=150)
@given(SOURCES, st.integers(1, 40))
def test_none_is_read_more_often_than_it_may_be_while_there_is_another(given, groups):
    mixture = mixture_of(given)
    documents = sum(count for count, _, _ in given)
    turn = groups if mixture._turn is None else min(groups, mixture._turn)
    counts = read(mixture, turn, documents)
    for own, (count, _, most) in zip(mixture._sequences, given, strict=True):
        assert counts[own].max() <= np.ceil(most)
        assert counts[own].sum() <= most * count
        if mixture._turn == turn:  # all was read, and all begins anew
            assert counts[own].sum() == int(most * count)
            assert len(mixture.members(turn, 0))


@settings(max_examples=200)
@given(st.data(), st.integers(1, 6), st.floats(1, 1e7))
def test_passes_fill_the_horizon_in_the_shares_that_are_wanted(data, count, horizon):
    def some(values):
        return np.array(data.draw(st.lists(values, min_size=count, max_size=count)), float)

    sizes = some(st.integers(1, 10**6))
    gains = sizes * some(st.floats(0.01, 1))
    weights, most = some(st.floats(0.001, 9) | st.just(0)), some(st.just(np.inf) | st.floats(1, 50))
    weights[0] = 1.0
    passes = passes_within(horizon, sizes, gains, weights, most)
    assert (passes[weights == 0] == 0).all()
    assert (passes <= most).all()
    bounded = passes == most
    if bounded[weights > 0].all():
        assert passes @ sizes <= horizon * (1 + 1e-9)
    else:
        assert passes @ sizes == pytest.approx(horizon)
    free = (weights > 0) & ~bounded
    levels = passes[weights > 0] * gains[weights > 0] / weights[weights > 0]
    if free.any():  # those that nothing bounds have what they were to have of one another, the others have less
        level = (passes * gains)[free] / weights[free]
        assert level == pytest.approx(level[0])
        assert (levels <= level[0] * (1 + 1e-9)).all()


def test_the_share_of_a_source_is_the_one_that_was_wanted():
    """Long documents beside short ones, one source small, one large: the tokens of each in what batches hold."""
    random = np.random.default_rng(1)
    lengths = [*random.integers(2, 40, 3000), *random.integers(200, 900, 30), *random.integers(2, 400, 400)]
    sequences = [np.arange(100_000 * index, 100_000 * index + length) for index, length in enumerate(lengths)]
    sources, sizes = np.repeat([0, 1, 2], [3000, 30, 400]), predictions(sequences)
    totals, weights, horizon = np.bincount(sources, sizes), np.array([1.0, 2.0, 5.0]), 2_000_000
    passes = passes_within(horizon, totals, totals, weights, np.full(3, np.inf))
    mixture = Mixture(sources, passes, np.full(3, np.inf), 4)
    batches = PackedBatches(sequences, None, window=128, rows=16, seed=4, order=mixture)
    counts = np.zeros(3)
    for batch in islice(batches, horizon // (128 * 16)):
        counts += np.bincount(sources[batch.ids_BT[batch.documents_BT >= 0] // 100_000], minlength=3)
    assert counts / counts.sum() == pytest.approx(weights / weights.sum(), abs=0.003)


MIXED = st.lists(st.tuples(st.integers(1, 9), st.floats(0.05, 4), st.just(np.inf) | st.floats(1, 3)), min_size=1,
                 max_size=3)  # fmt: skip


def batches_of(given, cursor: int = 0, **more) -> PackedBatches:
    lengths = [2 + index * 7 % 23 for index in range(sum(count for count, _, _ in given))]
    return PackedBatches(sequences_of(lengths), None, window=8, rows=4, seed=5, cursor=cursor, order=mixture_of(given),
                         **more)  # fmt: skip


@settings(max_examples=60)
@given(MIXED, st.integers(0, 40))
def test_a_cursor_is_a_place_in_a_mixture(given, steps):
    straight = batches_of(given)
    for _ in range(steps):
        next(straight)
    resumed = batches_of(given, straight.cursor)
    assert all(equal(one, other) for one, other in islice(zip(straight, resumed, strict=False), 5))
    assert straight.cursor == resumed.cursor


@settings(max_examples=50)
@given(MIXED, PHASES)
def test_a_mixture_goes_on_with_more_or_fewer_processes(given, phases):
    goes_on(lambda cursor, **more: batches_of(given, cursor, **more), phases)


def test_groups_are_as_large_as_packing_wants_them(monkeypatch):
    monkeypatch.setattr(module, "GROUP", 32)
    mixture = mixture_of([(50, 1.0, np.inf), (10, 1.0, np.inf)])
    assert {len(mixture.members(number, 0)) for number in range(20)} <= {31, 32, 33}
    assert len(mixture_of([(5, 1.0, np.inf)]).members(0, 0)) == 5


def test_what_is_left_out_is_never_read():
    mixture = Mixture(np.array([0, -1, 1, 0, -1]), np.array([1.0, 0.0]), np.full(2, np.inf), 0)
    assert set(np.concatenate([mixture.members(number, 0) for number in range(9)]).tolist()) == {0, 3}


def test_another_seed_is_another_order():
    assert mixture_of([(50, 1.0, np.inf)], 1).members(0, 0).tolist() != \
        mixture_of([(50, 1.0, np.inf)], 2).members(0, 0).tolist()


def test_without_a_mixture_the_stream_is_what_it_always_was():
    """When this digest changes, raise the version of every stage that reads."""
    digest = hashlib.sha256()
    for count in (1, 300, 9000):
        lengths = np.random.default_rng(count).integers(2, 60, count)
        batches = PackedBatches(sequences_of(lengths.tolist()), None, window=64, rows=8, seed=count)
        for batch in islice(batches, 200):
            digest.update(batch.ids_BT.tobytes() + batch.documents_BT.tobytes() + str(batches.cursor).encode())
    assert digest.hexdigest()[:16] == "206759163de02f3b"
