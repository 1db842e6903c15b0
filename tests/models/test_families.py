"""Every family and kind of rotary positions against transformers: logits, gradients, packed rows, folders."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.errors import HornbookError, InputError
from hornbook.models import GPT2, Transformer, TransformerConfig, load_model, save_model
from hornbook.models.positions import pair_frequencies, rotations
from tests.models.families import FAMILIES, MIXED, ROPES, family, gpt2, ids, theirs, varied

CONFIGS = {
    **{name: family(name) for name in FAMILIES},
    **{f"{name}, {kind}": family(name, rope_scaling=ROPES[kind])
       for kind in ROPES for name in ("qwen3", "qwen2 windows", "llama", "mistral window") if kind != "plain"},
    "gpt2": gpt2(), "gpt2 tied": gpt2(tie_word_embeddings=True),
}  # fmt: skip
FEW = ["qwen3 windows", "llama biases", "qwen3, yarn", "mistral window, yarn by hand", "gpt2"]


@pytest.mark.parametrize("name", CONFIGS)
def test_logits_are_those_of_transformers(name: str) -> None:
    """Over more places than the window, and more than the original positions."""
    model = varied(CONFIGS[name])
    other, ids_BT = theirs(model), ids(2, 120 if name.startswith("gpt2") else 200)
    with torch.no_grad():
        expected = other(ids_BT).logits
        torch.testing.assert_close(model(ids_BT), expected, rtol=0, atol=3e-5)
    torch.testing.assert_close(model(ids_BT), expected, rtol=0, atol=3e-5)  # what training runs


@pytest.mark.parametrize("name", FEW)
def test_gradients_are_those_of_transformers(name: str) -> None:
    model = varied(CONFIGS[name])
    other, ids_BT = theirs(model), ids(2, 70)
    weights = torch.randn(2, 70, 96, generator=torch.Generator().manual_seed(4))
    for one, logits in ((model, model(ids_BT)), (other, other(ids_BT).logits)):
        one.zero_grad()
        (logits * weights).mean().backward()
    expected = model.from_file({name: parameter.grad for name, parameter in other.named_parameters()})
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("with_gradient", [False, True])
def test_a_packed_row_gives_the_logits_of_its_documents_alone(name: str, with_gradient: bool) -> None:
    model, lengths = varied(CONFIGS[name]), (50, 1, 31)
    documents = [ids(1, length, seed=length) for length in lengths]
    positions_BT = torch.cat([torch.arange(length) for length in lengths])[None]
    documents_BT = torch.repeat_interleave(torch.arange(3), torch.tensor(lengths))[None]
    with torch.set_grad_enabled(with_gradient):
        packed = model(torch.cat(documents, 1), positions_BT, documents_BT)
        alone = torch.cat([model(document) for document in documents], 1)
    torch.testing.assert_close(packed, alone, rtol=0, atol=3e-5)


def test_answers_packed_behind_one_prompt_have_their_windows_in_it() -> None:
    """Two answers go on from one prompt in a row: windows count positions, and not places."""
    model = varied(family("mistral window"))
    prompt, answers = ids(1, 30), [ids(1, 25, seed=seed) for seed in (5, 6)]
    row = torch.cat([prompt, *answers], 1)
    positions_BT = torch.cat([torch.arange(30), torch.arange(30, 55), torch.arange(30, 55)])[None]
    documents_BT = torch.tensor([[0] * 30 + [1] * 25 + [2] * 25])
    packed = model.hidden(row, positions_BT, documents_BT, prefixes_BT=torch.zeros_like(documents_BT))
    for number, answer in enumerate(answers):
        alone = model.hidden(torch.cat([prompt, answer], 1))[:, 30:]
        torch.testing.assert_close(packed[:, 30 + 25 * number : 55 + 25 * number], alone, rtol=0, atol=3e-5)


@settings(max_examples=20)
@given(data=st.data())
def test_any_shape_gives_the_logits_of_transformers(data: st.DataObject) -> None:
    draw, kv_heads = data.draw, data.draw(st.integers(1, 3))
    heads, head_dim = kv_heads * draw(st.integers(1, 3)), 2 * draw(st.integers(2, 8))
    kind, layers = draw(st.sampled_from(["qwen3", "qwen2", "llama", "mistral", "gpt2"])), draw(st.integers(1, 3))
    config: dict[str, Any] = {
        "model_type": kind, "vocab_size": draw(st.integers(5, 40)), "hidden_size": heads * draw(st.integers(1, 9)),
        "intermediate_size": draw(st.integers(1, 40)), "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": kv_heads, "head_dim": head_dim, "tie_word_embeddings": draw(st.booleans()),
        "max_position_embeddings": 64,
    }  # fmt: skip
    if kind == "gpt2":
        config |= {"num_key_value_heads": heads, "hidden_size": heads * head_dim}
    else:
        config |= {"rope_theta": draw(st.sampled_from([100.0, 1e4, 1e6])),
                   "rope_scaling": draw(st.sampled_from(list(ROPES.values())))}  # fmt: skip
    if kind in ("qwen3", "llama"):
        config["attention_bias"] = draw(st.booleans())
    if kind == "llama":
        config["mlp_bias"] = draw(st.booleans())
    if kind in ("qwen2", "qwen3", "mistral"):
        config["sliding_window"] = draw(st.none() | st.integers(1, 60))
    if kind.startswith("qwen") and config["sliding_window"]:
        types = st.sampled_from(["full_attention", "sliding_attention"])
        config["layer_types"] = tuple(draw(st.lists(types, min_size=layers, max_size=layers)))
    model = varied(TransformerConfig(**config), seed=draw(st.integers(0, 99)))
    ids_BT = ids(draw(st.integers(1, 3)), draw(st.integers(1, 50)), vocab=config["vocab_size"])
    with torch.no_grad():
        expected = theirs(model)(ids_BT).logits
        torch.testing.assert_close(model(ids_BT), expected, rtol=1e-4, atol=5e-5)
    torch.testing.assert_close(model(ids_BT), expected, rtol=1e-4, atol=5e-5)


@pytest.mark.parametrize("name", ["qwen3", *FEW, "qwen2 windows", "llama, llama3", "llama, linear", "gpt2 tied"])
def test_folders_open_on_both_sides_as_they_are(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No name missing, none too many, no word of warning; and theirs opens as the same model."""
    ours = varied(CONFIGS[name])
    save_model(ours, tmp_path / "ours")
    logging.getLogger("transformers").propagate = True
    with caplog.at_level("WARNING", logger="transformers"):
        other, told = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not any(told.values())
    assert not caplog.records
    with torch.no_grad():
        torch.testing.assert_close(other(ids(2, 90)).logits, ours(ids(2, 90)), rtol=0, atol=3e-5)
    other.save_pretrained(tmp_path / "theirs")
    again = load_model(tmp_path / "theirs")
    assert again.config == ours.config
    assert type(again) is type(ours)
    assert all(torch.equal(own, other) for own, other in zip(ours.parameters(), again.parameters(), strict=True))


def test_gpt2_as_it_was_first_published_opens(tmp_path: Path) -> None:
    """GPT2Model's names, without "transformer.", and the causal masks among the weights."""
    from safetensors.torch import load_file, save_file

    ours = varied(gpt2(tie_word_embeddings=True))
    save_model(ours, tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    bare = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    bare |= {f"h.{layer}.attn.bias": torch.ones(1, 1, 8, 8).tril() for layer in range(3)}
    save_file(bare, tmp_path / "model.safetensors")
    assert torch.equal(load_model(tmp_path)(ids(2, 9)), ours(ids(2, 9)))


def test_gpt2_is_its_own_class_and_its_text_ends_where_its_places_do() -> None:
    with pytest.raises(ValueError, match="GPT2, not a Transformer"):
        Transformer(gpt2())
    with pytest.raises(ValueError, match="Transformer, not a GPT2"):
        GPT2(family("llama"))
    with pytest.raises(InputError, match="129 places and GPT-2 learned 128"):
        varied(gpt2())(ids(1, 129))


def test_fresh_gpt2_learns_as_the_others_do() -> None:
    model, ids_BT = GPT2(gpt2(), seed=1), ids(2, 40)
    assert torch.equal(model.model.layers[0].self_attn.o_proj.weight, torch.zeros(32, 32))
    loss = torch.nn.functional.cross_entropy(model(ids_BT)[:, :-1].flatten(0, 1), ids_BT[:, 1:].flatten())
    loss.backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


# What model folders say of their positions, as they were published (transformers 4), heads and widths made small.
PUBLISHED = {
    "Llama-3.1": ("llama", {"rope_theta": 500000.0, "max_position_embeddings": 131072, "rope_scaling": {
        "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
        "rope_type": "llama3"}}),
    "Llama-3.2": ("llama", {"rope_theta": 500000.0, "max_position_embeddings": 131072, "rope_scaling": {
        "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
        "rope_type": "llama3"}}),
    "SmolLM2": ("llama", {"rope_theta": 100000, "rope_scaling": None, "max_position_embeddings": 8192}),
    "Qwen2.5 with YaRN": ("qwen2", {"rope_theta": 1000000.0, "max_position_embeddings": 32768, "rope_scaling": {
        "factor": 4.0, "original_max_position_embeddings": 32768, "type": "yarn"}}),
    "Qwen3 with YaRN": ("qwen3", {"rope_theta": 1000000, "max_position_embeddings": 40960, "rope_scaling": {
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}}),
    "Vicuna 16k": ("llama", {"max_position_embeddings": 4096, "rope_scaling": {"factor": 4.0, "type": "linear"}}),
    "transformers 5": ("llama", {"max_position_embeddings": 4096, "rope_parameters": {
        "factor": 4.0, "rope_type": "linear", "rope_theta": 7000.0}}),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_positions_turn_as_transformers_turns_them(name: str) -> None:
    kind, rope = PUBLISHED[name]
    values = {"model_type": kind, "vocab_size": 64, "hidden_size": 128, "intermediate_size": 32,
              "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 64} | rope
    config = TransformerConfig.from_hf(values)
    other = transformers.AutoModel.from_config(transformers.AutoConfig.for_model(**json.loads(json.dumps(values))))
    torch.testing.assert_close(pair_frequencies(config), other.rotary_emb.inv_freq, rtol=1e-6, atol=0)
    places = torch.arange(0, config.max_position_embeddings, 997)[None]
    with torch.no_grad():
        expected = other.rotary_emb(torch.zeros(1), places)
    for own, part in zip(rotations(places, config), expected, strict=True):
        torch.testing.assert_close(own, part, rtol=0, atol=5e-3)  # 1e-7 of 40,000 radians
    assert TransformerConfig.from_hf(config.to_hf()) == config


@pytest.mark.parametrize(("changes", "windows"), [
    ({"model_type": "mistral"}, (4096,) * 3),
    ({"model_type": "mistral", "sliding_window": None}, (None,) * 3),
    ({"model_type": "mistral", "sliding_window": 7}, (7,) * 3),
    ({"model_type": "qwen2", "sliding_window": 7, "use_sliding_window": False}, (None,) * 3),
    ({"model_type": "qwen2", "sliding_window": 7, "use_sliding_window": True}, (None,) * 3),
    ({"model_type": "qwen2", "sliding_window": 7, "use_sliding_window": True, "max_window_layers": 1}, (None, 7, 7)),
    ({"model_type": "qwen3", "sliding_window": 7, "use_sliding_window": True, "max_window_layers": 0}, (7, 7, 7)),
    ({"model_type": "qwen3", "sliding_window": 7, "use_sliding_window": True, "layer_types": list(MIXED)},
     (None, 7, None)),
    ({"model_type": "qwen3", "sliding_window": None, "use_sliding_window": True}, (None,) * 3),
    ({"model_type": "llama"}, (None,) * 3),
])  # fmt: skip
def test_windows_are_those_transformers_makes_of_the_same_config(changes: dict, windows: tuple) -> None:
    values = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 3,
              "num_attention_heads": 2, "num_key_value_heads": 1} | changes  # fmt: skip
    assert TransformerConfig.from_hf(values).windows == windows
    other = transformers.AutoConfig.for_model(**values)
    types = getattr(other, "layer_types", None) or ["sliding_attention"] * 3
    window = getattr(other, "sliding_window", None)
    assert tuple(window if kind == "sliding_attention" else None for kind in types) == windows


@pytest.mark.parametrize(("changes", "says"), [
    ({"rope_scaling": {"rope_type": "longrope"}}, "rope type 'longrope' is not followed; use a model with one of"),
    ({"rope_scaling": {"type": "yarn"}}, r"rope_scaling\.yarn\.factor"),
    ({"rope_scaling": {"type": "linear", "factor": 0.5}}, r"rope_scaling\.linear\.factor"),
    ({"rope_scaling": {"type": "linear", "factor": float("nan")}}, r"rope_scaling\.linear\.factor"),
    ({"rope_scaling": {"type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 1}}, "high_freq"),
    ({"rope_parameters": {"full_attention": {"rope_type": "default"}}}, "not one kind for all layers"),
    ({"rope_scaling": "yarn"}, "not one kind for all layers"),
    ({"use_sliding_window": True}, "use_sliding_window True"),
    ({"partial_rotary_factor": 0.5}, "partial_rotary_factor 0.5"),
    ({"hidden_size": 33}, "hidden_size 33 must be a multiple"), ({"hidden_act": "relu"}, "hidden_act 'relu'"),
    ({"model_type": "qwen3", "head_dim": 7}, "must be even"),
    ({"model_type": "qwen3", "layer_types": ["sliding_attention"] * 3}, "there is no sliding_window"),
    ({"model_type": "qwen3", "use_sliding_window": True, "layer_types": ["sliding_attention"]}, "1 of 3 layers"),
    ({"model_type": "qwen3", "use_sliding_window": True, "layer_types": "all"}, "layer_types"),
    ({"model_type": "qwen3", "use_sliding_window": True, "layer_types": ["chunked_attention"] * 3}, "layer_types"),
    ({"model_type": "qwen3", "use_sliding_window": True, "sliding_window": 0, "max_window_layers": 0}, "than 0"),
    ({"model_type": "mistral", "layer_types": list(MIXED)}, "of one kind"),
    ({"model_type": "gpt2", "n_embd": 32, "n_layer": 3, "n_head": 5}, "multiple"),
    ({"model_type": "gpt2", "n_embd": 32, "n_layer": 3, "n_head": 4, "activation_function": "relu"}, "relu"),
    ({"model_type": "gpt2", "n_embd": 768.5}, "hidden_size"),
    ({"model_type": "gpt2", "scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
    ({"model_type": "gpt2", "add_cross_attention": True}, "add_cross_attention"), ({"model_type": "t5"}, "'t5'"),
    ({"model_type": "gpt2", "n_head": "two"}, "num_attention_heads"), ({"model_type": []}, "model_type"),
])  # fmt: skip
def test_what_is_not_followed_is_one_line(changes: dict, says: str) -> None:
    values = {"model_type": "llama", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 32,
              "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 1}  # fmt: skip
    with pytest.raises(HornbookError, match=says) as caught:
        TransformerConfig.from_hf(values | changes, where="folder/config.json")
    assert "\n" not in str(caught.value)
    assert "folder/config.json" in str(caught.value)


KEYS = [
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
    "head_dim", "max_position_embeddings", "rope_theta", "rms_norm_eps", "tie_word_embeddings", "attention_bias",
    "mlp_bias", "rope_scaling", "rope_parameters", "sliding_window", "use_sliding_window", "max_window_layers",
    "layer_types", "hidden_act", "partial_rotary_factor", "model_type", "n_head", "n_embd", "activation_function",
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats() | st.text(max_size=9)
    | st.sampled_from(["yarn", "linear", "rope_type", *MIXED]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["rope_type", "type", "factor", "rope_theta"]), inner), max_leaves=6,
)  # fmt: skip


@settings(max_examples=300)
@given(kind=st.sampled_from(["llama", "mistral", "qwen2", "qwen3", "gpt2"]), changes=st.dictionaries(
    st.sampled_from(KEYS), JSON, max_size=4))  # fmt: skip
def test_whatever_a_config_says_it_is_read_or_refused_in_one_line(kind: str, changes: dict) -> None:
    values = {"model_type": kind, "vocab_size": 64, "hidden_size": 32, "intermediate_size": 32, "n_embd": 32,
              "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 1, "n_head": 2}  # fmt: skip
    try:
        config = TransformerConfig.from_hf(values | changes)
    except HornbookError as error:
        said = str(error)
    else:
        said = ""
        assert TransformerConfig.from_hf(config.to_hf()) == config
    assert "\n" not in said


@pytest.mark.parametrize(("kind", "changes", "says"), [
    ("qwen2", {"attention_bias": True}, "attention_bias"), ("mistral", {"attention_bias": True}, "attention_bias"),
    ("qwen3", {"mlp_bias": True}, "mlp_bias"), ("llama", {"sliding_window": 4}, "no sliding_window"),
    ("gpt2", {"rope_scaling": ROPES["linear"]}, "no rotary"), ("gpt2", {"num_key_value_heads": 2}, "as many"),
])  # fmt: skip
def test_a_family_is_not_given_what_it_does_not_have(kind: str, changes: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        gpt2(**changes) if kind == "gpt2" else family(kind, **changes)


def test_a_config_is_made_longer() -> None:
    config = family("llama")
    stretched = config.longer(512)
    assert stretched.max_position_embeddings == 512
    assert stretched.rope_scaling.factor == 4.0
    assert stretched.longer(1024) == config.longer(1024)  # from what it was trained on first
    assert config.longer(256, "linear").rope_scaling.factor == 2.0
    plain, slower = pair_frequencies(config), pair_frequencies(config.longer(1024, "base"))
    assert slower[0] == plain[0]
    assert float(plain[-1] / slower[-1]) == pytest.approx(8.0)
    for changed, length, method in ((config, 128, "yarn"), (stretched, 1024, "linear"), (stretched, 1024, "base"),
                                    (gpt2(), 512, "yarn")):  # fmt: skip
        with pytest.raises(InputError):
            changed.longer(length, method)
    model = varied(config)
    other = Transformer(stretched, seed=None)
    other.load_state_dict(model.state_dict())  # the weights are the same
    assert not torch.equal(other(ids(1, 40)), model(ids(1, 40)))


def test_a_plain_model_is_written_as_it_always_was() -> None:
    """A config.json is part of a model's digest."""
    assert list(TransformerConfig(**{name: 2 for name in (
        "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
        "num_key_value_heads", "head_dim")}).to_hf().items()) == [
        ("architectures", ["Qwen3ForCausalLM"]), ("model_type", "qwen3"), ("vocab_size", 2), ("hidden_size", 2),
        ("intermediate_size", 2), ("num_hidden_layers", 2), ("num_attention_heads", 2), ("num_key_value_heads", 2),
        ("head_dim", 2), ("max_position_embeddings", 2048), ("rope_theta", 10_000.0), ("rms_norm_eps", 1e-6),
        ("tie_word_embeddings", False), ("attention_bias", False),
        ("rope_parameters", {"rope_type": "default", "rope_theta": 10_000.0}), ("hidden_act", "silu"),
        ("attention_dropout", 0.0), ("use_cache", True), ("use_sliding_window", False), ("sliding_window", None),
        ("torch_dtype", "float32"), ("dtype", "float32"),
    ]  # fmt: skip
