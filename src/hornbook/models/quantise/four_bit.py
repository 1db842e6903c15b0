"""bitsandbytes' four-bit weights, bit for bit: NF4 and FP4 with absmax blocks and double quantisation.

Sources: QLoRA, arXiv:2305.14314 (NF4, the second quantisation), arXiv:2110.02861 (the dynamic eight-bit code).
Equal to bitsandbytes 0.50 on a processor. On a GPU it rounds an absmax to the nearest code; on a processor it looks the
code up in 65,536 places, which near a middle differs (one absmax in 600); every reader takes either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

BLOCKS = (32, 64, 128, 256, 512, 1024, 2048, 4096)
ABSMAX_BLOCK = 256
PLACES = 65536
NORMAL = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip
FLOAT = (0.0, 0.0625, 8.0, 12.0, 4.0, 6.0, 2.0, 3.0)  # of the codes from 0; from 8 on the same, negative
TYPES = {"nf4": NORMAL, "fp4": tuple(sign * value / 12.0 for sign in (1, -1) for value in FLOAT)}


@dataclass(frozen=True)
class FourBit:
    """A tensor in `kind`: two codes a byte, the earlier one in the high half, and a scale for each `block` of values
    as they lie in memory. The scales themselves are bytes with scales of their own when `nested_absmax` is there, and
    fp32 when not. The last block may be short."""

    kind: str
    block: int
    shape: tuple[int, ...]
    dtype: torch.dtype
    codes: Tensor  # uint8 (bytes, 1)
    absmax: Tensor  # uint8 (blocks,), or fp32
    nested_absmax: Tensor | None = None  # fp32 (blocks of scales,)
    offset: float = 0.0  # the mean of the scales, taken off before they were made bytes

    def scales(self) -> Tensor:
        """fp32 (blocks,)."""
        if self.nested_absmax is None:
            return self.absmax
        found = dynamic_code(self.absmax.device)[self.absmax.int()]
        return found * self.nested_absmax.repeat_interleave(ABSMAX_BLOCK)[: len(found)] + self.offset

    def values(self, dtype: torch.dtype | None = None) -> Tensor:
        """What the codes stand for, in `dtype` or that of the source; the product with the scale is of fp32."""
        size, scales = math.prod(self.shape), self.scales()
        found = _pairs(self.kind, self.codes.device).index_select(0, self.codes.flatten().int()).view(torch.float32)
        if len(found) == len(scales) * self.block:
            found = (found.view(-1, self.block) * scales[:, None]).flatten()
        else:
            found = found[:size] * scales.repeat_interleave(self.block)[:size]
        return found[:size].view(self.shape).to(dtype or self.dtype)


def four_bit(values: Tensor, kind: str = "nf4", *, block: int = 64, nested: bool = True) -> FourBit:
    """`values`, fp32, bf16 or fp16, in `kind` ("nf4" or "fp4"), `block` being one of BLOCKS; all must be finite."""
    flat = values.detach().reshape(-1).float()
    whole = len(flat) - len(flat) % block
    blocks, rest = flat[:whole].view(-1, block), flat[whole:]
    absmax = blocks.abs().amax(1)
    scaled = (blocks * (1.0 / absmax.clamp(min=1e-38))[:, None]).flatten()
    if len(rest):
        last = rest.abs().max().clamp(min=1e-38)
        absmax, scaled = torch.cat([absmax, last[None]]), torch.cat([scaled, rest / last])
    rising, order = table(kind, flat.device).sort(stable=True)
    middles = (rising[:-1] + rising[1:]) / 2
    places = torch.bucketize(torch.nn.functional.pad(scaled.clamp(-1, 1), (0, len(scaled) % 2)), middles)
    codes = order[places].to(torch.uint8)
    made = FourBit(kind, block, tuple(values.shape), values.dtype, (codes[::2] << 4 | codes[1::2])[:, None], absmax)
    return _nested(made) if nested else made


def _nested(made: FourBit) -> FourBit:
    """The scales as bytes of the dynamic code, in blocks of 256."""
    offset = made.absmax.mean()
    centred = made.absmax - offset
    padded = torch.nn.functional.pad(centred, (0, -len(centred) % ABSMAX_BLOCK)).view(-1, ABSMAX_BLOCK)
    largest = padded.abs().amax(1)
    scaled = (padded * (1.0 / largest)[:, None]).clamp(-1, 1)
    # Half of what is on a processor one rounding, a fused multiply and add, is made in fp64 and rounded once.
    places = (((scaled + 1) * 0.5).double() * (PLACES - 1) + 0.5).float()
    codes = _nearest(centred.device)[places.nan_to_num().int()].where(largest[:, None] > 0, 0).to(torch.uint8)
    absmax = codes.flatten()[: len(centred)].clone()
    return replace(made, absmax=absmax, nested_absmax=largest, offset=float(offset))


@cache
def dynamic_code(device: torch.device) -> Tensor:
    """fp32 (256,), rising: seven decades of ever more values, and 0 and 1 (arXiv:2110.02861)."""
    values = [0.0, 1.0]
    for decade in range(7):
        ends = torch.linspace(0.1, 1, 2**decade + 1, dtype=torch.float32)
        middles = (ends[:-1] + ends[1:]) / 2.0
        for sign in (1, -1):
            values += (sign * 10 ** (decade - 6) * middles).tolist()
    return torch.tensor(sorted(values), dtype=torch.float32, device=device)


@cache
def _nearest(device: torch.device) -> Tensor:
    """The dynamic code nearest to each of 65,536 places from -1 to 1."""
    code = dynamic_code(torch.device("cpu"))
    places = -1.0 + 2.0 * torch.arange(PLACES, dtype=torch.float32) / (PLACES - 1)
    return torch.bucketize(places, 0.5 * (code[:-1] + code[1:])).to(device)


@cache
def table(kind: str, device: torch.device) -> Tensor:
    """fp32 (16,): what each code of the kind stands for."""
    return torch.tensor(TYPES[kind], dtype=torch.float32, device=device)


@cache
def _pairs(kind: str, device: torch.device) -> Tensor:
    """The two values of every byte, as one number of 64 bits (256,): one look-up for both."""
    values = table(kind, device)
    return torch.stack([values.repeat_interleave(16), values.repeat(16)], 1).view(torch.int64).flatten()
