"""A `config.json` as Hugging Face has it: what Hornbook reads of one, and what it writes.

Where a family's config leaves a key out, what transformers takes is taken; what would change the arithmetic and is not
followed is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from hornbook.core.errors import InputError
from hornbook.models.rope import read_rope, written_rope

if TYPE_CHECKING:
    from hornbook.models.config import TransformerConfig

ARCHITECTURES = {
    "qwen3": "Qwen3ForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "gpt2": "GPT2LMHeadModel",
}
FULL, SLIDING = "full_attention", "sliding_attention"
LEFT_OUT = {  # a null, where the key is there, is as many key-value heads as heads, and no window
    "qwen3": {"max_position_embeddings": 32768, "num_key_value_heads": 32, "head_dim": 128},
    "qwen2": {"max_position_embeddings": 32768, "num_key_value_heads": 32},
    "llama": {"max_position_embeddings": 2048},
    "mistral": {"max_position_embeddings": 131072, "num_key_value_heads": 8},
}
MOST_LAYERS = 10_000  # no model has so many; a file that says so is damaged
WINDOW, FULL_LAYERS = 4096, 28  # `sliding_window` and `max_window_layers`, left out where there are windows
GPT2_NAMES = {
    "vocab_size": "vocab_size", "hidden_size": "n_embd", "intermediate_size": "n_inner",
    "num_hidden_layers": "n_layer", "num_attention_heads": "n_head", "max_position_embeddings": "n_positions",
    "rms_norm_eps": "layer_norm_epsilon", "tie_word_embeddings": "tie_word_embeddings",
}  # fmt: skip
GPT2_LEFT_OUT = {
    "vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024, "layer_norm_epsilon": 1e-5,
    "tie_word_embeddings": True,
}  # fmt: skip
NO_TOKENS = {"bos_token_id": None, "eos_token_id": None}  # left out they are 1 and 2, or GPT-2's, in transformers
GELU_TANH = ("gelu_new", "gelu_pytorch_tanh")  # two names of one function

C = TypeVar("C", bound=BaseModel)


def checked(kind: type[C], values: dict[str, Any], where: object) -> C:
    """The configuration of these values. Raises InputError with the first thing wrong, in one line."""
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        what = f"{name}: {first['msg']}" if name else first["msg"].removeprefix("Value error, ")
        raise InputError(what, where=where, fix="mend the model's configuration") from None


def read_fields(values: dict[str, Any], names: frozenset[str], where: object) -> dict[str, Any]:
    """The fields of a `TransformerConfig`, which has those `names`, not yet checked against each other.

    Raises InputError for a family Hornbook does not know, or for a part it does not follow.
    """
    kind = values.get("model_type")
    if not isinstance(kind, str) or kind not in ARCHITECTURES:
        fix = f"use one of {', '.join(ARCHITECTURES)}"
        raise InputError(f"model_type {kind!r} is not one Hornbook reads", where=where, fix=fix)
    if kind == "gpt2":
        return _read_gpt2(values, where)
    _only(values, "hidden_act", ("silu",), where)
    values = LEFT_OUT[kind] | values
    known = {name: values[name] for name in names if values.get(name) is not None}
    heads, width = known.get("num_attention_heads"), known.get("hidden_size")
    known.setdefault("num_key_value_heads", heads)
    if isinstance(heads, int) and isinstance(width, int) and heads > 0:
        known.setdefault("head_dim", width // heads)
    for name, kinds in (("attention_bias", ("qwen3", "llama")), ("mlp_bias", ("llama",))):
        if kind not in kinds:
            known.pop(name, None)  # transformers has no such choice there, whatever the file says
    known["rope_theta"], known["rope_scaling"] = read_rope(values, where)
    known["sliding_window"], known["layer_types"] = _read_windows(values, where)
    return known


def written(config: TransformerConfig, dtype: str) -> dict[str, Any]:
    """The dictionary transformers 4 and 5 and vLLM read. `dtype` is the weights' type, such as "float32"."""
    start = {"architectures": [ARCHITECTURES[config.model_type]]}
    end = {"torch_dtype": dtype, "dtype": dtype}
    if config.model_type == "gpt2":
        return start | _written_gpt2(config) | end
    rope = written_rope(config.rope_scaling) if config.rope_scaling else {"rope_type": "default"}
    values = {
        **start,
        **config.model_dump(exclude={"mlp_bias", "rope_scaling", "sliding_window", "layer_types"}),
        "rope_parameters": {**rope, "rope_theta": config.rope_theta},
        "hidden_act": "silu",
        "attention_dropout": 0.0,
        "use_cache": True,
        "use_sliding_window": False,
        "sliding_window": None,
        **end,
    }
    if not config.model_type.startswith("qwen"):
        values |= NO_TOKENS
    if config.mlp_bias:
        values["mlp_bias"] = True
    if config.rope_scaling:
        values["rope_scaling"] = rope
    return values | _written_windows(config)


def _read_windows(values: dict[str, Any], where: object) -> tuple[Any, Any]:
    """`sliding_window` and `layer_types`: Mistral's layers have the window where there is one, Qwen's where
    `use_sliding_window` says so, by name or from `max_window_layers` on."""
    kind, types, window = values["model_type"], values.get("layer_types"), values.get("sliding_window", WINDOW)
    layers, full = values.get("num_hidden_layers"), values.get("max_window_layers", FULL_LAYERS)
    if kind == "llama":
        _only(values, "use_sliding_window", (False,), where)
        return None, None
    if kind == "mistral":
        mixed = window is not None and isinstance(types, list) and FULL in types
        return window, types if mixed else None
    if not values.get("use_sliding_window"):
        window = None
    if types is None:
        if window is None or not isinstance(layers, int) or not 0 < layers <= MOST_LAYERS:
            return None, None
        if not isinstance(full, int):
            raise InputError(f"max_window_layers {full!r} is no number", where=where, fix="say how many layers see all")
        types = [FULL if index < full else SLIDING for index in range(layers)]
    alike = isinstance(types, list) and len(types) == layers and types == types[:1] * len(types)
    if alike and types[0] == FULL:
        return None, None
    return window, None if alike and types[0] == SLIDING and window is not None else types


def _written_windows(config: TransformerConfig) -> dict[str, Any]:
    if config.sliding_window is None:
        return {}
    if config.model_type == "mistral":
        return {"sliding_window": config.sliding_window}
    types = [FULL if window is None else SLIDING for window in config.windows]
    values = {"use_sliding_window": True, "sliding_window": config.sliding_window, "layer_types": types}
    full = types.count(FULL)
    return values | ({"max_window_layers": full} if SLIDING not in types[:full] else {})


def _read_gpt2(values: dict[str, Any], where: object) -> dict[str, Any]:
    _only(values, "activation_function", GELU_TANH, where)
    _only(values, "scale_attn_weights", (True,), where)
    _only(values, "scale_attn_by_inverse_layer_idx", (False,), where)
    _only(values, "add_cross_attention", (False,), where)
    values = GPT2_LEFT_OUT | values
    known = {ours: values[theirs] for ours, theirs in GPT2_NAMES.items() if values.get(theirs) is not None}
    heads, width = known.get("num_attention_heads"), known.get("hidden_size")
    if isinstance(width, int):
        known.setdefault("intermediate_size", 4 * width)
    if isinstance(heads, int) and isinstance(width, int) and heads > 0:
        known["head_dim"] = width // heads
    return known | {"model_type": "gpt2", "num_key_value_heads": heads}


def _written_gpt2(config: TransformerConfig) -> dict[str, Any]:
    values = {theirs: getattr(config, ours) for ours, theirs in GPT2_NAMES.items()}
    return {"model_type": "gpt2", **values, "activation_function": GELU_TANH[0], "use_cache": True, **NO_TOKENS}


def _only(values: dict[str, Any], name: str, followed: tuple[Any, ...], where: object) -> None:
    given = values.get(name, followed[0])
    if given not in followed and given is not None:
        fix = f"use a model where it is {' or '.join(map(str, followed))}"
        raise InputError(f"{name} {given!r} is not followed", where=where, fix=fix)
