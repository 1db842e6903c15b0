"""Four bits a weight: a whole number from 0 to 15, times a scale, plus an offset; 32 inputs of an output share them.

That is llama.cpp's q4_1, five bits a weight with its scales; a symmetric code loses one of the sixteen values, and
blocks of 64 save half a bit and lose more than they save (docs/log.md). The codes lie as torch's product for processors
with AVX-512 reads them; whether it does read them so is tried once, and where it does not the weights are made.
"""

from __future__ import annotations

from functools import cache
from typing import Self

import torch
from torch import Tensor, nn

from hornbook.core.errors import InputError
from hornbook.models.layers import Linear
from hornbook.models.quantise.linear import QuantisedLinear

GROUP = 32  # inputs that share a scale and an offset
TILE = 64  # outputs that lie together
MIDDLE, LARGEST = 8, 15  # torch's product reads a code as (code - 8) * scale + offset
FEW = 96  # rows: from here on it is faster to make the weights (docs/log.md)


class Int4Linear(QuantisedLinear):
    """`codes_TKH`: for each tile of 64 outputs and each input 32 bytes, output h in the low half of byte h and output
    h + 32 in the high half; outputs that fill the last tile up are zero. `scales_GN2`: scale and offset in bf16."""

    kind = "int4"
    codes_TKH: Tensor
    scales_GN2: Tensor

    @classmethod
    def of(cls, linear: Linear) -> Self:
        made, weight_NK = cls(linear), linear.weight.detach().float()
        if made.in_features % GROUP:
            what = f"int4 shares scales between {GROUP} inputs, and a layer has {made.in_features}"
            raise InputError(what, fix="quantise to int8 or nf4")
        weight_NGC = nn.functional.pad(weight_NK, (0, 0, 0, -made.out_features % TILE)).unflatten(1, (-1, GROUP))
        least_NG, most_NG = weight_NGC.amin(2), weight_NGC.amax(2)
        scales_NG = ((most_NG - least_NG) / LARGEST).bfloat16()
        scales_NG = scales_NG.where(scales_NG > 0, torch.ones_like(scales_NG))
        offsets_NG = (least_NG + MIDDLE * scales_NG.float()).bfloat16()
        codes_NGC = (weight_NGC - offsets_NG.float()[..., None]) / scales_NG.float()[..., None] + MIDDLE
        codes_TNK = codes_NGC.round().clamp(0, LARGEST).to(torch.uint8).flatten(1).unflatten(0, (-1, TILE))
        codes_TKN = codes_TNK.transpose(1, 2)
        codes_TKH = codes_TKN[..., : TILE // 2] | codes_TKN[..., TILE // 2 :] << 4
        scales_GN2 = torch.stack([scales_NG, offsets_NG], 2).transpose(0, 1)
        made._keep(codes_TKH=codes_TKH.contiguous(), scales_GN2=scales_GN2.contiguous())
        return made

    def dequantised(self, dtype: torch.dtype) -> Tensor:
        tiles, inputs, _ = self.codes_TKH.shape
        codes_TKN = torch.empty(tiles, inputs, TILE, dtype=dtype, device=self.codes_TKH.device)
        codes_TKN[..., : TILE // 2] = self.codes_TKH & LARGEST
        codes_TKN[..., TILE // 2 :] = self.codes_TKH >> 4
        scales_TG1N, offsets_TG1N = self.scales_GN2.to(dtype).unflatten(1, (tiles, 1, TILE)).movedim(0, 1).unbind(-1)
        weight_TGCN = codes_TKN.sub_(MIDDLE).unflatten(1, (-1, GROUP)).mul_(scales_TG1N).add_(offsets_TG1N)
        return weight_TGCN.flatten(1, 2).transpose(1, 2).reshape(-1, inputs)[: self.out_features]

    def product(self, x_RK: Tensor) -> Tensor | None:
        if len(x_RK) >= FEW or x_RK.dtype != torch.bfloat16 or x_RK.device.type != "cpu" or not _as_we_lay_them():
            return None
        return self._packed_product(x_RK)

    def _packed_product(self, x_RK: Tensor) -> Tensor:
        codes = self.codes_TKH.view(-1, self.in_features // 2)
        y_RN = torch.ops.aten._weight_int4pack_mm_for_cpu(x_RK.contiguous(), codes, GROUP, self.scales_GN2)
        return y_RN[:, : self.out_features]


@cache
def _as_we_lay_them() -> bool:
    """Whether this processor's product reads the codes as they lie here."""
    linear = Linear(GROUP, 2 * TILE)
    linear.weight.data = torch.arange(2 * TILE * GROUP).view(2 * TILE, GROUP) * 37 % 101 - 50.0
    packed = Int4Linear.of(linear)
    try:
        found_RN = packed._packed_product(torch.eye(GROUP, dtype=torch.bfloat16))
    except (RuntimeError, AttributeError):
        return False
    return torch.allclose(found_RN.float().T, packed.dequantised(torch.float32), rtol=0.01, atol=0.5)
