"""What an encoder is made of, in Hugging Face's own words."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from hornbook.core.errors import InputError
from hornbook.models.hf_config import checked


class EncoderConfig(BaseModel):
    """The shape of a ModernBERT (arXiv:2412.13663); field names and meanings are those of its `config.json`.

    Every `global_attn_every_n_layers`-th layer, the first among them, looks everywhere and turns its rotary positions
    by `global_rope_theta`; the others look `local_attention` // 2 places to either side and turn by `local_rope_theta`.
    `id2label` names what a classifier tells apart. Frozen: two equal configs are the same model.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    vocab_size: PositiveInt
    hidden_size: PositiveInt
    intermediate_size: PositiveInt
    num_hidden_layers: PositiveInt
    num_attention_heads: PositiveInt
    max_position_embeddings: PositiveInt = 8192
    global_attn_every_n_layers: PositiveInt = 3
    local_attention: PositiveInt = 128
    global_rope_theta: PositiveFloat = 160_000.0
    local_rope_theta: PositiveFloat = 10_000.0
    norm_eps: PositiveFloat = 1e-5
    norm_bias: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    decoder_bias: bool = True
    classifier_bias: bool = False
    classifier_pooling: Literal["cls", "mean"] = "cls"
    id2label: dict[int, str] = Field(default_factory=dict)
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | None = None
    cls_token_id: int | None = None
    sep_token_id: int | None = None

    @model_validator(mode="after")
    def _parts_fit(self) -> EncoderConfig:
        if self.hidden_size % (2 * self.num_attention_heads):
            raise ValueError(
                f"hidden_size {self.hidden_size} must give each of {self.num_attention_heads} heads an even width: "
                "rotary positions turn pairs"
            )
        if sorted(self.id2label) != list(range(len(self.id2label))):
            raise ValueError(f"id2label must number its labels from 0 on, not {sorted(self.id2label)}")
        return self

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_attention_heads

    def looks_everywhere(self, layer: int) -> bool:
        """Whether that layer's attention is global."""
        return layer % self.global_attn_every_n_layers == 0

    def labelled(self, *labels: str) -> EncoderConfig:
        """The same shape, telling these labels apart."""
        return self.model_copy(update={"id2label": dict(enumerate(labels))})

    @classmethod
    def from_hf(cls, values: dict[str, Any], where: object = "config.json") -> EncoderConfig:
        """Read a ModernBERT config of transformers 4 or 5.

        Raises InputError for another family, or for a part that would change the arithmetic unseen.
        """
        refuse_others(values, where, {
            "model_type": "modernbert", "hidden_activation": "gelu", "classifier_activation": "gelu",
            "tie_word_embeddings": True,
        })  # fmt: skip
        known = {name: values[name] for name in cls.model_fields if values.get(name) is not None}
        rope = values.get("rope_parameters") or {}
        for name, kind in (("global_rope_theta", "full_attention"), ("local_rope_theta", "sliding_attention")):
            own = rope.get(kind) or {}
            refuse_others(own, where, {"rope_type": "default"})
            if own.get("rope_theta") is not None:
                known[name] = own["rope_theta"]
        if values.get("rope_scaling"):
            raise InputError("rope_scaling is not followed", where=where, fix="use a model of plain RoPE")
        if isinstance(values.get("layer_types"), list):
            known["global_attn_every_n_layers"] = _every(values["layer_types"], where)
        return checked(cls, known, where)

    def to_hf(self, architecture: str, dtype: str = "float32") -> dict[str, Any]:
        """The dictionary that transformers 4 and 5 read as a model of that class, such as ModernBertForMaskedLM."""
        values = self.model_dump()
        names = {str(index): name for index, name in values.pop("id2label").items()}
        labels = {"id2label": names, "label2id": {name: int(index) for index, name in names.items()}} if names else {}
        layers = range(self.num_hidden_layers)
        bases = {"full_attention": self.global_rope_theta, "sliding_attention": self.local_rope_theta}
        return {
            "architectures": [architecture],
            "model_type": "modernbert",
            **values,
            **labels,
            "layer_types": ["full_attention" if self.looks_everywhere(i) else "sliding_attention" for i in layers],
            "rope_parameters": {kind: {"rope_type": "default", "rope_theta": base} for kind, base in bases.items()},
            "hidden_activation": "gelu",
            "classifier_activation": "gelu",
            "tie_word_embeddings": True,
            "torch_dtype": dtype,
            "dtype": dtype,
        }


def refuse_others(values: dict[str, Any], where: object, followed: dict[str, Any]) -> None:
    """Raise InputError for the first key of `values` that asks for other than what is `followed`; one that is missing
    asks for nothing, but for the model_type."""
    for name, ours in followed.items():
        theirs = values.get(name, None if name == "model_type" else ours)
        if theirs != ours:
            fix = f"use a model whose {name} is {ours!r}"
            raise InputError(f"{name} {theirs!r} is not followed", where=where, fix=fix)


def _every(kinds: list[str], where: object) -> int:
    """Of how many layers one is global, when they alternate from the first on."""
    count = next((n for n in range(1, len(kinds)) if kinds[n] == "full_attention"), len(kinds))
    regular = ["sliding_attention" if index % count else "full_attention" for index in range(len(kinds))]
    if kinds != regular:
        fix = "use a model whose first layer and every n-th after it look everywhere"
        raise InputError(f"layer_types {kinds} is not followed", where=where, fix=fix)
    return count
