"""A linear layer's three products in eight-bit floats, which Hopper multiplies twice as fast as bf16.

x and weight are rounded to e4m3, gradients to e5m2, which reaches farther and is coarser (arXiv:2209.05433). A tensor
has one scale, found anew every time: its largest number becomes the type's largest. Sums are fp32; weights, and what is
between the products, keep their types. For training in a graph: taken one by one the roundings cost more than the
products save.
Shapes: M places, K inputs, N outputs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from hornbook.core.errors import HornbookError

VALUES, GRADIENTS = torch.float8_e4m3fn, torch.float8_e5m2
CAPABILITY = (9, 0)  # Hopper's
SIDE = 16  # what is multiplied has sides of multiples of it
LEAST = 1e-12  # a tensor's largest number, at least: one of zeros has a scale, too


def has_float8(device: torch.device | str) -> bool:
    """Whether these products are in the device's hardware."""
    device = torch.device(device)
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= CAPABILITY


def demand_float8(device: torch.device | str, where: str) -> None:
    """Raise HornbookError where the device cannot."""
    if not has_float8(device):
        what = f"{torch.device(device).type} has no products of eight-bit floats"
        raise HornbookError(what, where=where, fix="leave it out: it needs a GPU like H100, or newer")


def use_float8(blocks: nn.Module) -> int:
    """Let the linears in `blocks` multiply so when they train; returns how many. Those whose sizes are no multiples of
    SIDE stay as they are."""
    from hornbook.models.layers import Linear

    fit = [each for each in blocks.modules() if type(each) is Linear and not any(n % SIDE for n in each.weight.shape)]
    for each in fit:
        each.float8 = True
    return len(fit)


def product(x: Tensor, weight_NK: Tensor) -> Tensor:
    """x (..., K) times the weight's transpose, as (..., N) in the type of x; K, N and the number of places are
    multiples of SIDE. The weight's gradient has the weight's type."""
    return _Product.apply(x.reshape(-1, x.shape[-1]), weight_NK).unflatten(0, x.shape[:-1])


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_MK: Tensor, weight_NK: Tensor) -> Tensor:
        x8_MK, x_scale = _rounded(x_MK, VALUES)
        weight8_NK, weight_scale = _rounded(weight_NK, VALUES)
        ctx.save_for_backward(x8_MK, x_scale, weight8_NK, weight_scale)
        ctx.types = x_MK.dtype, weight_NK.dtype
        return _multiplied(x8_MK, weight8_NK.T, x_scale, weight_scale, x_MK.dtype, quick=True)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor):
        x8_MK, x_scale, weight8_NK, weight_scale = ctx.saved_tensors
        dy8_MN, dy_scale = _rounded(gradients[0], GRADIENTS)
        dx_MK = _multiplied(dy8_MN, _in_columns(weight8_NK), dy_scale, weight_scale, ctx.types[0])
        dw_NK = _multiplied(dy8_MN.T.contiguous(), _in_columns(x8_MK), dy_scale, x_scale, ctx.types[1])
        return dx_MK, dw_NK


def _rounded(x: Tensor, kind: torch.dtype) -> tuple[Tensor, Tensor]:
    """x in eight bits, and what one of its units is worth. A number that is not finite makes them all NaN: it must not
    be lost."""
    largest = torch.finfo(kind).max
    unit = x.abs().amax().float().clamp(min=LEAST) / largest
    return (x.float() / unit).clamp(-largest, largest).to(kind).contiguous(), unit


def _multiplied(
    a: Tensor, b: Tensor, a_unit: Tensor, b_unit: Tensor, kind: torch.dtype, *, quick: bool = False
) -> Tensor:
    """a b in `kind`; a lies in rows, b in columns. `quick` sums are less exact: the gradients' are not."""
    return torch._scaled_mm(  # pyright: ignore[reportPrivateImportUsage]
        a, b, scale_a=a_unit, scale_b=b_unit, out_dtype=kind, use_fast_accum=quick
    )


def _in_columns(x: Tensor) -> Tensor:
    return x.T.contiguous().T
