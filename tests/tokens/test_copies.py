"""Sequences that repeat themselves: what they hold, what of them is learned, and that the same come again."""

from __future__ import annotations

import numpy as np
import pytest

from hornbook.core.errors import InputError
from hornbook.tokens.copies import LONGEST, SHORTEST, Copies

TEXTS = [np.arange(10, 60), np.array([7] * 50)]


def test_what_weighs_was_said_before_and_the_first_saying_weighs_nothing() -> None:
    batch = next(Copies(TEXTS, window=200, rows=3, seed=1))
    assert set(np.unique(batch.ids_BT)) <= {7, *range(10, 60)}
    for row in range(3):
        for document in np.unique(batch.documents_BT[row]):
            places = np.flatnonzero(batch.documents_BT[row] == document)
            ids, targets = batch.ids_BT[row, places], batch.targets_BT[row, places]
            assert np.array_equal(ids[1:], targets[:-1])
            assert np.array_equal(batch.positions_BT[row, places], np.arange(len(places)))
            learned = np.flatnonzero(batch.weights_BT[row, places])
            if len(learned):
                length = learned[0] + 1
                assert SHORTEST <= length <= LONGEST
                assert np.array_equal(learned, np.arange(length - 1, len(places)))
                assert np.array_equal(targets[length:], targets[:-length])
                assert targets[length - 1] == ids[0]
    assert np.all(batch.documents_BT >= 0)


def test_tokens_are_as_common_as_in_the_texts() -> None:
    copies = Copies(TEXTS, window=400, rows=20, seed=2)
    share = np.mean([np.mean(next(copies).ids_BT == 7) for _ in range(5)])
    assert abs(share - 0.5) < 0.03


def test_a_cursor_brings_the_same_batch_again() -> None:
    first = Copies(TEXTS, window=64, rows=2, seed=3)
    given = [next(first).ids_BT for _ in range(4)]
    assert first.cursor == [4, 0]
    again = Copies(TEXTS, window=64, rows=2, seed=3)
    again.cursor = [2, 0]
    assert np.array_equal(next(again).ids_BT, given[2])
    assert not np.array_equal(given[0], given[1])
    assert not np.array_equal(next(Copies(TEXTS, window=64, rows=2, seed=4)).ids_BT, given[0])


def test_what_is_finished_stays_so() -> None:
    copies = Copies(TEXTS, window=64, rows=2, seed=3)
    next(copies)
    copies.finished = True
    assert next(copies, None) is None
    again = Copies(TEXTS, window=64, rows=2, seed=3)
    again.cursor = copies.cursor
    assert next(again, None) is None


def test_texts_without_a_token_are_refused() -> None:
    with pytest.raises(InputError, match="there is nothing to learn from"):
        Copies([[]], window=64, rows=2, seed=3)
