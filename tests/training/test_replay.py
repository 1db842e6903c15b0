"""What was learned before, read again beside practice: the loss is the sum, and both places come again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from hornbook.models import Transformer, TransformerConfig
from hornbook.tokens.batch import Batch
from hornbook.tokens.loader import PackedBatches
from hornbook.training.batch import on_device
from hornbook.training.loss import Loss
from hornbook.training.objectives.next_token import next_token
from hornbook.training.replay import Replayed, with_replay

SHAPE = TransformerConfig(
    vocab_size=40, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
    num_key_value_heads=1, head_dim=8,
)  # fmt: skip


def batches(seed: int, rows: int) -> PackedBatches:
    texts = [np.random.default_rng(index).integers(0, 40, 20) for index in range(12)]
    return PackedBatches(texts, None, window=32, rows=rows, seed=seed)


def replayed() -> Any:
    """One batch of both, its practice counted, as tensors."""
    both = Replayed(batches(0, 3), batches(1, 2))
    batch = next(both)
    batch.counts["tokens"] = float(batch.weights_BT.sum())
    return on_device(batch, "cpu")


def test_the_loss_is_the_practice_and_a_part_of_the_earlier() -> None:
    model, batch = Transformer(SHAPE), replayed()
    practice = next_token(model, on_device(next(batches(0, 3)), "cpu"))
    earlier = next_token(model, on_device(next(batches(1, 2)), "cpu"))
    both = with_replay(next_token, 0.25)(model, batch)
    assert both.weight == practice.weight
    share = 0.25 * float(practice.weight) / float(earlier.weight)
    assert torch.equal(both.total, practice.total + share * earlier.total)
    mean = float((practice.total / practice.weight + 0.25 * earlier.total / earlier.weight).detach())
    assert (both.total / both.weight).item() == pytest.approx(mean, rel=1e-5)


def test_two_batches_of_a_step_are_one() -> None:
    """With the counts of both, whatever each replays."""
    model, (first, second) = Transformer(SHAPE), (replayed(), replayed())
    second.extra["replay"]["weights_BT"][0].zero_()
    second.counts["replayed"] = float(second.extra["replay"]["weights_BT"].sum())
    whole = {name: first.counts[name] + second.counts[name] for name in first.counts}
    again = [next_token(model, Batch(**batch.extra["replay"])).total for batch in (first, second)]
    practice = 2 * next_token(model, first).total
    expected = practice / whole["tokens"] + 0.25 * sum(again) / whole["replayed"]
    objective = with_replay(next_token, 0.25)
    total = sum(objective(model, replace(batch, counts=whole)).total for batch in (first, second))
    torch.testing.assert_close(total / whole["tokens"], expected, rtol=1e-6, atol=0)


def test_where_nothing_earlier_weighs_practice_stands_alone() -> None:
    model, batch = Transformer(SHAPE), replayed()
    batch.extra["replay"]["weights_BT"].zero_()
    batch.counts["replayed"] = 0.0
    assert torch.equal(with_replay(next_token, 0.25)(model, batch).total, next_token(model, batch).total)


def test_metrics_are_the_practices_own() -> None:
    def practice(model, batch) -> Loss:
        loss = next_token(model, batch)
        return Loss(loss.total, loss.weight, {"right": torch.tensor(3.0)})

    loss = with_replay(practice, 1.0)(Transformer(SHAPE), replayed())
    assert loss.metrics == {"right": torch.tensor(3.0)}


def test_a_cursor_brings_both_again() -> None:
    first = Replayed(batches(0, 2), batches(1, 1))
    next(first)
    cursor = first.cursor
    given = next(first)
    again = Replayed(batches(0, 2), batches(1, 1))
    again.cursor = cursor
    same = next(again)
    assert np.array_equal(given.ids_BT, same.ids_BT)
    assert np.array_equal(given.extra["replay"]["ids_BT"], same.extra["replay"]["ids_BT"])
