"""The linear over a frozen NF4 or FP4 weight: what QLoRA's adapters stand beside (arXiv:2305.14314)."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import torch
from torch import Tensor

from hornbook.models.layers import Linear
from hornbook.models.quantise.four_bit import FourBit, four_bit
from hornbook.models.quantise.linear import QuantisedLinear

EMPTY = torch.empty(0, dtype=torch.uint8)


class FourBitLinear(QuantisedLinear):
    """A weight in bitsandbytes' codes: `weight` says what they are. For memory, not for speed: it is made at
    each use."""

    codes: Tensor
    absmax: Tensor
    nested_absmax: Tensor | None

    def __init__(self, linear: Linear, weight: FourBit):
        super().__init__(linear)
        self.kind, self._form = weight.kind, replace(weight, codes=EMPTY, absmax=EMPTY, nested_absmax=None)
        self._keep(codes=weight.codes, absmax=weight.absmax, nested_absmax=weight.nested_absmax)

    @classmethod
    def of(cls, linear: Linear) -> Self:
        return cls(linear, four_bit(linear.weight, "nf4"))

    @property
    def weight(self) -> FourBit:
        return replace(self._form, codes=self.codes, absmax=self.absmax, nested_absmax=self.nested_absmax)

    def dequantised(self, dtype: torch.dtype) -> Tensor:
        return self.weight.values(dtype)
