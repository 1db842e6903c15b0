"""Who looks at what: causal attention within documents."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def document_mask(documents_BT: Tensor) -> Tensor:
    """mask_B1TT, true where place t may look at place s: s is not later and of the same document.

    Every place sees itself, padding (-1) too, so no row of the softmax is empty.
    """
    length = documents_BT.shape[1]
    causal_TT = torch.ones(length, length, dtype=torch.bool, device=documents_BT.device).tril()
    return ((documents_BT[:, :, None] == documents_BT[:, None, :]) & causal_TT)[:, None]


def attend(q_BHTE: Tensor, k_BKTE: Tensor, v_BKTE: Tensor, mask_B1TT: Tensor | None) -> Tensor:
    """softmax(q k' / sqrt(E)) v as o_BHTE: causal without a mask, where the mask is true with one."""
    grouped = q_BHTE.shape[1] != k_BKTE.shape[1]
    return F.scaled_dot_product_attention(
        q_BHTE, k_BKTE, v_BKTE, attn_mask=mask_B1TT, is_causal=mask_B1TT is None, enable_gqa=grouped
    )
