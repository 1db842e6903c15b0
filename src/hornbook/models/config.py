"""What a transformer is made of, in Hugging Face's own words."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt, ValidationError, model_validator

from hornbook.core.errors import InputError

ARCHITECTURES = {
    "qwen3": "Qwen3ForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
}


class TransformerConfig(BaseModel):
    """The shape of a decoder; field names and meanings are those of a Hugging Face `config.json`.

    `model_type` names the family and with it what differs: qwen3 normalises each head's queries and keys, qwen2 adds
    a bias to queries, keys and values, llama and mistral do neither. Frozen: two equal configs are the same model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_type: Literal["qwen3", "qwen2", "llama", "mistral"] = "qwen3"
    vocab_size: PositiveInt
    hidden_size: PositiveInt
    intermediate_size: PositiveInt
    num_hidden_layers: PositiveInt
    num_attention_heads: PositiveInt
    num_key_value_heads: PositiveInt
    head_dim: PositiveInt
    max_position_embeddings: PositiveInt = 2048
    rope_theta: PositiveFloat = 10_000.0
    rms_norm_eps: PositiveFloat = 1e-6
    tie_word_embeddings: bool = False
    attention_bias: bool = False

    @model_validator(mode="after")
    def _parts_fit(self) -> TransformerConfig:
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_attention_heads {self.num_attention_heads} must be a multiple of "
                f"num_key_value_heads {self.num_key_value_heads}"
            )
        if self.head_dim % 2:
            raise ValueError(f"head_dim {self.head_dim} must be even: rotary positions turn pairs")
        return self

    @property
    def query_key_norm(self) -> bool:
        """Whether each head's queries and keys are normalised before they are rotated."""
        return self.model_type == "qwen3"

    @property
    def query_key_value_bias(self) -> bool:
        return self.model_type == "qwen2" or self.attention_bias

    @property
    def output_bias(self) -> bool:
        return self.model_type != "qwen2" and self.attention_bias

    @classmethod
    def from_hf(cls, values: dict[str, Any], where: object = "config.json") -> TransformerConfig:
        """Read a Hugging Face config of transformers 4 or 5.

        Raises InputError for a family this class is not, or for a part that would change the arithmetic unseen.
        """
        _refuse_other_arithmetic(values, where)
        known = {name: values[name] for name in cls.model_fields if values.get(name) is not None}
        rope = values.get("rope_parameters") or {}
        known.setdefault("rope_theta", rope.get("rope_theta", 10_000.0))
        heads, width = known.get("num_attention_heads"), known.get("hidden_size")
        known.setdefault("num_key_value_heads", heads)
        if isinstance(heads, int) and isinstance(width, int) and heads > 0:
            known.setdefault("head_dim", width // heads)
        try:
            return cls(**known)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            what = f"{name}: {first['msg']}" if name else first["msg"].removeprefix("Value error, ")
            raise InputError(what, where=where, fix="mend the model's configuration") from None

    def to_hf(self, dtype: str = "float32") -> dict[str, Any]:
        """The dictionary transformers 4 and 5 and vLLM read."""
        return {
            "architectures": [ARCHITECTURES[self.model_type]],
            **self.model_dump(),
            "rope_parameters": {"rope_type": "default", "rope_theta": self.rope_theta},
            "hidden_act": "silu",
            "attention_dropout": 0.0,
            "use_cache": True,
            "use_sliding_window": False,
            "sliding_window": None,
            "torch_dtype": dtype,
            "dtype": dtype,
        }


def _refuse_other_arithmetic(values: dict[str, Any], where: object) -> None:
    """Every key that changes what the model computes and that this class does not follow."""
    kind = values.get("model_type")
    if kind not in ARCHITECTURES:
        fix = f"use one of {', '.join(ARCHITECTURES)}"
        raise InputError(f"model_type {kind!r} is not one Hornbook reads", where=where, fix=fix)
    if values.get("hidden_act", "silu") != "silu":
        raise InputError(f"hidden_act {values['hidden_act']!r} is not silu", where=where, fix="use a SwiGLU model")
    rope = values.get("rope_parameters") or values.get("rope_scaling") or {}
    rope_type = rope.get("rope_type", rope.get("type", "default"))
    if rope_type != "default":
        raise InputError(f"rope type {rope_type!r} is not followed", where=where, fix="use a model of plain RoPE")
    window = values.get("sliding_window")
    slides = values.get("use_sliding_window", kind == "mistral")
    if slides and window and window < values.get("max_position_embeddings", 0):
        raise InputError(f"sliding_window {window} is not followed", where=where, fix="use a model of full attention")
    if values.get("mlp_bias"):
        raise InputError("mlp_bias is not followed", where=where, fix="use a model without it")
