"""Who looks at what: causal attention within documents.

On a processor with gradients, attention is done row by row of the batch with plain products, in tiles that stay in the
cache: 21 ms a layer forward and backward (B=16, T=256, H=4, E=64, bf16, one core with AMX) where torch's fused kernel,
whose backward has no fast bf16 path, takes 51. Everywhere else torch's scaled_dot_product_attention is used.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

TILE_BYTES = 1 << 20  # the scores of one tile: half of a core's second-level cache


def attention_mask(documents_BT: Tensor | None, length: int, dtype: torch.dtype, device: torch.device) -> Tensor | None:
    """What `attend` needs to know: 0 where place t may look at place s, minus infinity elsewhere; (B or 1, 1, T, T).

    t sees s when s is not later and of the same document. Every place sees itself, padding (-1) too, so no row of the
    softmax is empty. None stands for "causal and nothing else" where the kernel has that built in.
    """
    by_tiles = _by_tiles(device)
    if documents_BT is None and not by_tiles:
        return None
    seen = torch.ones(length, length, dtype=torch.bool, device=device).tril()[None]
    if documents_BT is not None:
        seen = seen & (documents_BT[:, :, None] == documents_BT[:, None, :])
    return torch.zeros(seen.shape, dtype=dtype, device=device).masked_fill(~seen, float("-inf"))[:, None]


def attend(q_BHTE: Tensor, k_BKTE: Tensor, v_BKTE: Tensor, mask: Tensor | None) -> Tensor:
    """softmax(q k' / sqrt(E) + mask) v as o_BHTE (Vaswani et al. 2017); K key-value heads each serve H / K heads."""
    if mask is not None and _by_tiles(q_BHTE.device):
        groups = q_BHTE.shape[1] // k_BKTE.shape[1]
        k_BHTE, v_BHTE = (x if groups == 1 else x.repeat_interleave(groups, 1) for x in (k_BKTE, v_BKTE))
        mask = mask.expand(q_BHTE.shape[0], -1, -1, -1)
        return torch.ops.hornbook.tiled_attention(q_BHTE, k_BHTE, v_BHTE, mask)[0]
    grouped = q_BHTE.shape[1] != k_BKTE.shape[1]
    return F.scaled_dot_product_attention(
        q_BHTE, k_BKTE, v_BKTE, attn_mask=mask, is_causal=mask is None, enable_gqa=grouped
    )


def _by_tiles(device: torch.device) -> bool:
    return device.type == "cpu" and torch.is_grad_enabled()


@torch.library.custom_op("hornbook::tiled_attention", mutates_args=())
def tiled_attention(q_BHTE: Tensor, k_BHTE: Tensor, v_BHTE: Tensor, mask_B1TT: Tensor) -> tuple[Tensor, Tensor]:
    """o_BHTE, and the probabilities p_BHTT that the way back needs. One operator, so that compilers leave it whole."""
    B, H, T, E = q_BHTE.shape
    p_BHTT, o_BHTE = q_BHTE.new_empty(B, H, T, T), q_BHTE.new_empty(B, H, T, E)
    heads = _heads_a_tile(q_BHTE)
    scores = q_BHTE.new_empty(heads, T, T)
    for row in range(B):
        for first in range(0, H, heads):
            tile = (row, slice(first, first + heads))
            s, p = scores[: min(heads, H - first)], p_BHTT[tile]
            torch.baddbmm(mask_B1TT[row], q_BHTE[tile], k_BHTE[tile].mT, alpha=E**-0.5, out=s)
            torch.softmax(s, -1, out=p)
            torch.bmm(p, v_BHTE[tile], out=o_BHTE[tile])
    return o_BHTE, p_BHTT


@torch.library.custom_op("hornbook::tiled_attention_backward", mutates_args=())
def tiled_attention_backward(
    do_BHTE: Tensor, q_BHTE: Tensor, k_BHTE: Tensor, v_BHTE: Tensor, p_BHTT: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of q, k and v."""
    B, H, T, E = q_BHTE.shape
    dq_BHTE, dk_BHTE, dv_BHTE = (q_BHTE.new_empty(B, H, T, E) for _ in range(3))
    heads = _heads_a_tile(q_BHTE)
    scores = q_BHTE.new_empty(heads, T, T)
    for row in range(B):
        for first in range(0, H, heads):
            tile = (row, slice(first, first + heads))
            ds, p, do = scores[: min(heads, H - first)], p_BHTT[tile], do_BHTE[tile]
            torch.bmm(p.mT, do, out=dv_BHTE[tile])
            torch.bmm(do, v_BHTE[tile].mT, out=ds)
            torch.ops.aten._softmax_backward_data.out(ds, p, -1, p.dtype, grad_input=ds)
            torch.bmm(ds, k_BHTE[tile], out=dq_BHTE[tile])
            torch.bmm(ds.mT, q_BHTE[tile], out=dk_BHTE[tile])
    return dq_BHTE.mul_(E**-0.5), dk_BHTE.mul_(E**-0.5), dv_BHTE


def _heads_a_tile(q_BHTE: Tensor) -> int:
    _, heads, length, _ = q_BHTE.shape
    return max(1, min(heads, TILE_BYTES // (length * length * q_BHTE.element_size())))


@tiled_attention.register_fake
def _(q_BHTE, k_BHTE, v_BHTE, mask_B1TT):
    B, H, T, E = q_BHTE.shape
    return q_BHTE.new_empty(B, H, T, E), q_BHTE.new_empty(B, H, T, T)


@tiled_attention_backward.register_fake
def _(do_BHTE, q_BHTE, k_BHTE, v_BHTE, p_BHTT):
    return tuple(q_BHTE.new_empty(q_BHTE.shape) for _ in range(3))


def _keep(ctx, inputs, output):
    ctx.save_for_backward(*inputs[:3], output[1])


def _backward(ctx, do_BHTE, _):
    return *tiled_attention_backward(do_BHTE, *ctx.saved_tensors), None


tiled_attention.register_autograd(_backward, setup_context=_keep)
