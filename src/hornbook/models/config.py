"""What a transformer is made of, in Hugging Face's own words."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from hornbook.core.errors import InputError
from hornbook.models.hf_config import MOST_LAYERS, SLIDING, checked, read_fields, written
from hornbook.models.rope import THETA, RopeScaling, Yarn


class TransformerConfig(BaseModel):
    """The shape of a decoder; field names and meanings are those of a Hugging Face `config.json`.

    `model_type` names the family and with it what differs: qwen3 normalises each head's queries and keys, qwen2 adds
    a bias to queries, keys and values, llama and mistral do neither; gpt2 has biases everywhere, LayerNorm, whose
    epsilon then is `rms_norm_eps`, and learned positions (`gpt2.py`). Frozen: two equal configs are the same model.

    `sliding_window`: how many places a place sees, itself counted, in the layers that `layer_types` calls
    "sliding_attention", in all where it names none. `rope_scaling`: see `rope.py`, and `longer`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model_type: Literal["qwen3", "qwen2", "llama", "mistral", "gpt2"] = "qwen3"
    vocab_size: PositiveInt
    hidden_size: PositiveInt
    intermediate_size: PositiveInt
    num_hidden_layers: PositiveInt = Field(le=MOST_LAYERS)
    num_attention_heads: PositiveInt
    num_key_value_heads: PositiveInt
    head_dim: PositiveInt
    max_position_embeddings: PositiveInt = Field(default=2048, lt=2**31)  # no weight tells its bounds
    rope_theta: PositiveFloat = THETA
    rms_norm_eps: PositiveFloat = 1e-6
    tie_word_embeddings: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    rope_scaling: RopeScaling | None = None
    sliding_window: PositiveInt | None = None
    layer_types: tuple[Literal["full_attention", "sliding_attention"], ...] | None = None

    @model_validator(mode="after")
    def _parts_fit(self) -> TransformerConfig:
        heads, kind = self.num_attention_heads, self.model_type
        if heads % self.num_key_value_heads:
            kv_heads = self.num_key_value_heads
            raise ValueError(f"num_attention_heads {heads} must be a multiple of num_key_value_heads {kv_heads}")
        if self.head_dim % 2:
            raise ValueError(f"head_dim {self.head_dim} must be even: rotary positions turn pairs")
        if kind in ("llama", "gpt2") and self.hidden_size % heads:
            raise ValueError(f"hidden_size {self.hidden_size} must be a multiple of num_attention_heads {heads}")
        if kind == "gpt2" and (self.num_key_value_heads != heads or self.head_dim * heads != self.hidden_size):
            raise ValueError("gpt2 has as many key-value heads as heads, and they are as wide as the model together")
        if self.attention_bias and kind not in ("qwen3", "llama"):
            raise ValueError(f"attention_bias is not to be chosen for {kind}")
        if self.mlp_bias and kind != "llama":
            raise ValueError(f"mlp_bias is not to be chosen for {kind}")
        if kind == "gpt2" and (self.rope_scaling is not None or self.rope_theta != THETA):
            raise ValueError("gpt2 has no rotary positions: neither rope_scaling nor rope_theta")
        self._windows_fit()
        return self

    def _windows_fit(self) -> None:
        if self.sliding_window is not None and self.model_type in ("llama", "gpt2"):
            raise ValueError(f"{self.model_type} has no sliding_window")
        if self.layer_types is None:
            return
        if len(self.layer_types) != self.num_hidden_layers:
            raise ValueError(f"layer_types names {len(self.layer_types)} of {self.num_hidden_layers} layers")
        if SLIDING in self.layer_types and self.sliding_window is None:
            raise ValueError("layer_types has sliding layers and there is no sliding_window")
        if not self.model_type.startswith("qwen"):
            raise ValueError(f"{self.model_type}'s layers are of one kind: leave layer_types out")

    @property
    def query_key_norm(self) -> bool:
        """Whether each head's queries and keys are normalised before they are rotated."""
        return self.model_type == "qwen3"

    @property
    def query_key_value_bias(self) -> bool:
        return self.model_type in ("qwen2", "gpt2") or self.attention_bias

    @property
    def output_bias(self) -> bool:
        return self.model_type == "gpt2" or self.attention_bias

    @property
    def windows(self) -> tuple[int | None, ...]:
        """Each layer's window: how many places a place sees, itself counted; None where it sees all before it."""
        kinds = self.layer_types or (SLIDING,) * self.num_hidden_layers
        return tuple(self.sliding_window if kind == SLIDING else None for kind in kinds)

    def longer(self, length: int, method: Literal["yarn", "linear", "base"] = "yarn") -> TransformerConfig:
        """The same model for texts of `length` tokens, to be trained on for a little with texts of that length.

        "yarn" stretches the slow pairs and leaves the fast ones (arXiv:2309.00071), "linear" stretches all alike
        (arXiv:2306.15595), "base" raises `rope_theta` so far that the slowest pair turns over `length` places as it
        did over the window (NTK-aware scaling, as in YaRN's section 3.1; arXiv:2309.16039 trains on so). The weights
        stay as they are. Raises InputError for a length within the window, or positions stretched in another way.
        """
        scaling, window = self.rope_scaling, self.max_position_embeddings
        if isinstance(scaling, Yarn) and method == "yarn":
            window = scaling.original_max_position_embeddings
        elif scaling is not None or self.model_type == "gpt2":
            raise InputError("only plain rotary positions can be made longer", where=f"longer by {method}")
        if length <= self.max_position_embeddings:
            raise InputError(f"{length} tokens fit the window of {self.max_position_embeddings}", where="longer")
        factor, size = length / window, self.head_dim
        changes: dict[str, Any] = {"max_position_embeddings": length}
        if method == "base":
            changes["rope_theta"] = self.rope_theta * factor ** (size / (size - 2))
        else:
            changes["rope_scaling"] = {"rope_type": method, "factor": factor}
            if method == "yarn":
                changes["rope_scaling"]["original_max_position_embeddings"] = window
        return TransformerConfig(**self.model_dump() | changes)

    @classmethod
    def from_hf(cls, values: dict[str, Any], where: object = "config.json") -> TransformerConfig:
        """Read a Hugging Face config of transformers 4 or 5.

        Raises InputError for a family this class is not, or for a part that would change the arithmetic unseen.
        """
        return checked(cls, read_fields(values, frozenset(cls.model_fields), where), where)

    def to_hf(self, dtype: str = "float32") -> dict[str, Any]:
        """The dictionary transformers 4 and 5 and vLLM read."""
        return written(self, dtype)
