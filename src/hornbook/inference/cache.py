"""Keys and values of what has been read, a slot a request, and the two ways attention passes over them.

A model calls `cache.attend(layer, q_BHTE, k_BKTE, v_BKTE) -> o_BHTE` in every layer; which cache it was given decides
whether that fills slots with prompts (`Filling`) or adds one token to every slot (`Extending`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hornbook.models.attention import attend, attention_mask
from hornbook.models.kernels import call, has_kernels

LENGTH_STEP = 64  # the room a slot has grows by this many tokens
LEAST_SLOTS = 8  # and the number of slots by doubling from here


class SlotCache:
    """`kv`: a layer's (2, slots, kv heads, length, head size), keys first; it grows by need in slots and in length.

    A tensor a layer, so that while it grows only one layer is there twice. On a CPU without our kernels it is kept in
    fp32 whatever the model's type: torch's attention of one query over a short past is twice as fast there as in bf16,
    for it repacks every key (docs/log.md). Elsewhere it has the model's. `windows` are the layers' of a model that has
    some, with None for a layer that sees all; what a window has passed is kept and not looked at.
    """

    def __init__(
        self, layers: int, kv_heads: int, head_size: int, *, device: torch.device, dtype: torch.dtype,
        windows: Sequence[int | None] | None = None,
    ):  # fmt: skip
        self.windows = tuple(windows or (None,) * layers)
        by_kernel = has_kernels(torch.empty(0, device=device, dtype=dtype))
        self.dtype = torch.float32 if device.type == "cpu" and not by_kernel else dtype
        self.device = device
        empty = torch.empty(2, 0, kv_heads, 0, head_size, device=device, dtype=self.dtype)
        self.kv = [empty] * layers

    def reserve(self, slots: int, length: int) -> None:
        """Make room for at least this many slots of this many tokens, keeping what is there."""
        _, have_slots, kv_heads, have_length, head_size = self.kv[0].shape
        if slots <= have_slots and length <= have_length:
            return
        need_slots = have_slots if slots <= have_slots else max(LEAST_SLOTS, 1 << (slots - 1).bit_length())
        need_length = have_length if length <= have_length else -(-length // LENGTH_STEP) * LENGTH_STEP
        for layer, had in enumerate(self.kv):
            grown = torch.empty(2, need_slots, kv_heads, need_length, head_size, device=self.device, dtype=self.dtype)
            # Kernels look at no masked place; torch's attention multiplies it by zero, NaN too.
            if not has_kernels(grown) or self.windows[layer]:
                grown.zero_()
            grown[:, :have_slots, :, :have_length] = had
            self.kv[layer] = grown

    def move(self, source: np.ndarray, target: np.ndarray, length: int) -> None:
        """Copy the first `length` tokens of the slots `source` over the slots `target`."""
        source_R, target_R = torch.from_numpy(source).to(self.device), torch.from_numpy(target).to(self.device)
        for kv in self.kv:
            kv[:, target_R, :, :length] = kv[:, source_R, :, :length]

    def clear(self) -> None:
        """Give the memory back."""
        self.kv = [kv[:, :0, :, :0].clone() for kv in self.kv]


class Filling:
    """Reads U prompts, right-padded to T tokens, and writes what row `rows_R[i]` left behind into slot `slots_R[i]`.

    `prefix_kv` (2, layers, kv heads, P, head size) is what all of them begin with and was read before.
    """

    def __init__(self, cache: SlotCache, rows: np.ndarray, slots: np.ndarray, prefix_kv: Tensor | None = None):
        self.cache, self.prefix_kv = cache, prefix_kv
        self.rows_R = torch.from_numpy(rows).to(cache.device)
        self.slots_R = torch.from_numpy(slots).to(cache.device)

    def attend(self, layer: int, q_BHTE: Tensor, k_BKTE: Tensor, v_BKTE: Tensor) -> Tensor:
        kv, length, window = self.cache.kv[layer], k_BKTE.shape[2], self.cache.windows[layer]
        start, mask_TS = 0, None
        if self.prefix_kv is not None:
            start = self.prefix_kv.shape[3]
            before_KPE = self.prefix_kv[:, layer]
            kv[:, self.slots_R, :, :start] = before_KPE[:, None]
            before_KPE = before_KPE.to(k_BKTE.dtype)[:, None].expand(-1, k_BKTE.shape[0], -1, -1, -1)
            mask_TS = torch.ones(length, start + length, dtype=torch.bool, device=k_BKTE.device).tril(start)
            if window is not None:
                mask_TS = mask_TS.triu(start - window + 1)
        kept = min(length, kv.shape[3] - start)  # what lies beyond the room is padding
        kv[0, self.slots_R, :, start : start + kept] = k_BKTE[self.rows_R, :, :kept].to(kv.dtype)
        kv[1, self.slots_R, :, start : start + kept] = v_BKTE[self.rows_R, :, :kept].to(kv.dtype)
        if self.prefix_kv is not None:
            k_BKTE, v_BKTE = torch.cat([before_KPE[0], k_BKTE], 2), torch.cat([before_KPE[1], v_BKTE], 2)
        if mask_TS is None:
            window = None if window is None or window >= length else window
            places_1T = torch.arange(length, device=q_BHTE.device)[None]
            mask = attention_mask(
                q_BHTE, len(q_BHTE), length, q_BHTE.shape[-1], window=window, positions_BT=places_1T
            )
            return attend(q_BHTE, k_BKTE, v_BKTE, mask).transpose(1, 2)
        return F.scaled_dot_product_attention(q_BHTE, k_BKTE, v_BKTE, attn_mask=mask_TS, enable_gqa=True)


class Extending:
    """Adds one token to each of the first R slots; slot r held `length_R[r]` tokens before. The layers share masks."""

    def __init__(self, cache: SlotCache, length: np.ndarray):
        self.cache, self.rows = cache, len(length)
        self.shortest, self.longest = int(length.min()) + 1, int(length.max()) + 1
        self.length_R = torch.from_numpy(length).to(cache.device)
        self._masks: dict[int | None, Tensor] = {}

    def attend(self, layer: int, q_BHTE: Tensor, k_BKTE: Tensor, v_BKTE: Tensor) -> Tensor:
        kv, window = self.cache.kv[layer], self.cache.windows[layer]
        if window is not None and window >= self.longest:
            window = None
        if window is None and has_kernels(q_BHTE) and q_BHTE.dtype == kv.dtype:
            q_BHTE, k_BKTE, v_BKTE = (x.contiguous() for x in (q_BHTE, k_BKTE, v_BKTE))
            o_BHTE, (R, H, _, E), (K, room) = torch.empty_like(q_BHTE), q_BHTE.shape, kv.shape[2:4]
            call("extend", q_BHTE, k_BKTE, v_BKTE, kv[0], kv[1], self.length_R, o_BHTE, R, H, K, E, room)
            return o_BHTE
        kv[0, self.slots_R, :, self.length_R] = k_BKTE[:, :, 0].to(kv.dtype)
        kv[1, self.slots_R, :, self.length_R] = v_BKTE[:, :, 0].to(kv.dtype)
        first = 0 if window is None else max(0, self.shortest - window)  # before it no row's window reaches
        k_RKLE, v_RKLE = kv[:, : self.rows, :, first : self.longest]
        # The heads that share keys are so many queries of one head: no key is copied.
        q_RKGE = q_BHTE.reshape(self.rows, k_RKLE.shape[1], -1, q_BHTE.shape[-1]).to(kv.dtype)
        o_RKGE = F.scaled_dot_product_attention(q_RKGE, k_RKLE, v_RKLE, attn_mask=self._mask(window)[..., first:])
        return o_RKGE.reshape(q_BHTE.shape).to(q_BHTE.dtype)

    @cached_property
    def slots_R(self) -> Tensor:
        return torch.arange(self.rows, device=self.cache.device)

    def _mask(self, window: int | None) -> Tensor:
        """mask_R11L: 0 for what a row has read and its window holds, minus infinity elsewhere."""
        if window not in self._masks:
            places_L, last_R1 = torch.arange(self.longest, device=self.cache.device), self.length_R[:, None]
            hidden_RL = places_L > last_R1
            if window is not None:
                hidden_RL |= places_L <= last_R1 - window
            mask_RL = torch.zeros(hidden_RL.shape, device=self.cache.device, dtype=self.cache.dtype)
            self._masks[window] = mask_RL.masked_fill_(hidden_RL, -torch.inf)[:, None, None]
        return self._masks[window]
