"""Small models of every family with random weights, and transformers' own with the same ones."""

from __future__ import annotations

from typing import Any

import torch
import transformers

from hornbook.models import GPT2, Transformer, TransformerConfig

SHAPE: dict[str, Any] = {
    "vocab_size": 96, "hidden_size": 32, "intermediate_size": 80, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 128, "rope_theta": 5000.0,
}  # fmt: skip
GPT2_SHAPE = {"num_key_value_heads": 4, "head_dim": 8, "rope_theta": 10_000.0, "rms_norm_eps": 1e-5}
ORIGINAL = {"factor": 4.0, "original_max_position_embeddings": 32}
ROPES: dict[str, dict[str, Any] | None] = {
    "plain": None,
    "linear": {"rope_type": "linear", "factor": 4.0},
    "dynamic": {"rope_type": "dynamic", "factor": 4.0},
    "llama3": {"rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0, **ORIGINAL},
    "yarn": {"rope_type": "yarn", **ORIGINAL},
    "yarn by hand": {"rope_type": "yarn", "attention_factor": 0.8, "beta_fast": 16.0, "beta_slow": 2.0,
                     "truncate": False, **ORIGINAL},
    "yarn of DeepSeek": {"rope_type": "yarn", "mscale": 1.5, "mscale_all_dim": 0.7, **ORIGINAL},
}  # fmt: skip
MIXED = ("full_attention", "sliding_attention", "full_attention")
# Each family with what it alone can have.
FAMILIES: dict[str, dict[str, Any]] = {
    "qwen3": {}, "qwen3 biases": {"attention_bias": True},
    "qwen3 windows": {"sliding_window": 20, "layer_types": MIXED},
    "qwen2": {"head_dim": 8}, "qwen2 windows": {"head_dim": 8, "sliding_window": 20}, "llama": {},
    "llama biases": {"attention_bias": True, "mlp_bias": True}, "mistral": {}, "mistral window": {"sliding_window": 20},
}  # fmt: skip


def family(name: str, **changes: Any) -> TransformerConfig:
    return TransformerConfig(model_type=name.split()[0], **SHAPE | FAMILIES[name] | changes)


def gpt2(**changes: Any) -> TransformerConfig:
    return TransformerConfig(model_type="gpt2", **SHAPE | GPT2_SHAPE | changes)


def varied(config: TransformerConfig, seed: int = 2) -> Transformer:
    """A model with random weights everywhere, norms and biases too."""
    model = (GPT2 if config.model_type == "gpt2" else Transformer)(config, seed=None)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            centre = 1.0 if name.endswith("norm.weight") else 0.0
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2 + centre)
    return model


def theirs(model: Transformer) -> Any:
    """transformers' model of the same configuration and weights."""
    config = transformers.AutoConfig.for_model(**model.config.to_hf())
    made = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    made.load_state_dict(model.as_filed(model.state_dict()))
    return made


def ids(*shape: int, seed: int = 3, vocab: int = SHAPE["vocab_size"]) -> torch.Tensor:
    return torch.randint(0, vocab, shape, generator=torch.Generator().manual_seed(seed))
