"""The encoder-decoder: T5ForConditionalGeneration (v1.1), under Hugging Face's parameter names.

Shapes: B rows, S places of the source, T of the target, D width, H heads, E head width, V vocabulary.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hornbook.models.attention import Mask, attend, mask_between
from hornbook.models.encoder_decoder_config import EncoderDecoderConfig
from hornbook.models.fresh import fill
from hornbook.models.layers import Embedding, Linear, RMSNorm, side_by_side


class EncoderDecoder(nn.Module):
    """A model that reads one text both ways and writes another (T5, arXiv:1910.10683).

    `compute_dtype` is the type of the activations; None means that of the weights. Without a `seed` the weights are
    whatever the memory held: give it others.
    """

    def __init__(
        self, config: EncoderDecoderConfig, *, compute_dtype: torch.dtype | None = None, seed: int | None = 0
    ):
        super().__init__()
        self.config, self.compute_dtype = config, compute_dtype
        self.shared = Embedding(config.vocab_size, config.d_model)
        self.encoder = Stack(config, config.num_layers, decodes=False)
        self.decoder = Stack(config, config.num_decoder_layers, decodes=True)
        self.lm_head = Linear(config.d_model, config.vocab_size)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.shared.weight
        if seed is not None:
            initialise(self, seed)

    def encode(self, ids_BS: Tensor, documents_BS: Tensor | None = None) -> Tensor:
        """x_BSD of the source. A place sees those of its own number in `documents_BS`; padding is one of number -1."""
        x_BSD, (_, S) = self._embedded(ids_BS), ids_BS.shape
        bias_1HSS = self.encoder.bias(x_BSD, S, S)
        return self.encoder(x_BSD, mask_between(x_BSD, (S, S), documents_BS, documents_BS), bias_1HSS)

    def decode(
        self, ids_BT: Tensor, source_BSD: Tensor, documents_BT: Tensor | None = None,
        documents_BS: Tensor | None = None, kept: Kept | None = None,
    ) -> Tensor:  # fmt: skip
        """x_BTD of the target, ready for the head: place t tells what follows it, from what stands before it in its
        document and from the source of the same number. With `kept` the tokens go on from those decoded with it
        before, one a call and without documents of their own.
        """
        x_BTD, (B, T), S = self._embedded(ids_BT), ids_BT.shape, source_BSD.shape[1]
        if documents_BS is not None and documents_BT is None:
            documents_BT = documents_BS.new_zeros(B, T)
        before = kept.length if kept else 0
        own = Mask(causal=False) if kept else mask_between(x_BTD, (T, T), documents_BT, documents_BT, causal=True)
        crossing = mask_between(x_BTD, (T, S), documents_BT, documents_BS)
        bias_1HTT = self.decoder.bias(x_BTD, T, before + T)
        x_BTD = self.decoder(x_BTD, own, bias_1HTT, source_BSD, crossing, kept)
        return x_BTD * self.config.d_model**-0.5 if self.config.tie_word_embeddings else x_BTD

    def logits(self, x: Tensor) -> Tensor:
        """Scores over the vocabulary, (..., V), of what `decode` gives (..., D)."""
        return self.lm_head(x)

    def forward(
        self, ids_BS: Tensor, target_ids_BT: Tensor, documents_BS: Tensor | None = None,
        target_documents_BT: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """logits_BTV: at each place of the target, read behind a start token, what follows it."""
        source_BSD = self.encode(ids_BS, documents_BS)
        return self.logits(self.decode(target_ids_BT, source_BSD, target_documents_BT, documents_BS))

    def _embedded(self, ids_BT: Tensor) -> Tensor:
        return F.embedding(ids_BT, self.shared.weight).to(self.compute_dtype or self.shared.weight.dtype)


class Kept:
    """The keys and values of every decoder layer: of the places decoded so far, and of the source."""

    def __init__(self, layers: int):
        self.own: list[tuple[Tensor, Tensor] | None] = [None] * layers
        self.source: list[tuple[Tensor, Tensor] | None] = [None] * layers

    @property
    def length(self) -> int:
        """How many places have been decoded."""
        return 0 if self.own[0] is None else self.own[0][0].shape[2]

    def extended(self, layer: int, k_BHTE: Tensor, v_BHTE: Tensor) -> tuple[Tensor, Tensor]:
        """What the layer has kept and these behind it, which are kept from now on."""
        before = self.own[layer]
        both = (k_BHTE, v_BHTE)
        if before is not None:
            both = (torch.cat((before[0], k_BHTE), 2), torch.cat((before[1], v_BHTE), 2))
        self.own[layer] = both
        return both


class Stack(nn.Module):
    """Blocks and a final norm. The first block's attention holds the position bias of all."""

    def __init__(self, config: EncoderDecoderConfig, layers: int, *, decodes: bool):
        super().__init__()
        self.config, self.decodes = config, decodes
        self.block = nn.ModuleList(Block(config, decodes=decodes, first=index == 0) for index in range(layers))
        self.final_layer_norm = RMSNorm(config.d_model, config.layer_norm_epsilon)

    def bias(self, like: Tensor, queries: int, keys: int) -> Tensor:
        """b_1HTS: what each head adds to a query's score of a key, by how far ahead of it the key stands; the queries
        are the last of the `keys` places. In `like`'s type."""
        ahead_L = torch.arange(1 - keys, keys, device=like.device)
        buckets_L = relative_buckets(ahead_L, self.config, both_ways=not self.decodes)
        table = cast(OwnLayer, cast(Block, self.block[0]).layer[0]).SelfAttention.relative_attention_bias
        bias_HL = cast(Embedding, table)(buckets_L).to(like.dtype).T
        return bias_HL.unfold(1, keys, 1)[:, :queries].flip(1)[None]  # the last query has most keys behind it

    def forward(
        self, x_BTD: Tensor, mask: Mask, bias_1HTT: Tensor, source_BSD: Tensor | None = None,
        crossing: Mask = Mask(), kept: Kept | None = None,
    ) -> Tensor:  # fmt: skip
        for index, block in enumerate(self.block):
            x_BTD = block(x_BTD, mask, bias_1HTT, source_BSD, crossing, kept, index)
        return self.final_layer_norm(x_BTD)


class Block(nn.Module):
    """Own places, in decoders the source's as well, then the feed-forward layer: each x + layer(norm(x))."""

    def __init__(self, config: EncoderDecoderConfig, *, decodes: bool, first: bool):
        super().__init__()
        crossing = [CrossLayer(config)] if decodes else []
        self.layer = nn.ModuleList([OwnLayer(config, biased=first), *crossing, ForwardLayer(config)])

    def forward(self, x_BTD, mask: Mask, bias_1HTT, source_BSD, crossing: Mask, kept: Kept | None, index: int):
        own, *cross, forward = self.layer
        x_BTD = own(x_BTD, mask, bias_1HTT, kept, index)
        for layer in cross:
            x_BTD = layer(x_BTD, source_BSD, crossing, kept, index)
        return forward(x_BTD)


class OwnLayer(nn.Module):
    """Attention to the places of the same text."""

    def __init__(self, config: EncoderDecoderConfig, *, biased: bool):
        super().__init__()
        self.SelfAttention = Attention(config, biased=biased)
        self.layer_norm = RMSNorm(config.d_model, config.layer_norm_epsilon)

    def forward(self, x_BTD: Tensor, mask: Mask, bias_1HTT: Tensor, kept: Kept | None, index: int) -> Tensor:
        attention = self.SelfAttention
        q, k, v = attention.split(side_by_side(self.layer_norm(x_BTD), attention.q, attention.k, attention.v))
        if kept is not None:
            k, v = kept.extended(index, k, v)
        return x_BTD + attention.joined(attend(q, k, v, mask, scale=1.0, bias_1HTS=bias_1HTT))


class CrossLayer(nn.Module):
    """Attention to the source, which no position tells apart."""

    def __init__(self, config: EncoderDecoderConfig):
        super().__init__()
        self.EncDecAttention = Attention(config, biased=False)
        self.layer_norm = RMSNorm(config.d_model, config.layer_norm_epsilon)

    def forward(self, x_BTD: Tensor, source_BSD: Tensor, mask: Mask, kept: Kept | None, index: int) -> Tensor:
        attention = self.EncDecAttention
        (q,) = attention.split(attention.q(self.layer_norm(x_BTD)))
        known = None if kept is None else kept.source[index]
        k, v = known or attention.split(side_by_side(source_BSD, attention.k, attention.v))
        if kept is not None:
            kept.source[index] = (k, v)
        return x_BTD + attention.joined(attend(q, k, v, mask, scale=1.0))


class ForwardLayer(nn.Module):
    """The feed-forward layer."""

    def __init__(self, config: EncoderDecoderConfig):
        super().__init__()
        self.DenseReluDense = GeGLU(config)
        self.layer_norm = RMSNorm(config.d_model, config.layer_norm_epsilon)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.DenseReluDense(self.layer_norm(x))


class Attention(nn.Module):
    """The products around an attention whose scores are not scaled: fresh queries are made as small as need be."""

    def __init__(self, config: EncoderDecoderConfig, *, biased: bool):
        super().__init__()
        self.heads, inner = config.num_heads, config.num_heads * config.d_kv
        self.q = Linear(config.d_model, inner)
        self.k = Linear(config.d_model, inner)
        self.v = Linear(config.d_model, inner)
        self.o = Linear(inner, config.d_model)
        buckets = config.relative_attention_num_buckets
        self.relative_attention_bias = Embedding(buckets, config.num_heads) if biased else None

    def split(self, x_BTC: Tensor) -> tuple[Tensor, ...]:
        """What lies side by side in x, each as (B, H, T, E)."""
        parts = x_BTC.shape[-1] // self.q.out_features
        return x_BTC.unflatten(-1, (parts, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind()

    def joined(self, o_BTHE: Tensor) -> Tensor:
        """x_BTD of what the heads found."""
        return self.o(o_BTHE.flatten(2))


class GeGLU(nn.Module):
    """wo(gelu(wi_0(x)) * wi_1(x)), the gelu by its tanh approximation (arXiv:2002.05202)."""

    def __init__(self, config: EncoderDecoderConfig):
        super().__init__()
        self.wi_0 = Linear(config.d_model, config.d_ff)
        self.wi_1 = Linear(config.d_model, config.d_ff)
        self.wo = Linear(config.d_ff, config.d_model)

    def forward(self, x: Tensor) -> Tensor:
        a, b = side_by_side(x, self.wi_0, self.wi_1).chunk(2, dim=-1)
        return self.wo(F.gelu(a, approximate="tanh") * b)


def relative_buckets(ahead_L: Tensor, config: EncoderDecoderConfig, *, both_ways: bool) -> Tensor:
    """The bucket of each distance, int64: near ones have one of their own, farther ones share, in proportion to the
    logarithm, and all from relative_attention_max_distance on share the last. Half are for what stands ahead if
    `both_ways`; otherwise nothing does (section 2.1 of arXiv:1910.10683).
    """
    buckets = config.relative_attention_num_buckets // (2 if both_ways else 1)
    ahead = (ahead_L > 0).long() * buckets if both_ways else torch.zeros_like(ahead_L)
    distance = ahead_L.abs() if both_ways else (-ahead_L).clamp(min=0)
    near = buckets // 2
    steps = math.log(config.relative_attention_max_distance / near)
    far = near + (torch.log(distance.clamp(min=1).float() / near) / steps * (buckets - near)).long()
    return ahead + torch.where(distance < near, distance, far.clamp(max=buckets - 1))


def initialise(model: EncoderDecoder, seed: int) -> None:
    """Fresh weights: a normal embedding, products that keep the variance of their input, queries small by the root of
    the head width, for scores are not scaled; output projections of zero, and no bias for any distance yet."""

    def spread(name: str, parameter: Tensor) -> float:
        kept = 1.0 if name == "shared.weight" else parameter.shape[1] ** -0.5
        return kept * (model.config.d_kv**-0.5 if name.endswith("Attention.q.weight") else 1.0)

    fill(model, seed, zeros=(".o.weight", ".wo.weight", "relative_attention_bias.weight"), spread=spread)
