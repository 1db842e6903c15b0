"""Who looks at what: attention within documents, several of which may go on from the same beginning; causal, or both
ways, or from one text to another.

On a processor torch's fused kernel is slow with gradients, for its way back has no fast bf16 path: 51 ms a layer there
and back (B=16, T=256, H=4, E=64, bf16, one core). Two others stand in for it: our own kernel for processors that
multiply bf16, and products in tiles that stay in the cache (docs/log.md has the figures). On a GPU a graph looks at
those blocks alone that hold something to see (`blocks.py`). Elsewhere torch's is used.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from hornbook.models import blocks
from hornbook.models.kernels import call, has_attention, has_kernels

TILE_BYTES = 1 << 20  # the scores of one tile: half of a core's second-level cache
BLOCK = 32  # the attention kernel's length and head width are multiples of it


class Mask(NamedTuple):
    """Who may look at whom, in the form that the way chosen here reads; neither where torch's kernel needs no more than
    to be told whether it is `causal`. No softmax is empty: padding (-1) sees padding.
    """

    numbers_BT: Tensor | None = None  # the documents' numbers, for attention by blocks
    prefixes_BT: Tensor | None = None  # with them, the numbers of their prefixes
    additive_B1TS: Tensor | None = None  # 0 where t may look at s, minus infinity elsewhere; B is 1 without documents
    causal: bool = True
    visible: blocks.BlockMask | None = None  # in a graph on a GPU


def attention_mask(
    like: Tensor, batch: int, length: int, head_size: int, documents_BT: Tensor | None = None,
    prefixes_BT: Tensor | None = None, window: int | None = None, positions_BT: Tensor | None = None,
) -> Mask:  # fmt: skip
    """The causal mask for queries of `like`'s type and device: place t sees s when s is not later and of t's document
    or of its prefix, the document which that one goes on from. Without `documents_BT` everything is one document,
    without `prefixes_BT` none goes on from another. With a `window` a place sees so many places, itself counted, by
    their `positions_BT` (B or 1, T), as in Longformer and Mistral (arXiv:2004.05150, arXiv:2310.06825)."""
    if window is None and _in_blocks(like, length, head_size):
        if documents_BT is None:
            documents_BT = torch.zeros(batch, length, dtype=torch.int32)
        numbers_BT = documents_BT.to(torch.int32).contiguous()
        return Mask(numbers_BT, numbers_BT if prefixes_BT is None else prefixes_BT.to(torch.int32).contiguous())
    if documents_BT is None and window is None and not _in_tiles(like):
        return Mask()
    if blocks.in_graph(like, length, head_size):
        if documents_BT is None:
            documents_BT = torch.zeros(batch, length, dtype=torch.int32, device=like.device)
        return Mask(visible=blocks.visible(documents_BT, prefixes_BT, window, positions_BT))
    seen = torch.ones(length, length, dtype=torch.bool, device=like.device).tril()[None]
    if documents_BT is not None:
        own = documents_BT[:, :, None] == documents_BT[:, None, :]
        seen = seen & (own if prefixes_BT is None else own | (prefixes_BT[:, :, None] == documents_BT[:, None, :]))
    if window is not None and positions_BT is not None:
        seen = seen & (positions_BT[:, :, None] - positions_BT[:, None, :] < window)
    return Mask(additive_B1TS=_additive(seen, like))


def mask_between(
    like: Tensor, lengths: tuple[int, int], queries_BT: Tensor | None = None, keys_BS: Tensor | None = None, *,
    causal: bool = False, window: int | None = None,
) -> Mask:  # fmt: skip
    """The mask for T queries of `like`'s type and device that look both ways, or at S places of another text, or with
    a bias; `lengths` is (T, S).

    Place t sees s when both are of one number in `queries_BT` and `keys_BS` (left out, all are), when s is not later if
    `causal`, and when it is at most `window` places away if there is one. A place that would see nothing, padding
    without padding to look at, sees everything.
    """
    if queries_BT is None and not causal and window is None and not _in_tiles(like):
        return Mask(causal=False)
    T, S = lengths
    ahead_1TS = torch.arange(S, device=like.device)[None, None] - torch.arange(T, device=like.device)[None, :, None]
    seen = torch.ones_like(ahead_1TS, dtype=torch.bool)
    if causal:
        seen = seen & (ahead_1TS <= 0)
    if window is not None:
        seen = seen & (ahead_1TS.abs() <= window)
    if queries_BT is not None and keys_BS is not None:
        seen = seen & (queries_BT[:, :, None] == keys_BS[:, None, :])
        seen = seen | ~seen.any(-1, keepdim=True)
    return Mask(additive_B1TS=_additive(seen, like))


def attend(
    q_BHTE: Tensor, k_BKSE: Tensor, v_BKSE: Tensor, mask: Mask, *, scale: float | None = None,
    bias_1HTS: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """softmax(scale q k' + bias + mask) v as o_BTHE (Vaswani et al. 2017); K key-value heads each serve H / K heads.

    `scale` is 1 / sqrt(E) when left out. A `bias` goes with masks of `mask_between`, as do other numbers of keys than
    of queries.
    """
    if mask.numbers_BT is not None:
        return _InBlocks.apply(q_BHTE, k_BKSE, v_BKSE, mask.numbers_BT, mask.prefixes_BT)
    if mask.visible is not None:
        return blocks.attend_visible(q_BHTE, k_BKSE, v_BKSE, mask.visible, scale).transpose(1, 2)
    groups, additive_B1TS = q_BHTE.shape[1] // k_BKSE.shape[1], mask.additive_B1TS
    if _in_tiles(q_BHTE):
        scale = q_BHTE.shape[-1] ** -0.5 if scale is None else scale
        k_BHSE, v_BHSE = (x if groups == 1 else x.repeat_interleave(groups, 1) for x in (k_BKSE, v_BKSE))
        return _InTiles.apply(q_BHTE, k_BHSE, v_BHSE, additive_B1TS, bias_1HTS, scale).transpose(1, 2)
    causal, added_BHTS = additive_B1TS is None and mask.causal, additive_B1TS
    if bias_1HTS is not None:
        added_BHTS = bias_1HTS if additive_B1TS is None else bias_1HTS + additive_B1TS
    o_BHTE = F.scaled_dot_product_attention(
        q_BHTE, k_BKSE, v_BKSE, attn_mask=added_BHTS, is_causal=causal, scale=scale, enable_gqa=groups > 1
    )
    return o_BHTE.transpose(1, 2)


def _additive(seen_BTS: Tensor, like: Tensor) -> Tensor:
    nothing = torch.zeros(seen_BTS.shape, dtype=like.dtype, device=like.device)
    return nothing.masked_fill(~seen_BTS, float("-inf"))[:, None]


def _in_blocks(x: Tensor, length: int, head_size: int) -> bool:
    fits = x.dtype == torch.bfloat16 and length % BLOCK == 0 and head_size % BLOCK == 0
    return fits and has_kernels(x) and has_attention()


def _in_tiles(x: Tensor) -> bool:
    return x.device.type == "cpu" and torch.is_grad_enabled()


class _InBlocks(torch.autograd.Function):
    """The kernel of `cpp/attention.cpp`."""

    @staticmethod
    def forward(
        ctx: Any, q_BHTE: Tensor, k_BKTE: Tensor, v_BKTE: Tensor, documents_BT: Tensor, prefixes_BT: Tensor
    ) -> Tensor:
        q, k, v = (x.contiguous() for x in (q_BHTE, k_BKTE, v_BKTE))
        B, H, T, E = q.shape
        ctx.sizes = (B, T, H, k.shape[1], E)
        o_BTHE = q.new_empty(B, T, H, E)
        sums_BHT = torch.empty(B, H, T) if any(ctx.needs_input_grad) else None
        call("attention", q, k, v, documents_BT, prefixes_BT, o_BTHE, sums_BHT, *ctx.sizes)
        ctx.save_for_backward(q, k, v, o_BTHE, documents_BT, prefixes_BT, sums_BHT)
        return o_BTHE

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor):
        q, k, v, *rest = ctx.saved_tensors
        found = tuple(torch.empty_like(x) for x in (q, k, v))
        call("attention_back", gradients[0].contiguous(), q, k, v, *rest, *found, *ctx.sizes)
        return *found, None, None


class _InTiles(torch.autograd.Function):
    """Row by row of the batch with plain products, some heads at a time; probabilities are kept for the gradients."""

    @staticmethod
    def forward(
        ctx: Any, q_BHTE: Tensor, k_BHSE: Tensor, v_BHSE: Tensor, mask_B1TS: Tensor, bias_1HTS: Tensor | None,
        scale: float,
    ) -> Tensor:  # fmt: skip
        B, H, T, E = q_BHTE.shape
        S, heads = k_BHSE.shape[2], _heads_a_tile(q_BHTE, k_BHSE)
        mask_B1TS = mask_B1TS.expand(B, -1, -1, -1)
        p_BHTS, o_BHTE = q_BHTE.new_empty(B, H, T, S), q_BHTE.new_empty(B, H, T, E)
        scores = q_BHTE.new_empty(heads, T, S)
        for row in range(B):
            for first in range(0, H, heads):
                tile = (row, slice(first, first + heads))
                s, p, added = scores[: min(heads, H - first)], p_BHTS[tile], mask_B1TS[row]
                if bias_1HTS is not None:
                    added = torch.add(bias_1HTS[0, tile[1]], added, out=s)
                torch.baddbmm(added, q_BHTE[tile], k_BHSE[tile].mT, alpha=scale, out=s)
                torch.softmax(s, -1, out=p)
                torch.bmm(p, v_BHSE[tile], out=o_BHTE[tile])
        ctx.save_for_backward(q_BHTE, k_BHSE, v_BHSE, p_BHTS)
        ctx.scale = scale
        return o_BHTE

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor):
        q_BHTE, k_BHSE, v_BHSE, p_BHTS = ctx.saved_tensors
        do_BHTE = gradients[0]
        B, H, T, S = p_BHTS.shape
        dq_BHTE, dk_BHSE, dv_BHSE = (x.new_empty(x.shape) for x in (q_BHTE, k_BHSE, v_BHSE))
        dbias_1HTS = torch.zeros(1, H, T, S, device=q_BHTE.device) if ctx.needs_input_grad[4] else None
        heads = _heads_a_tile(q_BHTE, k_BHSE)
        scores = q_BHTE.new_empty(heads, T, S)
        for row in range(B):
            for first in range(0, H, heads):
                tile = (row, slice(first, first + heads))
                ds, p, do = scores[: min(heads, H - first)], p_BHTS[tile], do_BHTE[tile]
                torch.bmm(p.mT, do, out=dv_BHSE[tile])
                torch.bmm(do, v_BHSE[tile].mT, out=ds)
                torch.ops.aten._softmax_backward_data.out(ds, p, -1, p.dtype, grad_input=ds)
                torch.bmm(ds, k_BHSE[tile], out=dq_BHTE[tile])
                torch.bmm(ds.mT, q_BHTE[tile], out=dk_BHSE[tile])
                if dbias_1HTS is not None:
                    dbias_1HTS[0, tile[1]] += ds
        dbias_1HTS = None if dbias_1HTS is None else dbias_1HTS.to(q_BHTE.dtype)
        return dq_BHTE.mul_(ctx.scale), dk_BHSE.mul_(ctx.scale), dv_BHSE, None, dbias_1HTS, None


def _heads_a_tile(q_BHTE: Tensor, k_BHSE: Tensor) -> int:
    _, heads, length, _ = q_BHTE.shape
    return max(1, min(heads, TILE_BYTES // (length * k_BHSE.shape[2] * q_BHTE.element_size())))
