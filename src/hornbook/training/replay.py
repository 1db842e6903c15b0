"""What was learned before, read again beside what is practised now, so that it is not unlearned.

Ouyang et al., arXiv:2203.02155, section 3.5 (PPO-ptx): to a policy's loss is added the likelihood of earlier data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from hornbook.tokens.batch import Batch
from hornbook.tokens.loader import PackedBatches
from hornbook.training.fit import Batches
from hornbook.training.loss import Loss
from hornbook.training.objectives.next_token import next_token

FIELDS = ("ids_BT", "targets_BT", "positions_BT", "documents_BT", "weights_BT")


@dataclass
class Replayed:
    """Each batch of `practice` with one of `earlier` in its `extra["replay"]`. `cursor` holds both of theirs."""

    practice: Batches
    earlier: PackedBatches

    @property
    def cursor(self) -> list[Any]:
        return [self.practice.cursor, self.earlier.cursor]

    @cursor.setter
    def cursor(self, cursor: list[Any]) -> None:
        self.practice.cursor, self.earlier.cursor = cursor

    def __iter__(self) -> Replayed:
        return self

    def __next__(self) -> Batch:
        batch = next(self.practice)
        again = next(self.earlier)
        batch.extra["replay"] = {name: getattr(again, name) for name in FIELDS}
        return batch


def with_replay(objective: Callable[[Any, Any], Loss], weight: float) -> Callable[[Any, Any], Loss]:
    """The objective plus `weight` times the mean loss of the batch's replay; metrics stay the objective's own."""

    def both(model: Any, batch: Any) -> Loss:
        loss = objective(model, batch)
        again = next_token(model, Batch(**batch.extra["replay"]))
        share = weight * loss.weight / torch.as_tensor(again.weight).clamp(min=1.0)  # no float(): a GPU would wait
        return Loss(loss.total + share * again.total, loss.weight, loss.metrics)

    return both
