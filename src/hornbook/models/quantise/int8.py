"""Eight bits a weight: a whole number from -127 to 127, times one scale for each output.

One scale an output, and no block scales as llama.cpp's q8_0 has them, because the scale then stands outside the sum:
torch multiplies bf16 with such weights without making them (docs/log.md has what that is worth for how many rows).
"""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from hornbook.models.layers import Linear
from hornbook.models.quantise.linear import QuantisedLinear

LARGEST = 127
VECTOR = 32  # inputs: torch's product reads so many at once, and beyond the end of others
FEW = 16  # rows: from here on it is faster to make the weights (docs/log.md)


class Int8Linear(QuantisedLinear):
    """`codes_NK` in int8 and `scales_N` in bf16, so that every type reads the same weight."""

    kind = "int8"
    codes_NK: Tensor
    scales_N: Tensor

    @classmethod
    def of(cls, linear: Linear) -> Self:
        made, weight_NK = cls(linear), linear.weight.detach().float()
        scales_N = (weight_NK.abs().amax(1) / LARGEST).bfloat16()
        scales_N = scales_N.where(scales_N > 0, torch.ones_like(scales_N))
        codes_NK = (weight_NK / scales_N.float()[:, None]).round().clamp(-LARGEST, LARGEST).to(torch.int8)
        made._keep(codes_NK=codes_NK, scales_N=scales_N)
        return made

    def dequantised(self, dtype: torch.dtype) -> Tensor:
        return self.codes_NK.to(dtype) * self.scales_N.to(dtype)[:, None]

    def product(self, x_RK: Tensor) -> Tensor | None:
        even = self.in_features % VECTOR == 0
        if even and len(x_RK) < FEW and x_RK.dtype == torch.bfloat16 and x_RK.device.type == "cpu":
            return torch.ops.aten._weight_int8pack_mm(x_RK.contiguous(), self.codes_NK, self.scales_N)
        return x_RK @ self.codes_NK.to(x_RK.dtype).T * self.scales_N.to(x_RK.dtype)  # spares a pass over the weight
