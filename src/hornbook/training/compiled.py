"""An objective compiled as one graph: the model, the loss and their gradients. For GPUs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from hornbook.training.loss import Loss


def compiled(
    objective: Callable[[Any, Any], Loss], device: torch.device | str, *, wanted: bool = True
) -> Callable[[Any, Any], Loss]:
    """What computes the same loss fastest there: one graph on a GPU if that is `wanted`, `objective` itself elsewhere.

    On processors our kernels (`models/kernels.py`) train faster than torch.compile's graph, which takes one to two
    minutes to make with an empty cache (docs/log.md).
    """
    return graph(objective) if wanted and torch.device(device).type == "cuda" else objective


@cache
def graph(objective: Callable[[Any, Any], Loss]) -> Callable[[Any, Any], Loss]:
    """`objective` through torch.compile: the same loss, faster after a first step that takes much longer.

    The graph belongs to the shapes of model and batch, not to the model: pretraining and fine-tuning in one process
    share it, as every later process does through the compiler's cache on disk. Batches must be of one shape.
    """

    def whole(model: Any, batch: Any) -> tuple[Tensor, Tensor | float, dict[str, Tensor]]:
        loss = objective(model, batch)
        return loss.total, loss.weight, loss.metrics

    run = torch.compile(whole, dynamic=False, fullgraph=True)
    return lambda model, batch: Loss(*run(model, batch))
