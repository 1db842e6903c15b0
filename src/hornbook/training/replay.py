"""What was learned before, read again beside what is practised now, so that it is not unlearned.

Ouyang et al., arXiv:2203.02155, section 3.5 (PPO-ptx): to a policy's loss is added the likelihood of earlier data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hornbook.tokens.batch import Batch
from hornbook.tokens.loader import PackedBatches
from hornbook.training.fit import Batches
from hornbook.training.loss import Loss
from hornbook.training.objectives.next_token import next_token

FIELDS = ("ids_BT", "targets_BT", "positions_BT", "documents_BT", "weights_BT")


@dataclass
class Replayed:
    """Each batch of `practice` with one of `earlier` in its `extra["replay"]`, whose weights add up to the count
    `replayed`. `cursor` holds both of theirs."""

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
        batch.counts["replayed"] = float(again.weights_BT.sum())
        return batch


def with_replay(objective: Callable[[Any, Any], Loss], weight: float) -> Callable[[Any, Any], Loss]:
    """The objective plus `weight` times the mean loss of the batch's replay; metrics stay the objective's own. The
    batches count `tokens`, the objective's weight."""

    def both(model: Any, batch: Any) -> Loss:
        loss = objective(model, batch)
        again = next_token(model, Batch(**batch.extra["replay"]))
        share = weight * batch.counts["tokens"] / max(batch.counts["replayed"], 1.0)
        return Loss(loss.total + share * again.total, loss.weight, loss.metrics)

    return both
