"""The decoder: Qwen3ForCausalLM, and by configuration Llama, Mistral and Qwen2, under Hugging Face's parameter names.
GPT-2 is made of the same blocks in `gpt2.py`.

Shapes: B rows, T places, D width, H heads, K key-value heads, E head width, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from hornbook.models.attention import Mask, attend, attention_mask
from hornbook.models.config import TransformerConfig
from hornbook.models.fresh import fill
from hornbook.models.layers import MLP, Embedding, Linear, RMSNorm, at_places, side_by_side
from hornbook.models.positions import rotations
from hornbook.models.rows import Rotation, split_heads

OWN_SCORE = 5.0  # a fresh model's score for the token it has just read


class Cache(Protocol):
    """Where an engine keeps keys and values between calls."""

    def attend(self, layer: int, q_BHTE: Tensor, k_BKTE: Tensor, v_BKTE: Tensor) -> Tensor:
        """Store the new keys and values of `layer` and return what the queries find: o_BHTE."""
        ...


class Transformer(nn.Module):
    """A decoder-only language model (Vaswani et al. 2017; Qwen3 report, arXiv:2505.09388).

    `compute_dtype` is the type of the activations; None means that of the weights. Without a `seed` the weights are
    whatever the memory held: give it others. The first `recomputed` blocks keep for the way back only what they read,
    and are computed again there: the same sums, in less memory and more time (arXiv:1604.06174).
    """

    def __init__(self, config: TransformerConfig, *, compute_dtype: torch.dtype | None = None, seed: int | None = 0):
        super().__init__()
        self.config, self.compute_dtype, self.recomputed = config, compute_dtype, 0
        self.model = self.trunk(config)
        self.lm_head = Linear(config.hidden_size, config.vocab_size)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight
        if seed is not None:
            initialise(self, seed)

    def hidden(
        self,
        ids_BT: Tensor,
        positions_BT: Tensor | None = None,
        documents_BT: Tensor | None = None,
        cache: Cache | None = None,
        prefixes_BT: Tensor | None = None,
        places_N: Tensor | None = None,
    ) -> Tensor:
        """x_BTD after the final norm, or x_ND of the places (row * T + column) that are asked for.

        `positions_BT` count from 0 by default. `documents_BT` says who may attend to whom: a place sees the earlier
        places of its own number only, and with `prefixes_BT` those of that number as well: so many answers go on from
        one prompt that is read once. With a `cache` the cache does the attending and both must be None. What the last
        block makes of a place nobody reads but who asks: it is made of `places_N` alone, a fifth of the work of four
        blocks for every place left out.
        """
        if positions_BT is None:
            positions_BT = torch.arange(ids_BT.shape[1], device=ids_BT.device)[None]
        x_BTD, rotation = self.embedded(ids_BT, positions_BT)
        masks = [Mask()] * len(self.model.layers)
        if cache is None:
            masks = self._masks(x_BTD, positions_BT, documents_BT, prefixes_BT)
        *before, last = [
            self._recomputing(layer, index) for index, layer in enumerate(self.model.layers)
        ]
        for layer, mask in zip(before, masks[:-1], strict=True):
            x_BTD = layer(x_BTD, rotation, mask, cache)
        return self.model.norm(last(x_BTD, rotation, masks[-1], cache, places_N))

    def embedded(self, ids_BT: Tensor, positions_BT: Tensor) -> tuple[Tensor, Rotation]:
        """x_BTD that the first block reads, and how queries and keys are turned."""
        embedding_VD = self.model.embed_tokens.weight
        x_BTD = F.embedding(ids_BT, embedding_VD).to(self.compute_dtype or embedding_VD.dtype)
        return x_BTD, rotations(positions_BT, self.config)

    def _recomputing(self, layer: nn.Module, index: int) -> Callable[..., Tensor]:
        """The block, or what computes it again on the way back."""
        if index >= self.recomputed or not torch.is_grad_enabled():
            return layer
        return partial(checkpoint, layer, use_reentrant=False, preserve_rng_state=False)

    def _masks(self, x_BTD: Tensor, positions_BT: Tensor, documents_BT, prefixes_BT) -> list[Mask]:
        """Every layer's; one is made for each window there is. A window as long as the row is none."""
        B, T, _ = x_BTD.shape
        felt = [window if window is not None and window < T else None for window in self.config.windows]
        made = {
            window: attention_mask(
                x_BTD, B, T, self.config.head_dim, documents_BT, prefixes_BT, window, positions_BT
            )
            for window in set(felt)
        }
        return [made[window] for window in felt]

    def logits(self, x: Tensor) -> Tensor:
        """Scores over the vocabulary, (..., V), of the hidden states (..., D)."""
        return self.lm_head(x)

    def forward(self, ids_BT: Tensor, positions_BT=None, documents_BT=None, cache: Cache | None = None) -> Tensor:
        """logits_BTV."""
        return self.logits(self.hidden(ids_BT, positions_BT, documents_BT, cache))

    @staticmethod
    def trunk(config: TransformerConfig) -> Trunk:
        """All but the head. Raises ValueError for a family that another class is."""
        if config.model_type == "gpt2":
            raise ValueError("gpt2 is hornbook.models.gpt2.GPT2, not a Transformer")
        return Trunk(config)

    @staticmethod
    def as_filed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weights by our names as the family's model folders have them: as they are."""
        return tensors

    @staticmethod
    def from_file(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """The way back, for some or all of the weights; what is no weight is left out."""
        return {name: tensor for name, tensor in tensors.items() if not name.endswith("rotary_emb.inv_freq")}


class Trunk(nn.Module):
    """Embedding, blocks and final norm, under the names Hugging Face gives them."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.embed_tokens = Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Block(config, index) for index in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)); with `places_N` of those places alone, as (N, D)."""

    def __init__(self, config: TransformerConfig, index: int):
        super().__init__()
        self.self_attn = Attention(config, index)
        self.mlp = MLP(config.hidden_size, config.intermediate_size, config.mlp_bias)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(
        self, x_BTD: Tensor, rotation: Rotation, mask: Mask, cache: Cache | None, places_N: Tensor | None = None
    ) -> Tensor:
        o_BTC = self.self_attn(self.input_layernorm(x_BTD), rotation, mask, cache)
        x = at_places(x_BTD, places_N) + self.self_attn.o_proj(at_places(o_BTC, places_N))
        return x + self.mlp(self.post_attention_layernorm(x))


class Attention(nn.Module):
    """Causal attention with rotary positions and grouped keys and values (arXiv:2104.09864, arXiv:2305.13245).

    What the heads found, side by side; the block puts it through `o_proj`, at the places it needs.
    """

    def __init__(self, config: TransformerConfig, index: int):
        super().__init__()
        self.index, self.eps = index, config.rms_norm_eps
        self.heads = (config.num_attention_heads, config.num_key_value_heads)
        queries, keys = config.num_attention_heads * config.head_dim, config.num_key_value_heads * config.head_dim
        self.q_proj = Linear(config.hidden_size, queries, config.query_key_value_bias)
        self.k_proj = Linear(config.hidden_size, keys, config.query_key_value_bias)
        self.v_proj = Linear(config.hidden_size, keys, config.query_key_value_bias)
        self.o_proj = Linear(queries, config.hidden_size, config.output_bias)
        self.q_norm = RMSNorm(config.head_dim, config.rms_norm_eps) if config.query_key_norm else None
        self.k_norm = RMSNorm(config.head_dim, config.rms_norm_eps) if config.query_key_norm else None

    @property
    def beside(self) -> tuple[Linear, ...]:
        """What reads the same input."""
        return self.q_proj, self.k_proj, self.v_proj

    def forward(self, x_BTD: Tensor, rotation: Rotation, mask: Mask, cache: Cache | None) -> Tensor:
        x_BTC = side_by_side(x_BTD, *self.beside)
        norms = (self.q_norm.weight, self.k_norm.weight) if self.q_norm and self.k_norm else None
        q_BHTE, k_BKTE, v_BKTE = split_heads(x_BTC, self.heads, norms, self.eps, rotation)
        if cache is None:
            o_BTHE = attend(q_BHTE, k_BKTE, v_BKTE, mask)
        else:
            o_BTHE = cache.attend(self.index, q_BHTE, k_BKTE, v_BKTE).transpose(1, 2)
        return o_BTHE.flatten(2)


@torch.no_grad()
def initialise(model: Transformer, seed: int) -> None:
    """Fresh weights: normal embeddings, products that keep the variance of their input, zero output projections.

    A head of its own starts as the embedding, made small, so that what is copied through the blocks is said as itself
    from the beginning.
    """
    zeros = ("bias", "o_proj.weight", "down_proj.weight")
    fill(model, seed, zeros=zeros, spread=lambda name, parameter: _spread(name, parameter, model.config))
    if not model.config.tie_word_embeddings:
        model.lm_head.weight.copy_(model.model.embed_tokens.weight * (OWN_SCORE / model.config.hidden_size))


def _spread(name: str, parameter: Tensor, config: TransformerConfig) -> float:
    """The standard deviation a matrix starts with."""
    if name.startswith("model.embed_tokens"):
        return 0.02 if config.tie_word_embeddings else 1.0
    if name.startswith("model.embed_positions"):
        return 0.01
    return 1.0 / math.sqrt(parameter.shape[1])
