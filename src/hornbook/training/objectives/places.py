"""Which places of a batch are learned: the others need no head, nor what the last block makes of them."""

from __future__ import annotations

import torch
from torch import Tensor

MULTIPLE = 256  # oneDNN keeps what it made for every size it ever saw: two megabytes a step, had each its own


def weighed(targets_BT: Tensor, weights_BT: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """places_N (row * T + column) whose weight is not 0, with their targets_N and weights_N; filled up with place 0 at
    weight 0 to a multiple of 256, so that sizes are few."""
    places_N = weights_BT.flatten().nonzero()[:, 0]
    fill = -len(places_N) % MULTIPLE
    weights_N = torch.nn.functional.pad(weights_BT.flatten()[places_N], (0, fill))
    places_N = torch.nn.functional.pad(places_N, (0, fill))
    return places_N, targets_BT.flatten()[places_N], weights_N
