"""Induction heads laid out in fresh weights, so that a small model need not find them before it can copy.

What was said before is found again by two heads in a row (Olsson et al. 2022, arXiv:2209.11895): one tells every place
which token came before it, the next looks for the place that was told of the present token, and says what stands there.
Gradient descent needs hundreds of thousands of tokens to hit on the pair, and until then the loss hardly falls. Source
of the idea of putting structure into the first weights: mimetic initialisation (Trockman and Kolter 2023,
arXiv:2305.09828). Everything stays trainable.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor

from hornbook.models.positions import pair_frequencies
from hornbook.models.transformer import Block, Transformer

NEAR, FAR = 0.5, 0.02  # radians a place: pairs that turn faster tell neighbours apart, slower ones what a token is
COMMON = 0.3  # of every embedding, beside its own part of 1: what a head reads that looks at places and not at tokens
WRITTEN = 1.5  # how loud the token before is written, beside the present one's 1
SAID = 1.0  # how loud the token that was found is


@torch.no_grad()
def lay_induction(model: Transformer, seed: int) -> None:
    """Lay an induction circuit into the first two layers of a model with fresh weights; one layer cannot hold it.

    In the first layer one head, that of the first key-value head, looks at the place before: its key is the same
    everywhere and its query is that key turned back by one place. In the second layer every head's query reads the
    present token as that head did, every key what that head has written, and what is found is written as it is.
    """
    if len(model.model.layers) < 2:
        return
    config = model.config
    D, E = config.hidden_size, config.head_dim
    group = config.num_attention_heads // config.num_key_value_heads
    generator = torch.Generator().manual_seed(seed % 2**63)
    embedding_VD = model.model.embed_tokens.weight
    common_D = torch.nn.functional.normalize(torch.randn(D, generator=generator), dim=0)
    embedding_VD += COMMON * float(embedding_VD.std()) * math.sqrt(D) * common_D
    first, second = (cast(Block, model.model.layers[index]).self_attn for index in (0, 1))
    frequencies = pair_frequencies(config)
    near = (frequencies >= NEAR).float()

    query_E = torch.cat([near * frequencies.cos(), -near * frequencies.sin()])
    key_E = torch.cat([near, torch.zeros_like(near)])
    heard = COMMON * math.sqrt(D) / math.sqrt(1 + COMMON**2)  # of the common direction, after the norm
    for linear, vector_E in ((first.q_proj, query_E), (first.k_proj, key_E)):
        linear.weight[:E] = torch.outer(vector_E * (math.sqrt(E) / vector_E.norm()), common_D) / heard
    told_DE = torch.randn(D, E, generator=generator) / math.sqrt(D)
    first.o_proj.weight[:, :E] = WRITTEN * told_DE

    far_E1 = (frequencies <= FAR).float().repeat(2)[:, None]
    present_ED, before_ED = (far_E1 * _own(weight, common_D) for weight in (first.v_proj.weight[:E], told_DE.T))
    second.q_proj.weight.copy_(present_ED.repeat(config.num_attention_heads, 1))
    second.k_proj.weight.copy_(before_ED.repeat(config.num_key_value_heads, 1))
    found_HED = second.v_proj.weight.unflatten(0, (-1, E)).repeat_interleave(group, 0)
    second.o_proj.weight.copy_(SAID * found_HED.flatten(0, 1).T)


def _own(weight_ED: Tensor, common_D: Tensor) -> Tensor:
    """The weight without what it would read of the direction that all embeddings have in common."""
    return weight_ED - torch.outer(weight_ED @ common_D, common_D)
