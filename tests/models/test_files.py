"""Model folders: ours in transformers, theirs in ours, and what is not whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import transformers

from hornbook.core.errors import DamagedError, HornbookError, InputError
from hornbook.models import (
    RewardModel,
    Transformer,
    TransformerConfig,
    load_model,
    load_reward_model,
    save_model,
    save_reward_model,
)

CONFIG = TransformerConfig(
    vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
    num_key_value_heads=1, head_dim=16, rope_theta=20_000.0,
)
IDS = torch.arange(40).view(2, 20)


def model(**changes: object) -> Transformer:
    made = Transformer(CONFIG.model_copy(update=changes), seed=3)
    torch.nn.init.normal_(made.model.layers[1].mlp.down_proj.weight, std=0.1)
    return made


@pytest.mark.parametrize("tie", [False, True])
@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_transformers_opens_our_folder_and_we_open_theirs(tmp_path: Path, kind: str, tie: bool) -> None:
    ours = model(model_type=kind, tie_word_embeddings=tie)
    save_model(ours, tmp_path / "ours")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "ours")
    with torch.no_grad():
        torch.testing.assert_close(theirs(IDS).logits, ours(IDS), rtol=0, atol=1e-5)
    assert theirs.config.rope_parameters["rope_theta"] == 20_000.0
    theirs.save_pretrained(tmp_path / "theirs", max_shard_size="20KB")  # in parts with an index
    again = load_model(tmp_path / "theirs")
    assert again.config == ours.config
    assert all(torch.equal(own, other) for own, other in zip(ours.parameters(), again.parameters(), strict=True))


def test_what_is_saved_is_what_is_loaded_and_equal_models_are_equal_bytes(tmp_path: Path) -> None:
    ours = model()
    for name in ("a", "b"):
        save_model(ours, tmp_path / name)
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()
    assert torch.equal(load_model(tmp_path / "a")(IDS), ours(IDS))
    half = load_model(tmp_path / "a", dtype=torch.bfloat16)
    assert half.lm_head.weight.dtype == torch.bfloat16


def test_a_tied_model_keeps_one_matrix(tmp_path: Path) -> None:
    save_model(model(tie_word_embeddings=True), tmp_path)
    loaded = load_model(tmp_path, dtype=torch.bfloat16)
    assert loaded.lm_head.weight is loaded.model.embed_tokens.weight


def test_a_reward_model_keeps_its_head(tmp_path: Path) -> None:
    ours = RewardModel(model())
    torch.nn.init.normal_(ours.head.weight)
    save_reward_model(ours, tmp_path)
    last_B = torch.tensor([4, 19])
    with torch.no_grad():
        scores = load_reward_model(tmp_path).score(IDS, last_B)
        assert torch.equal(scores, ours.score(IDS, last_B))
        torch.testing.assert_close(scores, ours.values(IDS)[torch.arange(2), last_B])


@pytest.mark.parametrize("damage", [
    lambda whole: whole[:-10], lambda whole: whole[:100], lambda whole: b"", lambda whole: b"\xff" * 8 + whole[8:],
    lambda whole: (1 << 40).to_bytes(8, "little") + whole[8:], lambda whole: whole[:8] + b"[" * 64 + whole[72:],
    lambda whole: whole.replace(b'"data_offsets":[', b'"data_offsets":[9', 1), lambda whole: b"\x80\x04pickle" + whole,
])  # fmt: skip
def test_weights_that_are_not_whole_are_one_line(tmp_path: Path, damage) -> None:
    save_model(model(), tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DamagedError, match="not a whole safetensors file") as caught:
        load_model(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(("changes", "says"), [
    ({"hidden_size": 64}, "its config asks for"), ({"num_hidden_layers": 3}, "missing"),
    ({"model_type": "gpt2"}, "gpt2"), ({"num_attention_heads": "two"}, "num_attention_heads"),
    ({"num_key_value_heads": 3}, "multiple"), ({"vocab_size": -1}, "vocab_size"), ({"hidden_act": "gelu"}, "gelu"),
    ({"rope_parameters": {"rope_type": "yarn"}}, "yarn"), ({"hidden_size": None}, "hidden_size"),
])  # fmt: skip
def test_a_config_that_is_not_the_weights_own_is_one_line(tmp_path: Path, changes: dict, says: str) -> None:
    save_model(model(), tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(HornbookError, match=says) as caught:
        load_model(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_no_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config\.json: the file is not there"):
        load_model(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG.to_hf()))
    with pytest.raises(InputError, match="the weights are not there"):
        load_model(tmp_path)
    index = {"weight_map": {"a": "../outside.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match="lies outside the folder"):
        load_model(tmp_path)
