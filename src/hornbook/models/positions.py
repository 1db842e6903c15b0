"""Rotary positions: how far each pair of a head turns at each place (RoFormer, arXiv:2104.09864), and how the kinds of
`rope.py` change that for longer texts.

Angles, frequencies and their stretching are fp32 throughout, in transformers' order of operations.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hornbook.models.config import TransformerConfig
from hornbook.models.rope import Dynamic, Linear, Llama3, Yarn
from hornbook.models.rows import Rotation


def rotations(positions_BT: Tensor, config: TransformerConfig) -> Rotation:
    """cos and sin of every place's angles, each (B, T, E), in fp32; longer than 1 where YaRN sharpens attention."""
    longest = int(positions_BT.max()) + 1 if isinstance(config.rope_scaling, Dynamic) else 0
    frequencies = pair_frequencies(config, positions_BT.device, longest)
    angles_BTE = (positions_BT[..., None].float() * frequencies).repeat(1, 1, 2)
    cos, sin = angles_BTE.cos(), angles_BTE.sin()
    if isinstance(config.rope_scaling, Yarn):
        return cos * config.rope_scaling.sharpness, sin * config.rope_scaling.sharpness
    return cos, sin


def pair_frequencies(config: TransformerConfig, device: torch.device | None = None, longest: int = 0) -> Tensor:
    """How far each of the E/2 rotary pairs turns from one place to the next, in radians, in fp32. `longest` is the
    length of the longest text at hand, which the dynamic kind alone asks for."""
    scaling, theta, size = config.rope_scaling, config.rope_theta, config.head_dim
    if isinstance(scaling, Dynamic):
        theta = _grown_base(scaling, config, longest)
    half = torch.arange(0, size, 2, device=device, dtype=torch.int64).float()
    plain = 1.0 / (theta ** (half / size))
    if isinstance(scaling, Linear):
        return plain / scaling.factor
    if isinstance(scaling, Llama3):
        return _slowed(scaling, plain)
    if isinstance(scaling, Yarn):
        slow = 1.0 / (scaling.factor * theta ** (half / size))
        kept = 1.0 - _ramp(scaling, theta, size, plain)
        return slow * (1.0 - kept) + plain * kept
    return plain


def _grown_base(scaling: Dynamic, config: TransformerConfig, longest: int) -> float:
    """The base at which the slowest pair turns over `longest` places as far as it did over the window."""
    size, factor = config.head_dim, scaling.factor
    past = factor * max(longest, config.max_position_embeddings) / config.max_position_embeddings - (factor - 1.0)
    return config.rope_theta * past ** (size / (size - 2))


def _slowed(scaling: Llama3, plain: Tensor) -> Tensor:
    """Llama 3's: by how often a pair turns within the original window."""
    window, low, high = scaling.original_max_position_embeddings, scaling.low_freq_factor, scaling.high_freq_factor
    wave = 2 * math.pi / plain
    part = (window / wave - low) / (high - low)
    between = (1 - part) * plain / scaling.factor + part * plain
    slow = torch.where(wave > window / low, plain / scaling.factor, plain)
    return torch.where((wave >= window / high) & (wave <= window / low), between, slow)


def _ramp(scaling: Yarn, theta: float, size: int, plain: Tensor) -> Tensor:
    """0 for the pairs that are left as they are, 1 for those that are slowed in full, a line from the one to the other
    (YaRN's section 3.2)."""
    window = scaling.original_max_position_embeddings

    def pair_of(turns: float) -> float:
        return size * math.log(window / (turns * 2 * math.pi)) / (2 * math.log(theta))

    first, last = pair_of(scaling.beta_fast), pair_of(scaling.beta_slow)
    if scaling.truncate:
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, size - 1)
    if first == last:
        last += 0.001
    return ((torch.arange(size // 2, dtype=torch.float32) - first) / (last - first)).clamp(0, 1).to(plain.device)
