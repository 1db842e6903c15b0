"""A linear layer's products: `x weight'`, and on the way back its two gradients.

Two forms with one meaning, as in `rows.py`: torch's, and on processors that multiply pairs of bf16 with vectors the
kernels of `cpp/linear.cpp`. Those round fp32 weights as they read them and sum their gradient in fp32, so that no copy
of a weight in bf16 and no gradient in bf16 is made (docs/log.md has what is faster where).
Shapes: M places, K inputs, N outputs.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hornbook.models.kernels import call, has_kernels, has_products

FEWEST = 256  # places: below, laying the weight out costs more than the product


def linear(x: Tensor, weight_NK: Tensor, bias_N: Tensor | None = None) -> Tensor:
    """x (..., K) times the weight's transpose, plus the bias, as (..., N) in the type of x."""
    if not fit(x, weight_NK, x.shape[:-1].numel()):
        return F.linear(x, weight_NK.to(x.dtype), None if bias_N is None else bias_N.to(x.dtype))
    y = _Linear.apply(x, weight_NK) if torch.is_grad_enabled() else forward(x, weight_NK)
    return y if bias_N is None else y + bias_N.to(x.dtype)


def forward(x: Tensor, weight_NK: Tensor, out: Tensor | None = None) -> Tensor:
    """The same without a bias and without gradients; in `out` where that is given, for an x of two axes."""
    M, (N, K) = x.shape[:-1].numel(), weight_NK.shape
    if fit(x, weight_NK, M):
        y = x.new_empty(*x.shape[:-1], N) if out is None else out
        call("linear", weight_NK.contiguous(), x.contiguous(), y, M, N, K)
        return y
    weight_NK = weight_NK.to(x.dtype)
    return F.linear(x, weight_NK) if out is None else torch.mm(x, weight_NK.T, out=out)


def ready(weight_NK: Tensor, x: Tensor) -> Tensor:
    """The weight as the products with many parts of x want it: as it is where the kernels round it themselves, else in
    the type of x, once for all parts."""
    return weight_NK if fit(x, weight_NK, FEWEST) else weight_NK.to(x.dtype)


def back(dy: Tensor, x: Tensor, weight_NK: Tensor, gradient_NK: Tensor) -> Tensor:
    """dy weight, as (..., K), for dy of (..., N); dy' x is added to `gradient_NK`, which is fp32."""
    M, (N, K) = dy.shape[:-1].numel(), weight_NK.shape
    if fit(x, weight_NK, M):
        return _kernel(dy, x, weight_NK, dy.new_empty(*dy.shape[:-1], K), gradient_NK, add=True)
    gradient_NK += dy.reshape(M, N).T @ x.reshape(M, K)
    return dy @ weight_NK.to(dy.dtype)


def _kernel(dy: Tensor, x: Tensor, weight_NK: Tensor, dx: Any, dw_NK: Any, *, add: bool = False) -> Any:
    """Fill what is not None."""
    given = (weight_NK.contiguous(), dy.contiguous(), x.contiguous(), dx, dw_NK)
    call("linear_back", *given, dy.shape[:-1].numel(), *weight_NK.shape, int(add))
    return dx


def fit(x: Tensor, weight_NK: Tensor, M: int) -> bool:
    """Whether our kernels are for the weight's product with M places such as x."""
    N, K = weight_NK.shape
    even = M >= FEWEST and M % 2 == 0 and N % 2 == 0 and K % 32 == 0
    return even and x.dtype == torch.bfloat16 and has_kernels(x) and has_kernels(weight_NK) and has_products()


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight_NK: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight_NK)
        return forward(x, weight_NK)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor):
        (x, weight_NK), dy = ctx.saved_tensors, gradients[0]
        dx = torch.empty_like(x, memory_format=torch.contiguous_format) if ctx.needs_input_grad[0] else None
        dw_NK = torch.empty(weight_NK.shape) if ctx.needs_input_grad[1] else None
        _kernel(dy, x, weight_NK, dx, dw_NK)
        return dx, None if dw_NK is None else dw_NK.to(weight_NK.dtype)
