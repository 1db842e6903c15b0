"""An objective compiled as one graph: the model, the loss and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from hornbook.training.loss import Loss


@cache
def compiled(objective: Callable[[Any, Any], Loss]) -> Callable[[Any, Any], Loss]:
    """`objective` through torch.compile: the same loss, faster after a first step that takes much longer.

    The graph belongs to the shapes of model and batch, not to the model: pretraining and fine-tuning in one process
    share it, as every later process does through the compiler's cache on disk. Batches must be of one shape.
    """

    def graph(model: Any, batch: Any) -> tuple[Tensor, Tensor | float, dict[str, Tensor]]:
        loss = objective(model, batch)
        return loss.total, loss.weight, loss.metrics

    run = torch.compile(graph, dynamic=False, fullgraph=True)
    return lambda model, batch: Loss(*run(model, batch))
