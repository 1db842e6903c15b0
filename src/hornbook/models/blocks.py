"""Attention in a graph on a GPU: FlexAttention (arXiv:2412.05496) over the blocks of a row that hold anything to see.

Which blocks those are is read off the smallest and the largest number in each: nothing of a window's square is made,
and what lies in other documents, or beyond a window, is not computed. torch's fused kernel reads a mask of T x T
numbers a row, and computes them all.
Shapes: B rows, T places, N blocks of a row, H heads, K key-value heads, E head width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

SIDE = 128  # places of a block, of queries and of keys: FlexAttention's own
NARROWEST = 16  # heads: what its products are made for


def in_graph(x: Tensor, length: int, head_size: int) -> bool:
    """Whether attention for queries like `x` is computed so: without a graph FlexAttention would hold all scores."""
    fits = length % SIDE == 0 and head_size >= NARROWEST
    return fits and x.device.type == "cuda" and torch.compiler.is_compiling()


def visible(
    documents_BT: Tensor, prefixes_BT: Tensor | None = None, window: int | None = None,
    positions_BT: Tensor | None = None,
) -> BlockMask:  # fmt: skip
    """The mask of `attention.attention_mask`, by blocks; T is a multiple of `SIDE`, a `window` needs positions.

    A block is left out where no place of it can see any, and needs no looking at single places where each sees all:
    where queries and keys are of one document each, the same. Numbers may come in any order: ranges that overlap are
    looked at.
    """
    B, T = documents_BT.shape
    keys = _ends(documents_BT)
    some_BNN, every_BNN = _overlapping(keys, keys), _one(keys, keys)
    if prefixes_BT is not None:
        prefixes = _ends(prefixes_BT)
        some_BNN, every_BNN = some_BNN | _overlapping(prefixes, keys), every_BNN | _one(prefixes, keys)
    place_N = torch.arange(T // SIDE, device=documents_BT.device)
    some_BNN, every_BNN = some_BNN & (place_N[:, None] >= place_N), every_BNN & (place_N[:, None] > place_N)
    if window is not None:
        assert positions_BT is not None
        positions_BT = positions_BT.expand(B, T)
        first_BN, last_BN = _ends(positions_BT)
        some_BNN = some_BNN & (first_BN[:, :, None] - last_BN[:, None] < window)
        every_BNN = every_BNN & (last_BN[:, :, None] - first_BN[:, None] < window)

    def sees(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        """Whether place q sees place k, as FlexAttention asks."""
        seen = documents_BT[b, q] == documents_BT[b, k]
        if prefixes_BT is not None:
            seen = seen | (prefixes_BT[b, q] == documents_BT[b, k])
        seen = seen & (q >= k)
        if window is not None and positions_BT is not None:
            seen = seen & (positions_BT[b, q] - positions_BT[b, k] < window)
        return seen

    part, whole = _listed(some_BNN & ~every_BNN), _listed(some_BNN & every_BNN)
    return BlockMask.from_kv_blocks(*part, *whole, BLOCK_SIZE=SIDE, mask_mod=sees, seq_lengths=(T, T))


def attend_visible(
    q_BHTE: Tensor, k_BKTE: Tensor, v_BKTE: Tensor, mask: BlockMask, scale: float | None = None
) -> Tensor:
    """softmax(scale q k' + mask) v as o_BHTE; `scale` is 1 / sqrt(E) when left out."""
    grouped = q_BHTE.shape[1] != k_BKTE.shape[1]
    found = flex_attention(q_BHTE, k_BKTE, v_BKTE, block_mask=mask, scale=scale, enable_gqa=grouped)
    assert isinstance(found, Tensor)
    return found


Ends = tuple[Tensor, Tensor]  # the smallest and the largest number of every block, (B, N) each


def _ends(numbers_BT: Tensor) -> Ends:
    blocks_BNS = numbers_BT.unflatten(1, (-1, SIDE))
    return blocks_BNS.amin(-1), blocks_BNS.amax(-1)


def _overlapping(queries: Ends, keys: Ends) -> Tensor:
    return (queries[0][:, :, None] <= keys[1][:, None]) & (keys[0][:, None] <= queries[1][:, :, None])


def _one(queries: Ends, keys: Ends) -> Tensor:
    """Where both blocks hold one number alone, the same."""
    return (queries[0][:, :, None] == keys[1][:, None]) & (queries[1][:, :, None] == keys[0][:, None])


def _listed(blocks_BNN: Tensor) -> tuple[Tensor, Tensor]:
    """How many blocks of keys each block of queries looks at, and which, first of all; for all heads the same."""
    counts_B1N = blocks_BNN.sum(-1, dtype=torch.int32)[:, None]
    order_B1NN = blocks_BNN.to(torch.int32).argsort(dim=-1, descending=True, stable=True)[:, None]
    return counts_B1N, order_B1NN.to(torch.int32)
