"""What an encoder-decoder is made of, in Hugging Face's own words."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt, model_validator

from hornbook.models.encoder_config import refuse_others
from hornbook.models.hf_config import checked


class EncoderDecoderConfig(BaseModel):
    """The shape of a T5 v1.1 (arXiv:1910.10683, gated gelu: arXiv:2002.05202); field names and meanings are those of
    its `config.json`. Frozen: two equal configs are the same model.

    With `tie_word_embeddings` the embedding is the head as well and hidden states are scaled by d_model**-0.5 before
    it, as in the first T5; v1.1 has a head of its own and scales nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    vocab_size: PositiveInt
    d_model: PositiveInt
    d_kv: PositiveInt
    d_ff: PositiveInt
    num_layers: PositiveInt
    num_decoder_layers: PositiveInt
    num_heads: PositiveInt
    relative_attention_num_buckets: PositiveInt = 32
    relative_attention_max_distance: PositiveInt = 128
    layer_norm_epsilon: PositiveFloat = 1e-6
    tie_word_embeddings: bool = False
    pad_token_id: int = 0
    eos_token_id: int = 1
    decoder_start_token_id: int = 0

    @model_validator(mode="after")
    def _parts_fit(self) -> EncoderDecoderConfig:
        buckets, distance = self.relative_attention_num_buckets, self.relative_attention_max_distance
        if buckets % 4 or distance <= buckets // 2:
            raise ValueError(
                f"relative_attention_num_buckets {buckets} must be a multiple of 4, and half of it below "
                f"relative_attention_max_distance {distance}"
            )
        for name in ("pad_token_id", "eos_token_id", "decoder_start_token_id"):
            if not 0 <= getattr(self, name) < self.vocab_size:
                raise ValueError(f"{name} {getattr(self, name)} is outside a vocabulary of {self.vocab_size}")
        return self

    @classmethod
    def from_hf(cls, values: dict[str, Any], where: object = "config.json") -> EncoderDecoderConfig:
        """Read a T5 v1.1 config of transformers 4 or 5.

        Raises InputError for another family, or for a part that would change the arithmetic unseen.
        """
        refuse_others({"feed_forward_proj": "relu", **values}, where, {
            "model_type": "t5", "feed_forward_proj": "gated-gelu", "is_encoder_decoder": True,
        })  # fmt: skip
        known = {name: values[name] for name in cls.model_fields if values.get(name) is not None}
        known.setdefault("num_decoder_layers", known.get("num_layers"))
        # transformers 5 says it here, and in tie_word_embeddings only that the weights may be one
        known["tie_word_embeddings"] = values.get("scale_decoder_outputs", values.get("tie_word_embeddings", True))
        return checked(cls, known, where)

    def to_hf(self, dtype: str = "float32") -> dict[str, Any]:
        """The dictionary that transformers 4 and 5 read as T5ForConditionalGeneration."""
        return {
            "architectures": ["T5ForConditionalGeneration"],
            "model_type": "t5",
            **self.model_dump(),
            "scale_decoder_outputs": self.tie_word_embeddings,
            "feed_forward_proj": "gated-gelu",
            "is_encoder_decoder": True,
            "dropout_rate": 0.0,
            "use_cache": True,
            "torch_dtype": dtype,
            "dtype": dtype,
        }
