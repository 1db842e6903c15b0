"""The families GGUF and Hugging Face both have: what the one calls its parts and numbers, in the words of the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from hornbook.core.errors import DamagedError, InputError
from hornbook.models.config import TransformerConfig
from hornbook.models.gguf.header import AGAIN, Header
from hornbook.models.gguf.stretching import FREQUENCIES
from hornbook.models.gpt2 import is_transposed
from hornbook.models.hf_config import GPT2_NAMES
from hornbook.models.rope import Llama3

FAMILIES = ("llama", "qwen2", "qwen3", "gpt2")  # by the same name here and there
# Mistral's models of full attention are `llama` in GGUF: the arithmetic is the same.
WRITTEN = {"mistral": "llama", **{family: family for family in FAMILIES}}
PERMUTED = ("llama",)  # whose queries and keys ggml rotates by neighbours and we by halves

OUTSIDE = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    "transformer.wte": "token_embd", "transformer.wpe": "position_embd", "transformer.ln_f": "output_norm",
}  # fmt: skip
BLOCK = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
}  # fmt: skip
NUMBERS = {  # of config.json, under the family's name in GGUF
    "max_position_embeddings": "context_length", "hidden_size": "embedding_length", "num_hidden_layers": "block_count",
    "intermediate_size": "feed_forward_length", "num_attention_heads": "attention.head_count",
}  # fmt: skip
EPSILON, BASE, KV_HEADS = "attention.layer_norm_rms_epsilon", "rope.freq_base", "attention.head_count_kv"
GPT2_EPSILON = "attention.layer_norm_epsilon"


def read_config(header: Header) -> TransformerConfig:
    """The shape of the model in a GGUF file. Raises InputError for a family, a part or a number that is not read,
    DamagedError for numbers that its tensors contradict."""
    family = header.value("general.architecture", str)
    if family not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise InputError(f"the architecture {family[:40]!r} is not read", where=header.path, fix=f"take one of {known}")
    values: dict[str, Any] = {name: header.value(f"{family}.{key}", int) for name, key in NUMBERS.items()}
    heads = values["num_attention_heads"]
    if values["num_hidden_layers"] > len(header.tensors):
        raise DamagedError(f"{values['num_hidden_layers']:,} blocks cannot be", where=header.path, fix=AGAIN)
    embedding = header.tensors.get("token_embd.weight")
    if embedding is None:
        raise DamagedError("it has no token_embd.weight", where=header.path, fix=AGAIN)
    values |= {
        "model_type": family, "vocab_size": embedding.shape[0],
        "tie_word_embeddings": "output.weight" not in header.tensors,
    }  # fmt: skip
    if family == "gpt2":
        values["rms_norm_eps"] = _decimal(header.value(f"{family}.{GPT2_EPSILON}", float))
        in_its_words = {GPT2_NAMES.get(name, name): value for name, value in values.items()}
        return TransformerConfig.from_hf(in_its_words, where=header.path)
    values |= {
        "num_key_value_heads": header.value(f"{family}.{KV_HEADS}", int, heads),
        "rms_norm_eps": _decimal(header.value(f"{family}.{EPSILON}", float)),
        "rope_theta": _decimal(header.value(f"{family}.{BASE}", float, 10_000.0)),
        "attention_bias": family != "qwen2" and "blk.0.attn_q.bias" in header.tensors,
        "mlp_bias": "blk.0.ffn_up.bias" in header.tensors,
    }  # fmt: skip
    width = header.value(f"{family}.attention.key_length", int, header.value(f"{family}.rope.dimension_count", int, 0))
    if width:
        values["head_dim"] = width
    _refuse_other_arithmetic(header, family, values.get("head_dim"))
    window = header.value(f"{family}.attention.sliding_window", int, 0)
    if window:
        values |= {"model_type": "mistral" if family == "llama" else family, "sliding_window": window}
        values["use_sliding_window"] = True
    return TransformerConfig.from_hf(values, where=header.path)


def metadata(config: TransformerConfig, where: object) -> dict[str, Any]:
    """GGUF's numbers for the model, keys without the family's name. Raises InputError for what llama.cpp has no place
    for."""
    numbers = {**{key: getattr(config, name) for name, key in NUMBERS.items()}, "vocab_size": config.vocab_size}
    if config.model_type == "gpt2":
        return {**numbers, GPT2_EPSILON: float(config.rms_norm_eps)}
    wide = config.num_attention_heads * config.head_dim != config.hidden_size
    stretched = config.rope_scaling is not None
    if isinstance(config.rope_scaling, Llama3):  # a tensor of its own says it (`stretching.py`)
        stretched = WRITTEN[config.model_type] != "llama"
    wrong = {
        "positions stretched so are": stretched,
        "sliding windows are": config.sliding_window is not None,
        "qwen3 with biases is": config.model_type == "qwen3" and config.attention_bias,
        "qwen2 with heads wider than the model is": config.model_type == "qwen2" and wide,
    }
    for what, there in wrong.items():
        if there:  # llama.cpp reads no such file
            raise InputError(f"{what} not written as GGUF", where=where, fix="export --to hf")
    return {
        **numbers,
        KV_HEADS: config.num_key_value_heads, EPSILON: float(config.rms_norm_eps), BASE: float(config.rope_theta),
        "attention.key_length": config.head_dim, "attention.value_length": config.head_dim,
        "rope.dimension_count": config.head_dim,
    }  # fmt: skip


def ggml_name(name: str) -> str:
    """GGUF's name of the tensor that Hugging Face calls `name`."""
    part, _, kind = name.rpartition(".")
    if part in OUTSIDE:
        return f"{OUTSIDE[part]}.{kind}"
    _, _, layer, part = part.split(".", 3)
    return f"blk.{layer}.{BLOCK[part]}.{kind}"


def to_ggml(name: str, tensor: Tensor, family: str, config: TransformerConfig) -> Tensor:
    """The tensor as ggml has it: of each head's queries and keys the rows (first half, second half) by turns, and what
    GPT-2's files keep transposed as products have it."""
    if family == "gpt2":
        return tensor.mT if is_transposed(name) else tensor
    heads = _rotated_heads(name, family, config)
    return tensor if heads is None else tensor.unflatten(0, (heads, 2, -1)).transpose(1, 2).reshape(tensor.shape)


def from_ggml(name: str, tensor: Tensor, family: str, config: TransformerConfig) -> Tensor:
    """What `to_ggml` was given."""
    if family == "gpt2":
        return to_ggml(name, tensor, family, config)
    heads = _rotated_heads(name, family, config)
    return tensor if heads is None else tensor.unflatten(0, (heads, -1, 2)).transpose(1, 2).reshape(tensor.shape)


def ggml_shape(name: str, shape: tuple[int, ...], family: str) -> tuple[int, ...]:
    """The shape of `to_ggml`'s tensor."""
    return shape[::-1] if family == "gpt2" and is_transposed(name) else shape


def _rotated_heads(name: str, family: str, config: TransformerConfig) -> int | None:
    if family not in PERMUTED:
        return None
    return {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(name.split(".")[-2])


def _decimal(value: float) -> float:
    """The shortest decimal that is this fp32 number: 1e-05, not 9.999999747378752e-06."""
    return float(str(np.float32(value)))


def _refuse_other_arithmetic(header: Header, family: str, head_dim: int | None) -> None:
    """Every key that changes what the model computes and that is not followed."""
    stated: Mapping[str, Any] = header.metadata
    scaling = stated.get(f"{family}.rope.scaling.type", "none")
    wrong = {
        f"rope scaling {str(scaling)[:20]!r}": scaling not in ("none", ""),
        f"rope_freqs.weight of a {family}": family != "llama" and FREQUENCIES in header.tensors,
        "experts": bool(stated.get(f"{family}.expert_count")),
        "a head that is rotated in part": stated.get(f"{family}.rope.dimension_count", head_dim) != head_dim,
        "heads whose keys and values differ": stated.get(f"{family}.attention.value_length", head_dim) != head_dim,
    }
    for what, there in wrong.items():
        if there:
            raise InputError(f"{what} is not read from GGUF", where=header.path, fix="take the Hugging Face folder")
