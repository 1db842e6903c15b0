"""GPT-2 (Radford et al. 2019) of the decoder's own blocks, and its files: GPT2LMHeadModel through a mapping of names.

Inside it has the names of `Transformer`, so that the engine, the optimiser and evaluation find what they look for;
a model folder has GPT-2's, whose products are kept transposed ("Conv1D"), queries, keys and values as one.
"""

from __future__ import annotations

import re
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hornbook.core.errors import InputError
from hornbook.models.config import TransformerConfig
from hornbook.models.layers import Embedding, LayerNorm, Linear
from hornbook.models.rows import Rotation
from hornbook.models.transformer import Attention, Block, Transformer, Trunk

# Our name in a block, GPT-2's, and whether its matrix is kept transposed.
BLOCK_NAMES = (
    ("input_layernorm", "ln_1", False), ("post_attention_layernorm", "ln_2", False),
    ("self_attn.o_proj", "attn.c_proj", True), ("mlp.up_proj", "mlp.c_fc", True), ("mlp.down_proj", "mlp.c_proj", True),
)  # fmt: skip
OUTER_NAMES = {
    "model.embed_tokens.weight": "transformer.wte.weight", "model.embed_positions.weight": "transformer.wpe.weight",
    "model.norm.weight": "transformer.ln_f.weight", "model.norm.bias": "transformer.ln_f.bias",
    "lm_head.weight": "lm_head.weight",
}  # fmt: skip
FUSED, PARTS = "attn.c_attn", ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
NO_WEIGHT = re.compile(r"h\.\d+\.attn\.(bias|masked_bias)")  # masks that early folders have kept


def filed_name(name: str) -> str | None:
    """The name that GPT2LMHeadModel has for a tensor of a folder of GPT-2's; None for one that is no weight. What was
    first published, and GPT2Model, leave "transformer." out."""
    bare = name.removeprefix("transformer.")
    return None if NO_WEIGHT.fullmatch(bare) else bare if bare == "lm_head.weight" else f"transformer.{bare}"


def is_transposed(name: str) -> bool:
    """Whether the tensor that GPT-2's files call so is a product's matrix, kept transposed."""
    products = [FUSED, *(other for _, other, transposed in BLOCK_NAMES if transposed)]
    return name.endswith(tuple(f".{product}.weight" for product in products))


class GPT2(Transformer):
    """A decoder with learned positions, LayerNorm and GELU. As `Transformer`, whose config has model_type "gpt2"."""

    def embedded(self, ids_BT: Tensor, positions_BT: Tensor) -> tuple[Tensor, Rotation]:
        """The token's row and its place's; heads are not turned. Raises InputError for a place that has no row."""
        window, last = self.config.max_position_embeddings, int(positions_BT.max())
        if last >= window:
            raise InputError(f"the text has {last + 1} places and GPT-2 learned {window}", fix="shorten it")
        trunk = cast(GPT2Trunk, self.model)
        embedding_VD = trunk.embed_tokens.weight
        x_BTD = F.embedding(ids_BT, embedding_VD) + F.embedding(positions_BT, trunk.embed_positions.weight)
        still = torch.ones(*positions_BT.shape, self.config.head_dim, device=ids_BT.device)
        return x_BTD.to(self.compute_dtype or embedding_VD.dtype), (still, torch.zeros_like(still))

    @staticmethod
    def trunk(config: TransformerConfig) -> Trunk:
        """All but the head."""
        if config.model_type != "gpt2":
            raise ValueError(f"{config.model_type} is hornbook.models.Transformer, not a GPT2")
        return GPT2Trunk(config)

    @staticmethod
    def as_filed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weights by our names as GPT2LMHeadModel has them."""
        filed = {theirs: tensors[ours] for ours, theirs in OUTER_NAMES.items() if ours in tensors}
        for layer in sorted({int(name.split(".")[2]) for name in tensors if name.startswith("model.layers.")}):
            ours, theirs = f"model.layers.{layer}.", f"transformer.h.{layer}."
            for part in ("weight", "bias"):
                for own, other, transposed in BLOCK_NAMES:
                    tensor = tensors[f"{ours}{own}.{part}"]
                    filed[f"{theirs}{other}.{part}"] = tensor.mT if transposed and tensor.ndim == 2 else tensor
                fused = torch.cat([tensors[f"{ours}{own}.{part}"] for own in PARTS])
                filed[f"{theirs}{FUSED}.{part}"] = fused.mT if fused.ndim == 2 else fused
        return filed

    @staticmethod
    def from_file(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """GPT2LMHeadModel's weights, or GPT2Model's, by our names, for some or all of them."""
        outer = {theirs: ours for ours, theirs in OUTER_NAMES.items()}
        inner = {other: (own, transposed) for own, other, transposed in BLOCK_NAMES}
        read: dict[str, Tensor] = {}
        for name, tensor in tensors.items():
            filed = filed_name(name)
            if filed is None:
                continue
            found = re.fullmatch(r"transformer\.h\.(\d+)\.(.+)\.(weight|bias)", filed)
            layer, key, part = found.groups() if found else ("", "", "")
            start = f"model.layers.{layer}."
            if key == FUSED:
                parts = (tensor.mT.contiguous() if tensor.ndim == 2 else tensor).chunk(3)
                read |= {f"{start}{own}.{part}": piece for own, piece in zip(PARTS, parts, strict=False)}
            elif key in inner:
                own, transposed = inner[key]
                read[f"{start}{own}.{part}"] = tensor.mT.contiguous() if transposed and tensor.ndim == 2 else tensor
            else:
                read[outer.get(filed, name)] = tensor
        return read


class GPT2Trunk(Trunk):
    """Embeddings of tokens and of places, blocks and final norm."""

    def __init__(self, config: TransformerConfig):
        nn.Module.__init__(self)
        self.embed_tokens = Embedding(config.vocab_size, config.hidden_size)
        self.embed_positions = Embedding(config.max_position_embeddings, config.hidden_size)
        self.layers = nn.ModuleList(GPT2Block(config, index) for index in range(config.num_hidden_layers))
        self.norm = LayerNorm(config.hidden_size, config.rms_norm_eps, bias=True)


class GPT2Block(Block):
    """The same two steps with LayerNorm, and a feed-forward layer without a gate."""

    def __init__(self, config: TransformerConfig, index: int):
        nn.Module.__init__(self)
        self.self_attn = Attention(config, index)
        self.mlp = GELULayer(config.hidden_size, config.intermediate_size)
        self.input_layernorm = LayerNorm(config.hidden_size, config.rms_norm_eps, bias=True)
        self.post_attention_layernorm = LayerNorm(config.hidden_size, config.rms_norm_eps, bias=True)


class GELULayer(nn.Module):
    """down(gelu(up(x))), GELU by its tanh form (arXiv:1606.08415)."""

    def __init__(self, width: int, inner: int):
        super().__init__()
        self.up_proj = Linear(width, inner, bias=True)
        self.down_proj = Linear(inner, width, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.gelu(self.up_proj(x), approximate="tanh"))
