"""What an objective gives the loop: a sum, and the weight to divide it by."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Loss:
    """A loss as a sum over what is learned (tokens, pairs), never as a mean.

    The loop adds the totals of every micro-batch and every rank and divides once, by the weight of the whole global
    batch: one batch of sixteen and four of four give the same gradient, however the tokens fall among them.
    `metrics` are sums of the same kind (a count of right answers, a sum of entropies), divided by the same weight.
    A second mean beside the first, over a count of its own, is a sum times weight / count, both of the whole step: its
    batches bring them (`Batch.counts`), for a micro-batch's own would weigh its tokens otherwise.
    """

    total: Tensor
    weight: Tensor | float
    metrics: dict[str, Tensor] = field(default_factory=dict)
