"""The pieces models are made of: products, norms and the feed-forward layer.

Weights may be kept in fp32 while activations are bf16: every product casts its weight on the way in, so that the
optimiser sees full-precision masters and the processor bf16. Shapes: B rows, T places, D width, N places of many rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hornbook.models import float8
from hornbook.models.products import linear
from hornbook.models.rows import rms_norm, swiglu

MANY = 512  # places: from here on weights that lie apart are joined, and not what they make


class Linear(nn.Linear):
    """A product in the type of its input, whatever the type the weight is kept in; with `float8` (`models/float8.py`)
    in eight bits when it trains."""

    float8 = False

    def __init__(self, inputs: int, outputs: int, bias: bool = False):
        super().__init__(inputs, outputs, bias)

    def reset_parameters(self) -> None:
        """Nothing yet: weights are given by `initialise`, or read from a file."""

    def forward(self, x: Tensor) -> Tensor:
        return _made(x, own_part(self.weight), None if self.bias is None else own_part(self.bias), self.float8)


class Embedding(nn.Embedding):
    """A row for every token."""

    def reset_parameters(self) -> None:
        """Nothing yet, as with `Linear`."""

    def forward(self, ids: Tensor) -> Tensor:
        return F.embedding(ids, own_part(self.weight))


class RMSNorm(nn.Module):
    """x / rms(x) * weight over the last axis."""

    def __init__(self, size: int, eps: float):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(size)), eps

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.weight, self.eps)


class LayerNorm(nn.Module):
    """(x - mean) / deviation * weight (+ bias) over the last axis, in fp32 inside (arXiv:1607.06450)."""

    def __init__(self, size: int, eps: float, bias: bool = False):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(size)), eps
        self.bias = nn.Parameter(torch.zeros(size)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.layer_norm(x, self.weight.shape, self.weight.to(x.dtype), bias, self.eps)


class MLP(nn.Module):
    """SwiGLU: down(silu(gate(x)) * up(x)) (arXiv:2002.05202)."""

    def __init__(self, width: int, inner: int, bias: bool = False):
        super().__init__()
        self.gate_proj = Linear(width, inner, bias)
        self.up_proj = Linear(width, inner, bias)
        self.down_proj = Linear(inner, width, bias)

    @property
    def beside(self) -> tuple[Linear, ...]:
        """What reads the same input."""
        return self.gate_proj, self.up_proj

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(swiglu(side_by_side(x, *self.beside)))


def at_places(x_BTC: Tensor, places_N: Tensor | None) -> Tensor:
    """x_NC at the places `row * T + column`; everything, as it is, where none are named."""
    return x_BTC if places_N is None else x_BTC.flatten(0, 1).index_select(0, places_N)


def own_part(x: Tensor) -> Tensor:
    """What this process keeps of a tensor: everything, but of one that several share (a DTensor). Kernels and products
    are given that."""
    return x.to_local() if hasattr(x, "to_local") else x  # pyright: ignore[reportAttributeAccessIssue]


def side_by_side(x: Tensor, *linears: Linear) -> Tensor:
    """What several linears make of the same x, one after the other along the last axis.

    One product, whose gradient is one product too. Weights that `lay_side_by_side` has not put together are joined
    first, but for few places, where that would cost more than it saves. What is no plain `Linear`, a quantised one,
    is asked by itself.
    """
    if not _plain(linears):
        return torch.cat([each(x) for each in linears], dim=-1)
    weight = None if torch.is_grad_enabled() else _as_one(linears)
    if weight is None and not torch.is_grad_enabled() and x.shape[:-1].numel() < MANY:
        return torch.cat([each(x) for each in linears], dim=-1)
    if weight is None:
        weight = torch.cat([own_part(each.weight) for each in linears])
    biases: list[Tensor] = [own_part(each.bias) for each in linears if each.bias is not None]
    return _made(x, weight, torch.cat(biases) if biases else None, all(each.float8 for each in linears))


@torch.no_grad()
def lay_side_by_side(model: nn.Module) -> None:
    """Give the weights that are used side by side one stretch of memory: whoever answers word by word need not join
    them at each. They stay the parameters they were, to be changed in place or read by name."""
    for module in model.modules():
        linears: tuple[Linear, ...] = getattr(module, "beside", ())
        if linears and _plain(linears) and _as_one(linears) is None:
            parts = torch.cat([each.weight for each in linears]).split([len(each.weight) for each in linears])
            for each, part in zip(linears, parts, strict=True):
                each.weight.data = part


def _made(x: Tensor, weight_NK: Tensor, bias_N: Tensor | None, eight: bool) -> Tensor:
    if not eight or not torch.is_grad_enabled() or x.shape[:-1].numel() % float8.SIDE:
        return linear(x, weight_NK, bias_N)
    y = float8.product(x, weight_NK)
    return y if bias_N is None else y + bias_N.to(y.dtype)


def _plain(linears: Sequence[Linear]) -> bool:
    return all(type(each) is Linear for each in linears)


def _as_one(linears: Sequence[Linear]) -> Tensor | None:
    """Their weights as one tensor, without a copy, where they lie one after the other."""
    first, at, rows = linears[0].weight, linears[0].weight.data_ptr(), 0
    storage = first.untyped_storage().data_ptr()
    for each in linears:
        weight = each.weight
        if weight.data_ptr() != at or weight.untyped_storage().data_ptr() != storage or not weight.is_contiguous():
            return None
        at, rows = at + weight.nbytes, rows + len(weight)
    return first.as_strided((rows, first.shape[1]), (first.shape[1], 1))
