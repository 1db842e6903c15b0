"""The encoder: ModernBertForMaskedLM and its classifiers, under Hugging Face's parameter names.

Shapes: B rows, T places, D width, H heads, E head width, V vocabulary, L labels, N places of many rows.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hornbook.models.attention import Mask, attend, mask_between
from hornbook.models.encoder_config import EncoderConfig
from hornbook.models.fresh import fill
from hornbook.models.layers import Embedding, LayerNorm, Linear, at_places
from hornbook.models.pooling import pooled
from hornbook.models.rows import Rotation, split_heads


class EncoderBase(nn.Module):
    """The trunk that reads both ways, and the layer that readies its states for a head.

    `compute_dtype` is the type of the activations; None means that of the weights.
    """

    def __init__(self, config: EncoderConfig, compute_dtype: torch.dtype | None = None):
        super().__init__()
        self.config, self.compute_dtype = config, compute_dtype
        self.model = Trunk(config)
        self.head = PredictionHead(config)

    def hidden(
        self,
        ids_BT: Tensor,
        positions_BT: Tensor | None = None,
        documents_BT: Tensor | None = None,
        places_N: Tensor | None = None,
    ) -> Tensor:
        """x_BTD after the final norm, or x_ND of the places (row * T + column) that are asked for.

        `positions_BT` count from 0 by default. `documents_BT` says who may attend to whom: a place sees the places of
        its own number only, and padding is one of number -1. The last block is made of `places_N` alone.
        """
        embedding_VD = self.model.embeddings.tok_embeddings.weight
        x_BTD = F.embedding(ids_BT, embedding_VD).to(self.compute_dtype or embedding_VD.dtype)
        x_BTD = self.model.embeddings.norm(x_BTD)
        views = self._views(x_BTD, positions_BT, documents_BT)
        *layers, last = self.model.layers
        for index, layer in enumerate(layers):
            x_BTD = layer(x_BTD, views[self.config.looks_everywhere(index)])
        x = last(x_BTD, views[self.config.looks_everywhere(len(layers))], places_N)
        return self.model.final_norm(x)

    def _views(self, x_BTD: Tensor, positions_BT: Tensor | None, documents_BT: Tensor | None) -> dict[bool, View]:
        """What global and local layers see: True and False."""
        config, (_, T, _) = self.config, x_BTD.shape
        if positions_BT is None:
            positions_BT = torch.arange(T, device=x_BTD.device)[None]
        views = {}
        for everywhere in (True, False):
            theta = config.global_rope_theta if everywhere else config.local_rope_theta
            window = None if everywhere else config.local_attention // 2
            rotation = _rotation(positions_BT, config.head_dim, theta)
            mask = mask_between(x_BTD, (T, T), documents_BT, documents_BT, window=window)
            views[everywhere] = View(rotation, mask)
        return views


class Encoder(EncoderBase):
    """A bidirectional language model (BERT, arXiv:1810.04805; ModernBERT, arXiv:2412.13663) that tells masked tokens.

    Without a `seed` the weights are whatever the memory held: give it others.
    """

    architecture = "ModernBertForMaskedLM"

    def __init__(self, config: EncoderConfig, *, compute_dtype: torch.dtype | None = None, seed: int | None = 0):
        super().__init__(config, compute_dtype)
        self.decoder = Linear(config.hidden_size, config.vocab_size, config.decoder_bias)
        self.decoder.weight = self.model.embeddings.tok_embeddings.weight
        if seed is not None:
            initialise(self, seed)

    def logits(self, x: Tensor) -> Tensor:
        """Scores over the vocabulary, (..., V), of the hidden states (..., D)."""
        return self.decoder(self.head(x))

    def forward(self, ids_BT: Tensor, positions_BT=None, documents_BT=None) -> Tensor:
        """logits_BTV."""
        return self.logits(self.hidden(ids_BT, positions_BT, documents_BT))


class Classifier(EncoderBase):
    """An encoder that tells labels instead of tokens; with an `encoder` it goes on from that one's weights."""

    def __init__(
        self, config: EncoderConfig, *, encoder: EncoderBase | None = None, compute_dtype: torch.dtype | None = None,
        seed: int | None = 0,
    ):  # fmt: skip
        super().__init__(config, compute_dtype)
        self.classifier = Linear(config.hidden_size, len(config.id2label), bias=True)
        if seed is not None:
            initialise(self, seed)
        if encoder is not None:
            self.model.load_state_dict(encoder.model.state_dict())
            self.head.load_state_dict(encoder.head.state_dict())


class SequenceClassifier(Classifier):
    """A label for every row."""

    architecture = "ModernBertForSequenceClassification"

    def forward(self, ids_BT: Tensor, positions_BT=None, documents_BT: Tensor | None = None) -> Tensor:
        """logits_BL. Places of document -1 are padding; all others of a row count as one text to be pooled."""
        x_BTD = self.hidden(ids_BT, positions_BT, documents_BT)
        mask_BT = torch.ones_like(ids_BT) if documents_BT is None else documents_BT >= 0
        return self.classifier(self.head(pooled(x_BTD, mask_BT, self.config.classifier_pooling)))


class TokenClassifier(Classifier):
    """A label for every place."""

    architecture = "ModernBertForTokenClassification"

    def logits(self, x: Tensor) -> Tensor:
        """Scores over the labels, (..., L), of the hidden states (..., D)."""
        return self.classifier(self.head(x))

    def forward(self, ids_BT: Tensor, positions_BT=None, documents_BT: Tensor | None = None) -> Tensor:
        """logits_BTL."""
        return self.logits(self.hidden(ids_BT, positions_BT, documents_BT))


class View(NamedTuple):
    """Where a layer's places are, and which of them they see."""

    rotation: Rotation
    mask: Mask


class Trunk(nn.Module):
    """Embedding, blocks and final norm, under the names Hugging Face gives them."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.embeddings = Embeddings(config)
        self.layers = nn.ModuleList(Block(config, index) for index in range(config.num_hidden_layers))
        self.final_norm = _norm(config)


class Embeddings(nn.Module):
    """A row for every token, and the norm they go through."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.tok_embeddings = Embedding(config.vocab_size, config.hidden_size)
        self.norm = _norm(config)


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)); with `places_N` of those places alone, as (N, D).

    The first block has no norm before its attention: the embedding's stands just before it.
    """

    def __init__(self, config: EncoderConfig, index: int):
        super().__init__()
        self.attn_norm = _norm(config) if index else nn.Identity()
        self.attn = Attention(config)
        self.mlp_norm = _norm(config)
        self.mlp = GeGLU(config)

    def forward(self, x_BTD: Tensor, view: View, places_N: Tensor | None = None) -> Tensor:
        o_BTD = self.attn(self.attn_norm(x_BTD), view)
        x = at_places(x_BTD, places_N) + self.attn.Wo(at_places(o_BTD, places_N))
        return x + self.mlp(self.mlp_norm(x))


class Attention(nn.Module):
    """Attention that looks both ways. What the heads found, side by side; the block puts it through `Wo`."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.heads = config.num_attention_heads
        self.Wqkv = Linear(config.hidden_size, 3 * config.hidden_size, config.attention_bias)
        self.Wo = Linear(config.hidden_size, config.hidden_size, config.attention_bias)

    def forward(self, x_BTD: Tensor, view: View) -> Tensor:
        q_BHTE, k_BHTE, v_BHTE = split_heads(self.Wqkv(x_BTD), (self.heads, self.heads), None, 0.0, view.rotation)
        return attend(q_BHTE, k_BHTE, v_BHTE, view.mask).flatten(2)


class GeGLU(nn.Module):
    """Wo(gelu(a) * b) of the halves a and b of Wi(x) (arXiv:2002.05202)."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.Wi = Linear(config.hidden_size, 2 * config.intermediate_size, config.mlp_bias)
        self.Wo = Linear(config.intermediate_size, config.hidden_size, config.mlp_bias)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.Wi(x).chunk(2, dim=-1)
        return self.Wo(F.gelu(a) * b)


class PredictionHead(nn.Module):
    """norm(gelu(dense(x))): what stands between the trunk and every head."""

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.dense = Linear(config.hidden_size, config.hidden_size, config.classifier_bias)
        self.norm = _norm(config)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(F.gelu(self.dense(x)))


def _rotation(positions_BT: Tensor, head_dim: int, theta: float) -> Rotation:
    """cos and sin of every place's angles, each (B, T, E), in fp32 (RoFormer, arXiv:2104.09864)."""
    half = torch.arange(0, head_dim, 2, device=positions_BT.device).float()
    angles_BTE = (positions_BT[..., None].float() / theta ** (half / head_dim)).repeat(1, 1, 2)
    return angles_BTE.cos(), angles_BTE.sin()


def _norm(config: EncoderConfig) -> LayerNorm:
    return LayerNorm(config.hidden_size, config.norm_eps, config.norm_bias)


def initialise(model: EncoderBase, seed: int) -> None:
    """Fresh weights: small normal embeddings, products that keep the variance of their input, zero output projections,
    and a classifier that prefers no label yet."""
    fill(model, seed, zeros=("bias", "Wo.weight", "classifier.weight"), spread=_spread)


def _spread(name: str, parameter: Tensor) -> float:
    """The standard deviation a matrix starts with."""
    return 0.02 if "embeddings" in name else 1.0 / math.sqrt(parameter.shape[1])
