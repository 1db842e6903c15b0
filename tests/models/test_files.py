"""Model folders: ours in transformers, theirs in ours, and what is not whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
import transformers

from hornbook.core.errors import DamagedError, HornbookError, InputError
from hornbook.core.processes import PeakMemory
from hornbook.models import (
    RewardModel,
    Transformer,
    TransformerConfig,
    load_model,
    load_reward_model,
    save_model,
    save_reward_model,
)
from hornbook.models.sources import model_source
from hornbook.models.weights import FILED_AS, read_safetensors, write_safetensors

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


def test_tensors_are_written_as_safetensors_writes_them_and_held_only_once(tmp_path: Path) -> None:
    values = torch.tensor([[0.0, 1.5, 2.0], [-3.0, 100.0, 7.0]])
    some = {"é\"": values, "b": values[0, 1], "a": values[:, :0], "t": values.T}
    tensors = {f"{name} {type}": made.to(type, copy=True) for type in FILED_AS for name, made in some.items()}
    write_safetensors(tmp_path / "some", tensors)
    plain = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    assert (tmp_path / "some").read_bytes() == safetensors.torch.save(plain)
    write_safetensors(tmp_path / "none", {})
    assert (tmp_path / "none").read_bytes() == safetensors.torch.save({})
    large = {name: torch.ones(1 << 20) for name in "abcdefgh"}
    with PeakMemory() as peak:
        write_safetensors(tmp_path / "large", large)
    with PeakMemory() as resting:
        pass
    assert peak.bytes - resting.bytes < 4 << 20  # of 32


def test_what_is_saved_is_what_is_loaded_and_equal_models_are_equal_bytes(tmp_path: Path) -> None:
    ours = model()
    for name in ("a", "b"):
        save_model(ours, tmp_path / name)
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()
    assert torch.equal(load_model(tmp_path / "a")(IDS), ours(IDS))
    half = load_model(tmp_path / "a", dtype=torch.bfloat16)
    assert half.lm_head.weight.dtype == torch.bfloat16


def test_a_head_beside_an_embedding_it_is_said_to_be_must_be_the_same(tmp_path: Path) -> None:
    save_model(model(tie_word_embeddings=False), tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tie_word_embeddings": True}))
    with pytest.raises(DamagedError, match=r"lm_head[.]weight differs .*, and its config ties"):
        load_model(tmp_path)
    weights = read_safetensors(tmp_path / "model.safetensors")
    with pytest.raises(DamagedError, match=r"lm_head[.]weight differs .*, and config[.]json ties"):
        model_source(tmp_path, CONFIG.model_copy(update={"tie_word_embeddings": True}))
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
    write_safetensors(tmp_path / "model.safetensors", weights)
    assert load_model(tmp_path).config.tie_word_embeddings


def test_a_tied_model_keeps_one_matrix(tmp_path: Path) -> None:
    save_model(model(tie_word_embeddings=True), tmp_path)
    loaded = load_model(tmp_path, dtype=torch.bfloat16)
    assert loaded.lm_head.weight is loaded.model.embed_tokens.weight


def test_a_reward_model_keeps_its_head(tmp_path: Path) -> None:
    ours = RewardModel(model())
    torch.nn.init.normal_(ours.head.weight)
    save_reward_model(ours, tmp_path)
    loaded = load_reward_model(tmp_path)
    with torch.no_grad():
        values, kept = (it.head(it.transformer.hidden(IDS)) for it in (ours, loaded))
        assert torch.equal(values, kept)


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
    ({"hidden_size": 64}, "its config asks for"), ({"intermediate_size": 64}, "its config asks for"),
    ({"num_hidden_layers": 3}, "the weights have 2 layers, its config asks for 3"),
    ({"num_hidden_layers": 10**12}, "num_hidden_layers"), ({"num_hidden_layers": 1}, "asks for 1"),
    ({"vocab_size": 10**12}, "its config asks for"), ({"intermediate_size": 10**13}, "the memory does not hold"),
    ({"tie_word_embeddings": True, "vocab_size": 65}, "its config asks for"),
    ({"model_type": "llama"}, "k_norm.weight is .*no such tensor"),
    ({"attention_bias": True}, "bias is missing"), ({"model_type": "bert"}, "bert"),
    ({"num_attention_heads": "two"}, "num_attention_heads"),
    ({"num_key_value_heads": 3}, "multiple"), ({"vocab_size": -1}, "vocab_size"), ({"hidden_act": "gelu"}, "gelu"),
    ({"rope_parameters": {"rope_type": "longrope"}}, "longrope"), ({"hidden_size": None}, "hidden_size"),
])  # fmt: skip
def test_a_config_that_is_not_the_weights_own_is_one_line(tmp_path: Path, changes: dict, says: str) -> None:
    save_model(model(), tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(HornbookError, match=says) as caught:
        load_model(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("tensors", "says"), [
    (lambda have: have | {"model.more": torch.zeros(2)}, "model.more is .*its config asks for no such tensor"),
    (lambda have: {name: have[name] for name in have if "embed" not in name}, "embed_tokens.weight is missing"),
    (lambda have: {name: have[name] for name in have if name != "model.norm.weight"}, "norm.weight is missing"),
    (lambda have: have | {"model.norm.weight": torch.ones(32, 1)}, r"norm.weight is \(32, 1\)"),
    (lambda have: have | {"model.norm.weight": torch.ones(32, dtype=torch.int8)}, "norm.weight is of type I8; use"),
    (lambda have: have | {"model.norm.weight": torch.ones(32).to(torch.float8_e4m3fn)}, "of type F8_E4M3"),
    (lambda have: {}, "the weights have 0 layers"),
])  # fmt: skip
def test_weights_that_are_not_its_configs_are_one_line(tmp_path: Path, tensors, says: str) -> None:
    save_model(model(), tmp_path)
    write_safetensors(tmp_path / "model.safetensors", tensors(read_safetensors(tmp_path / "model.safetensors")))
    with pytest.raises(HornbookError, match=says) as caught:
        load_model(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_large_model_is_written_in_parts(tmp_path: Path) -> None:
    """transformers finds them by the index, and of what lay there before nothing is left."""
    ours = model()
    save_model(ours, tmp_path, part_bytes=9000)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    parts = sorted(set(index["weight_map"].values()))
    assert len(parts) > 2
    assert parts[0] == f"model-00001-of-{len(parts):05}.safetensors"
    assert index["metadata"]["total_size"] == sum(parameter.nbytes for parameter in ours.parameters())
    assert all((tmp_path / part).stat().st_size < 9000 + 1000 for part in parts)
    theirs, told = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(told.values())
    torch.testing.assert_close(theirs(IDS).logits, ours(IDS), rtol=0, atol=1e-5)
    assert torch.equal(load_model(tmp_path)(IDS), ours(IDS))
    save_model(ours, tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.safetensors*")) == ["model.safetensors"]
    save_model(ours, tmp_path, part_bytes=9000)
    assert sorted(path.name for path in tmp_path.glob("*.safetensors*")) == [*parts, "model.safetensors.index.json"]


@pytest.mark.parametrize(("damage", "says"), [
    (lambda folder, index: (folder / index["weight_map"]["lm_head.weight"]).unlink(), "the weights are not there"),
    (lambda folder, index: index.update(weight_map=[1]), "weight_map does not name a file"),
    (lambda folder, index: index.update(weight_map={"a": 3}), "weight_map does not name a file"),
    (lambda folder, index: index.pop("weight_map"), "weight_map does not name a file"),
    (lambda folder, index: index["weight_map"].update(a="/etc/passwd"), "lies outside the folder"),
    (lambda folder, index: write_safetensors(folder / "more.safetensors", {"lm_head.weight": torch.zeros(1)})
     or index["weight_map"].update(a="more.safetensors"), "lm_head.weight is in .* as well"),
])  # fmt: skip
def test_parts_that_do_not_belong_together_are_one_line(tmp_path: Path, damage, says: str) -> None:
    save_model(model(), tmp_path, part_bytes=9000)
    path = tmp_path / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    damage(tmp_path, index)
    path.write_text(json.dumps(index))
    with pytest.raises(HornbookError, match=says) as caught:
        load_model(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_type_of_the_weights_is_kept_or_asked_for(tmp_path: Path, dtype: torch.dtype) -> None:
    ours = model()
    save_model(ours, tmp_path, dtype=dtype)
    kept = load_model(tmp_path, dtype=None)
    assert {parameter.dtype for parameter in kept.parameters()} == {dtype}
    assert transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype="auto").dtype == dtype
    wide = load_model(tmp_path)
    for own, filed, written in zip(ours.parameters(), kept.parameters(), wide.parameters(), strict=True):
        assert torch.equal(filed, own.to(dtype))
        assert torch.equal(written, own.to(dtype).float())
    with torch.no_grad():
        ours.model.norm.weight[0] = 1e5
    if dtype == torch.float16:
        with pytest.raises(InputError, match="does not fit float16"):
            save_model(ours, tmp_path, dtype=dtype)


MEASURE = """
import sys, torch
from pathlib import Path
from hornbook.models import load_model
def megabytes(key):
    return int(next(line for line in open("/proc/self/status") if line.startswith(key)).split()[1]) / 1024
load_model(Path(sys.argv[1]) / "small")
open("/proc/self/clear_refs", "w").write("5")
before = megabytes("VmRSS")
load_model(Path(sys.argv[1]) / "large")
print(megabytes("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of memory is read from /proc")
def test_loading_holds_the_model_once_and_one_part(tmp_path: Path) -> None:
    shape = {"vocab_size": 8192, "hidden_size": 512, "intermediate_size": 4096}
    large = Transformer(CONFIG.model_copy(update=shape), seed=None)
    size = sum(parameter.nbytes for parameter in large.parameters()) / 2**20
    assert size > 80
    save_model(model(), tmp_path / "small")
    save_model(large, tmp_path / "large", part_bytes=17 << 20)
    run = subprocess.run([sys.executable, "-c", MEASURE, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < size + 17 + 16


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
