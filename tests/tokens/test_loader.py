"""No token's loss is lost or doubled, nothing crosses a document's border, and a cursor is a place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.errors import InputError
from hornbook.tokens.loader import PackedBatches
from hornbook.tokens.packing import best_fit

# Sequence i holds 1000 i, 1000 i + 1, ...: every token tells where it came from.
LENGTHS = st.lists(st.integers(0, 30), min_size=1, max_size=20).filter(lambda lengths: max(lengths) > 1)


def sequences_of(lengths: list[int]) -> list[np.ndarray]:
    return [np.arange(1000 * index, 1000 * index + length) for index, length in enumerate(lengths)]


@settings(max_examples=150)
@given(LENGTHS, st.integers(1, 12), st.integers(1, 4), st.integers(1, 2))
def test_each_token_but_the_first_is_predicted_once_an_epoch(lengths, window, rows, epochs):
    sequences = sequences_of(lengths)
    weights = [sequence % 7 + 1.0 for sequence in sequences]
    predicted: Counter[int] = Counter()
    for batch in PackedBatches(sequences, weights, window=window, rows=rows, seed=1, epochs=epochs):
        real = batch.documents_BT >= 0
        assert batch.ids_BT.shape == (rows, window)
        assert (batch.targets_BT[real] == batch.ids_BT[real] + 1).all()
        assert (batch.weights_BT[real] == batch.targets_BT[real] % 7 + 1.0).all()
        assert not batch.weights_BT[~real].any()
        assert not batch.targets_BT[~real].any()
        predicted.update(batch.targets_BT[real].tolist())
        for ids, documents, positions in zip(batch.ids_BT, batch.documents_BT, batch.positions_BT, strict=True):
            for document in set(documents[documents >= 0].tolist()):
                places = np.flatnonzero(documents == document)
                assert (np.diff(places) == 1).all()
                assert (np.diff(ids[places]) == 1).all()
                assert (positions[places] == np.arange(len(places))).all()
    assert predicted == {token: epochs for sequence in sequences for token in sequence[1:].tolist()}


NAMES = ("ids_BT", "targets_BT", "positions_BT", "documents_BT", "weights_BT")


def equal(one, other) -> bool:
    return all((getattr(one, name) == getattr(other, name)).all() for name in NAMES)


@settings(max_examples=50)
@given(LENGTHS, st.integers(0, 30))
def test_a_cursor_is_a_place(lengths, steps):
    def batches(**more):
        return PackedBatches(sequences_of(lengths), None, window=8, rows=3, seed=5, **more)

    straight = batches()
    for _ in range(steps):
        next(straight)
    cursor = straight.cursor
    resumed = batches(cursor=cursor)
    assert all(equal(one, other) for one, other in islice(zip(straight, resumed, strict=False), 3))
    assert straight.cursor == resumed.cursor
    resumed.cursor = straight.cursor = cursor
    assert equal(next(straight), next(batches(cursor=cursor)))


PHASES = st.lists(st.tuples(st.sampled_from([1, 2, 4]), st.integers(1, 9)), min_size=1, max_size=5)


def goes_on(batches: Callable[..., PackedBatches], phases: list[tuple[int, int]]) -> None:
    """Whether runs at some world sizes, each of some steps, that hand on their cursor see what one run sees."""
    straight, cursor = batches(0), 0
    for world, steps in phases:
        ranks = [batches(cursor, rank=rank, world=world) for rank in range(world)]
        for _ in range(steps):
            whole, shares = next(straight), [next(own) for own in ranks]
            for name in NAMES:
                together = np.concatenate([getattr(share, name) for share in shares])
                assert (getattr(whole, name) == together).all()
        assert {own.cursor for own in ranks} == {straight.cursor}
        cursor = ranks[-1].cursor


@settings(max_examples=50)
@given(LENGTHS, PHASES)
def test_a_run_goes_on_with_more_or_fewer_processes(lengths, phases):
    """Each phase is a run at some world size that stops after some steps and hands its cursor on."""
    def batches(cursor, **more):
        return PackedBatches(sequences_of(lengths), None, window=8, rows=4, seed=5, cursor=cursor, **more)

    goes_on(batches, phases)


def test_the_last_batch_ends_every_process_at_once():
    shares = [list(PackedBatches(sequences_of([9] * 5), None, window=8, rows=4, seed=0, epochs=1, rank=rank, world=2))
              for rank in range(2)]
    assert [len(own) for own in shares] == [2, 2]
    filled = [int((batch.documents_BT >= 0).any(1).sum()) for own in shares for batch in own]
    assert filled == [2, 1, 2, 0]


@pytest.mark.parametrize(("rank", "world"), [(0, 3), (2, 2), (-1, 2)])
def test_rows_that_cannot_be_shared_are_refused(rank, world):
    with pytest.raises(ValueError, match="4 rows cannot be shared"):
        PackedBatches(sequences_of([9]), None, window=8, rows=4, seed=0, rank=rank, world=world)


def test_a_place_far_on_costs_one_group(monkeypatch):
    """A place is a group and a row of it: nothing before it is packed again."""
    from hornbook.tokens import loader, order

    for module in (loader, order):
        monkeypatch.setattr(module, "GROUP", 16)
    straight = PackedBatches(sequences_of([7, 30, 2, 15] * 40), None, window=8, rows=4, seed=2)
    for _ in range(400):
        next(straight)
    packed = []
    monkeypatch.setattr(loader, "best_fit", lambda lengths, window: packed.append(1) or best_fit(lengths, window))
    resumed = PackedBatches(straight.sequences, None, window=8, rows=4, seed=2, cursor=straight.cursor)
    assert equal(next(resumed), next(straight))
    assert len(packed) <= 2


def test_order_differs_by_epoch_and_seed_and_is_held():
    sequences = sequences_of([9] * 64)

    def order(seed: int, epoch: int = 0) -> list[int]:
        batches = PackedBatches(sequences, None, window=8, rows=64, seed=seed)
        for _ in range(epoch):
            next(batches)
        return (next(batches).ids_BT[:, 0] // 1000).tolist()

    assert sorted(order(0)) == list(range(64))
    assert order(0) == order(0)
    assert order(0) != order(1)
    assert order(0) != order(0, epoch=1)


def test_dtypes_and_the_padding_of_the_last_batch():
    batches = list(PackedBatches(sequences_of([5]), None, window=8, rows=2, seed=0, epochs=1))
    assert len(batches) == 1
    batch = batches[0]
    assert batch.ids_BT.dtype == batch.targets_BT.dtype == np.int64
    assert batch.positions_BT.dtype == batch.documents_BT.dtype == np.int32
    assert batch.weights_BT.dtype == np.float32
    assert batch.documents_BT.tolist() == [[0, 0, 0, 0, -1, -1, -1, -1], [-1] * 8]
    assert batch.weights_BT.sum() == 4


def test_batches_of_an_epoch_are_reckoned():
    batches = PackedBatches(sequences_of([20, 3, 9, 30]), None, window=8, rows=2, seed=0, epochs=1)
    assert -(-batches.epoch_batches() // 1) == len(list(batches))


def test_nothing_to_predict_is_one_line():
    with pytest.raises(InputError, match="no text has two tokens"):
        PackedBatches([[1], []], None, window=8, rows=2, seed=0)
