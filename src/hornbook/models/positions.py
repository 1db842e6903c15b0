"""Rotary positions: how far each pair of a head turns at each place (RoFormer, arXiv:2104.09864)."""

from __future__ import annotations

import torch
from torch import Tensor

from hornbook.models.config import TransformerConfig
from hornbook.models.rows import Rotation


def rotations(positions_BT: Tensor, config: TransformerConfig) -> Rotation:
    """cos and sin of every place's angles, each (B, T, E), in fp32."""
    frequencies = pair_frequencies(config, positions_BT.device)
    angles_BTE = (positions_BT[..., None].float() * frequencies).repeat(1, 1, 2)
    return angles_BTE.cos(), angles_BTE.sin()


def pair_frequencies(config: TransformerConfig, device: torch.device | None = None) -> Tensor:
    """How far each of the E/2 rotary pairs turns from one place to the next, in radians, in fp32."""
    half = torch.arange(0, config.head_dim, 2, device=device, dtype=torch.int64).float()
    return 1.0 / (config.rope_theta ** (half / config.head_dim))
