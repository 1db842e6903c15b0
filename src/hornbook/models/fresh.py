"""Fresh weights: what every kind of model here starts with."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


@torch.no_grad()
def fill(model: nn.Module, seed: int, *, zeros: tuple[str, ...], spread: Callable[[str, Tensor], float]) -> None:
    """Norms of one; zeros where a name ends so, output projections above all, so that every block starts as the
    identity (Fixup, arXiv:1901.09321, and GPT speedruns); the rest normal, of the standard deviation that `spread`
    gives by name and parameter."""
    generator = torch.Generator().manual_seed(seed % 2**63)
    for name, parameter in model.named_parameters():
        if name.endswith("norm.weight"):
            parameter.fill_(1.0)
        elif name.endswith(zeros):
            parameter.zero_()
        else:
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * spread(name, parameter))
