"""A frozen linear whose weight is kept in few bits, called as `models.layers.Linear` is.

Shapes: N outputs, K inputs, R rows of x.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hornbook.models.layers import Linear


class QuantisedLinear(nn.Module, ABC):
    """y = x W^T + b in the type of x; W is made of its codes when it is needed, and again for the gradient of x.

    A subclass is a way to keep W: `of` a linear, `dequantised`, and where there is one a faster `product` for few rows.
    There is no gradient of W: an adapter stands beside it and adds what it makes of the same x. Codes and scales are
    buffers that `.to(dtype)` leaves alone; the bias is a parameter as ever.
    """

    kind: str

    def __init__(self, linear: Linear):
        super().__init__()
        self.out_features, self.in_features = linear.weight.shape
        self.bias = linear.bias

    @classmethod
    @abstractmethod
    def of(cls, linear: Linear) -> Self:
        """`linear` in this way's codes, made in fp32."""

    @abstractmethod
    def dequantised(self, dtype: torch.dtype) -> Tensor:
        """weight_NK, what the codes stand for."""

    def product(self, x_RK: Tensor) -> Tensor | None:
        """x_RK W^T without making W, or None where making it is faster."""
        return None

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() and x.requires_grad:
            y = _Frozen.apply(x, self)
        else:
            y_RN = self.product(x.reshape(-1, self.in_features))
            y = F.linear(x, self.dequantised(x.dtype)) if y_RN is None else y_RN.view(*x.shape[:-1], -1)
        return y if self.bias is None else y + self.bias.to(x.dtype)

    def extra_repr(self) -> str:
        return f"{self.kind}, in_features={self.in_features}, out_features={self.out_features}"

    def _keep(self, **tensors: Tensor | None) -> None:
        """Buffers of those names: not in `state_dict`, for `models.files` knows which have a form on disk."""
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor, persistent=False)

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        for name, tensor in self._buffers.items():
            if tensor is not None:
                self._buffers[name] = tensor.to(fn(tensor[:0]).device)
        if self.bias is not None:
            self.bias = nn.Parameter(fn(self.bias.data), requires_grad=self.bias.requires_grad)
        return self


class _Frozen(torch.autograd.Function):
    """x W^T whose gradient makes W a second time: between the two passes only the codes are kept (arXiv:2305.14314)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, linear: QuantisedLinear) -> Tensor:
        ctx.linear = linear
        return F.linear(x, linear.dequantised(x.dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor):
        return gradients[0] @ ctx.linear.dequantised(gradients[0].dtype), None
