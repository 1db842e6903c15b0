"""Keys and values in pages, and how attention passes over them.

`PagedCache` holds the tensors; `Pass` is one step's view of them, which a model calls in every layer as its `Cache`.
Shapes: M tokens of one step, of R texts; H heads, K key-value heads, E head width; P pages of S = 16 places, L places
of a text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hornbook.inference.memory import zeros
from hornbook.inference.pages import PAGE
from hornbook.models.attention import BLOCK, Mask, attend, attention_mask
from hornbook.models.kernels import call, has_kernels

MANY = 32  # tokens of one text: from here on its keys are gathered and attended to by products


class PagedCache:
    """`keys` and `values`: a tensor a layer. Zeros at first, which take no room until they are used.

    Values lie as (P, K, S, E). So do keys, but where our kernels read them: there sixteen keys lie side by side, in
    fp32 as (P, K, E, S), in bf16 with pairs of E together as (P, K, E/2, S, 2), for one vector to hold a part of each.
    On a CPU without kernels all is fp32 whatever the model's type: torch's attention of one query over a short past is
    twice as fast there as in bf16, for it repacks every key (docs/log.md). Elsewhere it is the model's.
    """

    def __init__(
        self, layers: int, kv_heads: int, head_size: int, pages: int, *, device: torch.device, dtype: torch.dtype,
        windows: Sequence[int | None] | None = None,
    ):  # fmt: skip
        self.windows = tuple(windows or (None,) * layers)
        self.device, self.dtype = device, cache_dtype(device, dtype)
        self.turned = has_kernels(torch.empty(0, device=device, dtype=self.dtype)) and head_size % PAGE == 0
        shape = (PAGE, head_size)
        if self.turned:
            shape = (head_size, PAGE) if self.dtype == torch.float32 else (head_size // 2, PAGE, 2)
        self.keys = [_zeros((pages, kv_heads, *shape), self.dtype, device) for _ in range(layers)]
        self.values = [_zeros((pages, kv_heads, PAGE, head_size), self.dtype, device) for _ in range(layers)]

    def write(self, layer: int, k_MKE: Tensor, v_MKE: Tensor, page_M: Tensor, place_M: Tensor) -> None:
        """Put each token's key and value into its page, at its place within it."""
        keys, k_MKE = self.keys[layer], k_MKE.to(self.dtype)
        if keys.ndim == 5:
            keys[page_M, :, :, place_M] = k_MKE.unflatten(-1, (-1, 2))
        elif self.turned:
            keys[page_M, :, :, place_M] = k_MKE
        else:
            keys[page_M, :, place_M] = k_MKE
        self.values[layer][page_M, :, place_M] = v_MKE.to(self.dtype)

    def read(self, layer: int, pages_RN: Tensor) -> tuple[Tensor, Tensor]:
        """k_RKLE and v_RKLE of so many pages of each text, L = 16 N."""
        k, v = self.keys[layer][pages_RN], self.values[layer][pages_RN]
        if k.ndim == 6:
            k = k.movedim(4, 3).flatten(4)
        elif self.turned:
            k = k.mT
        return k.transpose(1, 2).flatten(2, 3), v.transpose(1, 2).flatten(2, 3)

    def copy(self, source: Sequence[int], target: Sequence[int]) -> None:
        """Copy whole pages."""
        for kept in (*self.keys, *self.values):
            kept[list(target)] = kept[list(source)]


class Pass:
    """One step: text r gets `counts_R[r]` more tokens, the first of them at place `begins_R[r]`.

    All texts' keys and values are written before anyone looks, so that texts may share pages that this very step fills.
    Texts with many new tokens are attended to by products, beginnings of about one length together; those with few all
    at once by the kernel that passes over the pages as they lie, or padded side by side where there is none.
    """

    def __init__(self, cache: PagedCache, tables_RP: np.ndarray, begins_R: np.ndarray, counts_R: np.ndarray):
        self.cache, self.begins, self.counts = cache, begins_R, counts_R
        self.firsts = np.cumsum(counts_R) - counts_R
        row_M = np.repeat(np.arange(len(counts_R), dtype=np.int32), counts_R)
        self.places = (np.arange(len(row_M)) + np.repeat(begins_R - self.firsts, counts_R)).astype(np.int32)
        self.rows, self.tables = row_M, tables_RP
        many_R = counts_R >= MANY
        self._few = np.flatnonzero(~many_R & (counts_R > 0))
        self._few_M = np.flatnonzero(~many_R[row_M]) if many_R.any() else None
        self._going_on = np.flatnonzero(many_R & (begins_R > 0)).tolist()
        self._fresh = self._beginnings(np.flatnonzero(many_R & (begins_R == 0)))
        self._masks: dict[tuple[int, int | None], Mask] = {}

    def attend(self, layer: int, q_BHTE: Tensor, k_BKTE: Tensor, v_BKTE: Tensor) -> Tensor:
        """o_BHTE for B = 1, T = M: see `models.transformer.Cache`."""
        q_MHE, k_MKE, v_MKE = (x[0].transpose(0, 1) for x in (q_BHTE, k_BKTE, v_BKTE))
        window = self.cache.windows[layer]
        by_kernel = self.cache.turned and window is None and q_MHE.dtype == self.cache.dtype
        if by_kernel and self._few_M is None:
            return self._by_kernel(layer, q_MHE, k_MKE, v_MKE, self.rows, self.places).transpose(0, 1)[None]
        self._write(layer, k_MKE, v_MKE)
        o_MHE = torch.empty_like(q_MHE)
        if len(self._few):
            at = slice(None) if self._few_M is None else self._tensor(self._few_M)
            if by_kernel and self._few_M is not None:
                few = self._few_M
                q, k, v = (x[at] for x in (q_MHE, k_MKE, v_MKE))
                o_MHE[at] = self._by_kernel(layer, q, k, v, self.rows[few], self.places[few])
            else:
                o_MHE[at] = self._side_by_side(layer, q_MHE[at], window)
        for places_BT, real_BT in self._fresh:
            q, k, v = (x[places_BT].transpose(1, 2) for x in (q_MHE, k_MKE, v_MKE))
            o_MHE[places_BT[real_BT]] = attend(q, k, v, self._mask(q, window))[real_BT]
        for row in self._going_on:
            at = slice(self.firsts[row], self.firsts[row] + self.counts[row])
            o_MHE[at] = self._alone(layer, row, q_MHE[at], window)
        return o_MHE.transpose(0, 1)[None]

    def _beginnings(self, rows: np.ndarray) -> list[tuple[Tensor, Tensor]]:
        """Texts from their first token on, those together that padded to the kernel's measure are as long: where the
        tokens of each stand, and which are not padding."""
        lengths = -(-self.counts[rows] // BLOCK) * BLOCK
        found = []
        for length in np.unique(lengths):
            group = rows[lengths == length]
            column_1T, count_B1 = np.arange(length)[None], self.counts[group][:, None]
            places_BT = self.firsts[group][:, None] + np.minimum(column_1T, count_B1 - 1)
            found.append((self._tensor(places_BT), self._tensor(column_1T < count_B1).bool()))
        return found

    def _mask(self, q_BHTE: Tensor, window: int | None) -> Mask:
        """The causal mask of a group of beginnings, the same in all layers of a window."""
        B, _, T, E = q_BHTE.shape
        window = None if window is None or window >= T else window
        if (T, window) not in self._masks:
            places_1T = torch.arange(T, device=q_BHTE.device)[None]
            self._masks[T, window] = attention_mask(q_BHTE, B, T, E, window=window, positions_BT=places_1T)
        return self._masks[T, window]

    def _write(self, layer: int, k_MKE: Tensor, v_MKE: Tensor) -> None:
        if not self.cache.turned or k_MKE.dtype != self.cache.dtype:
            page_M = self._tensor(self.tables[self.rows, self.places // PAGE])
            self.cache.write(layer, k_MKE, v_MKE, page_M, self._tensor(self.places % PAGE))
            return
        k_MKE, v_MKE = k_MKE.contiguous(), v_MKE.contiguous()
        where = (torch.from_numpy(np.ascontiguousarray(x)) for x in (self.tables, self.rows, self.places))
        kept, width = (self.cache.keys[layer], self.cache.values[layer]), self.tables.shape[1]
        call("keep", k_MKE, v_MKE, *kept, *where, *k_MKE.shape, width)

    def _by_kernel(
        self, layer: int, q_MHE: Tensor, k_MKE: Tensor, v_MKE: Tensor, row_M: np.ndarray, place_M: np.ndarray
    ) -> Tensor:
        """Writes and attends in one pass of `models/cpp/paged.cpp`."""
        q_MHE, k_MKE, v_MKE = (x.contiguous() for x in (q_MHE, k_MKE, v_MKE))
        o_MHE, (M, H, E) = torch.empty_like(q_MHE), q_MHE.shape
        tables, rows, places = (torch.from_numpy(np.ascontiguousarray(x)) for x in (self.tables, row_M, place_M))
        kept = self.cache.keys[layer], self.cache.values[layer]
        call("paged", q_MHE, k_MKE, v_MKE, *kept, tables, rows, places, o_MHE, M, H, k_MKE.shape[1], E, tables.shape[1])
        return o_MHE

    def _side_by_side(self, layer: int, q_NHE: Tensor, window: int | None) -> Tensor:
        """The texts with few new tokens, padded to the longest."""
        counts, begins = self.counts[self._few], self.begins[self._few]
        pages = -(-int((begins + counts).max()) // PAGE)
        k_RKLE, v_RKLE = self.cache.read(layer, self._tensor(self.tables[self._few, :pages]))
        row_N = np.repeat(np.arange(len(counts)), counts)
        column_N = np.arange(len(row_N)) - np.repeat(np.cumsum(counts) - counts, counts)
        place_RT = begins[:, None] + np.arange(counts.max())[None]
        at = self._tensor(row_N), self._tensor(column_N)
        q_RTHE = q_NHE.new_zeros(len(counts), int(counts.max()), *q_NHE.shape[1:])
        q_RTHE[at] = q_NHE
        seen_R1TL = self._seen(place_RT, pages * PAGE, window)[:, None]
        q_RHTE = q_RTHE.transpose(1, 2).to(self.cache.dtype)
        o_RHTE = F.scaled_dot_product_attention(q_RHTE, k_RKLE, v_RKLE, attn_mask=seen_R1TL, enable_gqa=True)
        return o_RHTE.transpose(1, 2)[at].to(q_NHE.dtype)

    def _alone(self, layer: int, row: int, q_THE: Tensor, window: int | None) -> Tensor:
        """One text that goes on with many new tokens."""
        begin, count = int(self.begins[row]), int(self.counts[row])
        pages = -(-(begin + count) // PAGE)
        k_1KLE, v_1KLE = self.cache.read(layer, self._tensor(self.tables[row : row + 1, :pages]))
        seen_1TL = self._seen(np.arange(begin, begin + count)[None], pages * PAGE, window)
        q_1HTE = q_THE.transpose(0, 1)[None].to(self.cache.dtype)
        o_1HTE = F.scaled_dot_product_attention(q_1HTE, k_1KLE, v_1KLE, attn_mask=seen_1TL[:, None], enable_gqa=True)
        return o_1HTE[0].transpose(0, 1).to(q_THE.dtype)

    def _seen(self, place_RT: np.ndarray, length: int, window: int | None) -> Tensor:
        """seen_RTL: what each token may look at."""
        place_RT1, places_L = self._tensor(place_RT)[..., None], torch.arange(length, device=self.cache.device)
        seen = places_L <= place_RT1
        return seen if window is None else seen & (places_L > place_RT1 - window)

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, dtype=np.int64)).to(self.cache.device)


def cache_dtype(device: torch.device, dtype: torch.dtype) -> torch.dtype:
    """The type keys and values are kept in."""
    by_kernel = has_kernels(torch.empty(0, device=device, dtype=dtype))
    return torch.float32 if device.type == "cpu" and not by_kernel else dtype


def page_bytes(layers: int, kv_heads: int, head_size: int, dtype: torch.dtype) -> int:
    """What a page takes in all layers."""
    return 2 * layers * kv_heads * head_size * dtype.itemsize * PAGE


def _zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    if device.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    return zeros(math.prod(shape) * dtype.itemsize).view(dtype).view(shape)
