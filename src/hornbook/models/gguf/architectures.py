"""The families GGUF and Hugging Face both have: what the one calls its parts and numbers, in the words of the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from torch import Tensor

from hornbook.core.errors import InputError
from hornbook.models.config import TransformerConfig
from hornbook.models.gguf.header import AGAIN, Header

# GGUF's name of a family -> ours. Mistral's models of full attention are `llama` there: the arithmetic is the same.
FAMILIES = {"llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}
WRITTEN = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}
PERMUTED = ("llama",)  # whose queries and keys ggml rotates by neighbours and we by halves

OUTSIDE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
BLOCK = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip
NUMBERS = {  # of config.json, under the family's name in GGUF
    "max_position_embeddings": "context_length", "hidden_size": "embedding_length", "num_hidden_layers": "block_count",
    "intermediate_size": "feed_forward_length", "num_attention_heads": "attention.head_count",
}  # fmt: skip
EPSILON, BASE, KV_HEADS = "attention.layer_norm_rms_epsilon", "rope.freq_base", "attention.head_count_kv"


def read_config(header: Header) -> TransformerConfig:
    """The shape of the model in a GGUF file. Raises InputError for a family, a part or a number that is not read."""
    family = header.value("general.architecture", str)
    if family not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise InputError(f"the architecture {family[:40]!r} is not read", where=header.path, fix=f"take one of {known}")
    values: dict[str, Any] = {name: header.value(f"{family}.{key}", int) for name, key in NUMBERS.items()}
    heads = values["num_attention_heads"]
    if values["num_hidden_layers"] > len(header.tensors):
        raise InputError(f"{values['num_hidden_layers']:,} blocks cannot be", where=header.path, fix=AGAIN)
    embedding = header.tensors.get("token_embd.weight")
    if embedding is None:
        raise InputError("it has no token_embd.weight", where=header.path, fix=AGAIN)
    values |= {
        "model_type": FAMILIES[family], "vocab_size": embedding.shape[0],
        "num_key_value_heads": header.value(f"{family}.{KV_HEADS}", int, heads),
        "rms_norm_eps": _decimal(header.value(f"{family}.{EPSILON}", float)),
        "rope_theta": _decimal(header.value(f"{family}.{BASE}", float, 10_000.0)),
        "tie_word_embeddings": "output.weight" not in header.tensors,
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
    values = config.to_hf()
    if config.model_type not in WRITTEN:
        raise InputError(f"{config.model_type} is not written as GGUF", where=where, fix="export --to hf")
    wide = config.num_attention_heads * config.head_dim != config.hidden_size
    wrong = {
        "stretched positions are": values["rope_parameters"].get("rope_type", "default") != "default",
        "sliding windows are": bool(values.get("sliding_window")),
        "qwen3 with biases is": config.model_type == "qwen3" and config.attention_bias,
        "qwen2 with heads wider than the model is": config.model_type == "qwen2" and wide,
    }
    for what, there in wrong.items():
        if there:  # llama.cpp reads no such file
            raise InputError(f"{what} not written as GGUF", where=where, fix="export --to hf")
    return {
        **{key: values[name] for name, key in NUMBERS.items()},
        KV_HEADS: config.num_key_value_heads, EPSILON: float(config.rms_norm_eps), BASE: float(config.rope_theta),
        "attention.key_length": config.head_dim, "attention.value_length": config.head_dim,
        "rope.dimension_count": config.head_dim, "vocab_size": config.vocab_size,
    }  # fmt: skip


def shapes(config: TransformerConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every tensor of the model under Hugging Face's names, a tied head left out."""
    width, inner, size = config.hidden_size, config.intermediate_size, config.head_dim
    queries, keys = config.num_attention_heads * size, config.num_key_value_heads * size
    yield "model.embed_tokens.weight", (config.vocab_size, width)
    matrices = {
        "self_attn.q_proj": (queries, width), "self_attn.k_proj": (keys, width), "self_attn.v_proj": (keys, width),
        "self_attn.o_proj": (width, queries), "mlp.gate_proj": (inner, width), "mlp.up_proj": (inner, width),
        "mlp.down_proj": (width, inner),
    }  # fmt: skip
    biased = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"] if config.query_key_value_bias else []
    biased += ["self_attn.o_proj"] if config.output_bias else []
    biased += ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"] if config.mlp_bias else []
    norms = {"input_layernorm": width, "post_attention_layernorm": width}
    norms |= {"self_attn.q_norm": size, "self_attn.k_norm": size} if config.query_key_norm else {}
    for layer in range(config.num_hidden_layers):
        before = f"model.layers.{layer}."
        yield from ((f"{before}{name}.weight", shape) for name, shape in matrices.items())
        yield from ((f"{before}{name}.bias", matrices[name][:1]) for name in biased)
        yield from ((f"{before}{name}.weight", (length,)) for name, length in norms.items())
    yield "model.norm.weight", (width,)
    if not config.tie_word_embeddings:
        yield "lm_head.weight", (config.vocab_size, width)


def ggml_name(name: str) -> str:
    """GGUF's name of the tensor that Hugging Face calls `name`."""
    part, _, kind = name.rpartition(".")
    if part in OUTSIDE:
        return f"{OUTSIDE[part]}.{kind}"
    _, _, layer, part = part.split(".", 3)
    return f"blk.{layer}.{BLOCK[part]}.{kind}"


def to_ggml(name: str, tensor: Tensor, family: str, config: TransformerConfig) -> Tensor:
    """The tensor with its rows as ggml has them: of each head's queries and keys (first half, second half) by turns."""
    heads = _rotated_heads(name, family, config)
    return tensor if heads is None else tensor.unflatten(0, (heads, 2, -1)).transpose(1, 2).reshape(tensor.shape)


def from_ggml(name: str, tensor: Tensor, family: str, config: TransformerConfig) -> Tensor:
    """What `to_ggml` was given."""
    heads = _rotated_heads(name, family, config)
    return tensor if heads is None else tensor.unflatten(0, (heads, -1, 2)).transpose(1, 2).reshape(tensor.shape)


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
        "rope_freqs.weight (stretched positions)": "rope_freqs.weight" in header.tensors,
        "experts": bool(stated.get(f"{family}.expert_count")),
        "a head that is rotated in part": stated.get(f"{family}.rope.dimension_count", head_dim) != head_dim,
        "heads whose keys and values differ": stated.get(f"{family}.attention.value_length", head_dim) != head_dim,
    }
    for what, there in wrong.items():
        if there:
            raise InputError(f"{what} is not read from GGUF", where=header.path, fix="take the Hugging Face folder")
