"""Out to GGUF and in again: the same bits, the same logits in transformers, and never two copies in memory."""

from __future__ import annotations

import weakref
from dataclasses import replace

import gguf
import numpy as np
import pytest
import torch
import transformers
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from hornbook.core.errors import DamagedError, InputError
from hornbook.models import Transformer, load_model, save_model
from hornbook.models.gguf.architectures import BLOCK
from hornbook.models.gguf.header import read_header
from hornbook.models.gguf.reading import gguf_source
from hornbook.models.gguf.stretching import stretched
from hornbook.models.gguf.writing import write_gguf
from hornbook.models.positions import pair_frequencies
from hornbook.models.sources import folder_source, write_source
from hornbook.models.weights import read_weights, write_safetensors
from tests.models.gguf.conftest import FAMILIES, small, write_folder

IDS = torch.arange(40).view(2, 20)
NOT_UNPACKED = {"Q8_1", "Q8_K", "Q1_0", "I8", "I16", "I32", "I64", "F64"}  # of the package's types, as of gguf 0.19
CHANGES = {
    "plain": {}, "tied": {"tie_word_embeddings": True}, "wide heads": {"head_dim": 32},
    "biased": {"attention_bias": True, "mlp_bias": True},
}  # fmt: skip


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("changed", ["plain", "tied"])
def test_f32_comes_back_bit_for_bit_and_transformers_reads_it(tmp_path, tokenizer, kind, changed):
    wide = {"head_dim": 128} if kind == "qwen3" else {}  # transformers does not look at how wide GGUF says they are
    folder = write_folder(tmp_path / "model", tokenizer, kind, **CHANGES[changed], **wide)
    write_gguf(folder, tmp_path / "model.gguf", "f32", said={"name": "small", "license": "cc0-1.0"})
    header = read_header(tmp_path / "model.gguf")
    config, source = gguf_source(header)
    ours = load_model(folder)
    assert header.metadata["general.license"] == "cc0-1.0"
    family = "llama" if kind == "mistral" else kind
    assert config == ours.config.model_copy(update={"model_type": family})
    weights = ours.state_dict()
    assert source.shapes.keys() == weights.keys() - ({"lm_head.weight"} if changed == "tied" else set())
    assert all(torch.equal(source.read(name), weights[name]) for name in source.shapes)
    pytest.importorskip("accelerate")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="model.gguf", dtype=torch.float32)
    with torch.no_grad():
        torch.testing.assert_close(theirs(IDS).logits, ours(IDS), rtol=0, atol=1e-4)


@pytest.mark.parametrize("changed", ["wide heads", "biased"])
def test_odd_shapes_come_back(tmp_path, tokenizer, changed):
    kind = "qwen3" if changed == "wide heads" else "llama"
    folder = write_folder(tmp_path / "model", tokenizer, kind, **CHANGES[changed])
    write_gguf(folder, tmp_path / "model.gguf", "f32", said={})
    config, source = gguf_source(read_header(tmp_path / "model.gguf"))
    weights = folder_source(folder)
    assert config == load_model(folder).config
    assert all(torch.equal(source.read(name), weights.read(name)) for name in weights.shapes)


@pytest.mark.parametrize("tied", [True, False])
def test_gpt2_comes_back_bit_for_bit_and_transformers_reads_it(tmp_path, tokenizer, tied):
    """Its products untransposed, as llama.cpp has them. transformers knows no other window and no other inner width."""
    shape = {"tie_word_embeddings": tied, "intermediate_size": 256, "max_position_embeddings": 1024}
    folder = write_folder(tmp_path / "model", tokenizer, "gpt2", **shape)
    write_gguf(folder, tmp_path / "model.gguf", "f32", said={})
    header = read_header(tmp_path / "model.gguf")
    assert header.tensors["blk.0.attn_qkv.weight"].shape == (192, 64)
    assert header.tensors["blk.0.ffn_down.weight"].shape == (64, 256)
    assert ("output.weight" in header.tensors) is not tied
    config, source = gguf_source(header)
    ours, filed = load_model(folder), folder_source(folder)
    assert config == ours.config
    assert source.shapes == filed.shapes
    assert all(torch.equal(source.read(name), filed.read(name)) for name in source.shapes)
    pytest.importorskip("accelerate")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="model.gguf", dtype=torch.float32)
    with torch.no_grad():
        torch.testing.assert_close(theirs(IDS).logits, ours(IDS), rtol=0, atol=1e-4)


def test_gpt2_as_first_published_is_written_too(tmp_path, tokenizer):
    """Names without "transformer.", and masks that are no weights."""
    folder = write_folder(tmp_path / "model", tokenizer, "gpt2", tie_word_embeddings=True)
    write_gguf(folder, tmp_path / "new.gguf", "q8_0", said={})
    bare = {name.removeprefix("transformer."): tensor for name, tensor in read_weights(folder).items()}
    write_safetensors(folder / "model.safetensors", bare | {"h.0.attn.bias": torch.ones(1, 1, 8, 8)})
    write_gguf(folder, tmp_path / "old.gguf", "q8_0", said={})
    assert (tmp_path / "old.gguf").read_bytes() == (tmp_path / "new.gguf").read_bytes()
    types = {name: entry.type for name, entry in read_header(tmp_path / "old.gguf").tensors.items()}
    assert (types["position_embd.weight"], types["token_embd.weight"], types["blk.1.attn_qkv.weight"],
            types["blk.1.attn_qkv.bias"]) == ("F32", "Q8_0", "Q8_0", "F32")  # fmt: skip


LLAMA31 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
LLAMA3 = {  # the shapes that were published, and others: head_dim, base, numbers
    "3.1": (128, 500_000.0, LLAMA31), "3.2": (64, 500_000.0, LLAMA31 | {"factor": 32.0}),
    "none in part": (16, 500_000.0, LLAMA31), "small": (32, 1000.0, LLAMA31 | {"original_max_position_embeddings": 96}),
    "odd": (64, 20_000.0, {"factor": 3.3, "low_freq_factor": 1.0, "high_freq_factor": 5.25,
                           "original_max_position_embeddings": 3000}),
}  # fmt: skip


@pytest.mark.parametrize("name", LLAMA3)
def test_llama3s_positions_are_a_tensor_there(tmp_path, tokenizer, name):
    """The factors are transformers' frequencies over the plain ones, as llama.cpp's converter writes them; read again
    they are the numbers they were made of, and the logits those of transformers for the folder."""
    head_dim, theta, numbers = LLAMA3[name]
    rope = {"rope_type": "llama3", **numbers}
    folder = write_folder(tmp_path / "model", tokenizer, head_dim=head_dim, rope_theta=theta, rope_scaling=rope)
    write_gguf(folder, tmp_path / "model.gguf", "f32", said={})
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tensors = {one.name: one.data for one in gguf.GGUFReader(tmp_path / "model.gguf").tensors}
    slowed, _ = ROPE_INIT_FUNCTIONS["llama3"](theirs.config, "cpu")
    plain = 1 / theta ** (torch.arange(0, head_dim, 2) / head_dim)
    np.testing.assert_allclose(tensors["rope_freqs.weight"], (plain / slowed).numpy(), rtol=2e-6)
    config, source = gguf_source(read_header(tmp_path / "model.gguf"))
    assert config == load_model(folder).config
    with torch.no_grad():
        ours = Transformer(config, seed=None)
        ours.load_state_dict({name: source.read(name) for name in source.shapes})
        torch.testing.assert_close(theirs(IDS).logits, ours(IDS), rtol=0, atol=1e-4)


def test_llama3s_numbers_that_are_multiples_stretch_alike(tmp_path, tokenizer):
    """Twice the window and twice the turns are the same stretching: it is read as the one that begins at 1."""
    rope = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 2.0, "high_freq_factor": 8.0,
            "original_max_position_embeddings": 16384}  # fmt: skip
    folder = write_folder(tmp_path / "model", tokenizer, head_dim=64, rope_theta=500_000.0, rope_scaling=rope)
    write_gguf(folder, tmp_path / "model.gguf", "f32", said={})
    config, _ = gguf_source(read_header(tmp_path / "model.gguf"))
    assert config.rope_scaling is not None
    assert config.rope_scaling.model_dump() == {"rope_type": "llama3", **LLAMA31}
    assert torch.equal(pair_frequencies(config), pair_frequencies(load_model(folder).config))


@pytest.mark.parametrize("values", [
    [1.0, 2.0, 3.0, 2.0], [0.5, 0.25, 0.1, 0.01], [1.0, 1.0, float("nan"), 8.0], [1.0, 1.0, float("inf"), 8.0],
    [0.0] * 4, [1.0] * 4,
])  # fmt: skip
def test_other_factors_are_one_line_and_ones_are_plain_positions(values):
    config = small("llama", head_dim=8).config
    if set(values) == {1.0}:
        assert stretched(config, np.array(values, np.float32), "a.gguf") is config
        return
    with pytest.raises(InputError, match=r"a\.gguf: rope_freqs\.weight does not stretch positions as Llama 3 does"):
        stretched(config, np.array(values, np.float32), "a.gguf")


@pytest.mark.parametrize(("kind", "most"), [("f16", 0.001), ("q8_0", 0.01), ("q4_0", 0.2)])
def test_smaller_types_are_near(tmp_path, tokenizer, kind, most):
    """Each matrix is what the package makes of it; a row that is no multiple of 32 stays f16, vectors stay f32."""
    folder = write_folder(tmp_path / "model", tokenizer, "llama", intermediate_size=80)
    write_gguf(folder, tmp_path / "model.gguf", kind, said={})
    header = read_header(tmp_path / "model.gguf")
    _, source = gguf_source(header)
    weights = folder_source(folder)
    for name in weights.shapes:
        before, after = weights.read(name), source.read(name)
        assert (before - after).abs().max() <= most * before.abs().max(), name
    types = {name: entry.type for name, entry in header.tensors.items()}
    assert types["blk.0.attn_norm.weight"] == "F32"
    assert types["blk.1.attn_q.weight"] == kind.upper()
    assert types["blk.1.ffn_down.weight"] == "F16"
    assert types["output.weight"] == ("Q8_0" if kind == "q4_0" else kind.upper())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_every_type_of_the_package_is_read(tmp_path):
    """Blocks of random bytes: what the package makes of them, row for row, is what we read."""
    types = [kind for kind in gguf.GGMLQuantizationType if kind.name not in NOT_UNPACKED]
    generator = np.random.default_rng(3)
    width, done = 256, {}
    parts = ("self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
    for start in range(0, len(types), len(parts)):
        path, names = tmp_path / f"{start}.gguf", iter(types[start : start + len(parts)])
        writer = _header(path, width)
        for name in ("attn_q", "attn_k"):
            writer.add_tensor(f"blk.0.{name}.weight", np.zeros((width, width), np.float32))
        for name in map(BLOCK.get, parts):
            kind = next(names, gguf.GGMLQuantizationType.F32)
            block, size = gguf.GGML_QUANT_SIZES[kind]
            raw = generator.integers(0, 256, (width, width // block * size), dtype=np.uint8)
            done[f"{start} {name}"] = gguf.dequantize(raw, kind)
            writer.add_tensor(f"blk.0.{name}.weight", raw, raw_dtype=kind)
        _close(writer)
        header = read_header(path)
        _, source = gguf_source(header)
        for part in parts:
            got = source.read(f"model.layers.0.{part}.weight").numpy()
            np.testing.assert_array_equal(got, done[f"{start} {BLOCK[part]}"])


def test_one_tensor_at_a_time(tmp_path, tokenizer):
    """Before the next is read the last is gone, on the way in and on the way out."""
    folder = write_folder(tmp_path / "model", tokenizer)
    write_gguf(folder, tmp_path / "model.gguf", "f32", said={})
    for source in (folder_source(folder), gguf_source(read_header(tmp_path / "model.gguf"))[1]):
        alive: list[weakref.ref] = []

        def read(name, source=source, alive=alive):
            assert not any(one() is not None for one in alive)
            tensor = source.read(name)
            alive.append(weakref.ref(tensor))
            return tensor

        write_source(replace(source, read=read), tmp_path / "out" / "model.safetensors", torch.bfloat16, int)
        assert len(alive) == len(source.shapes)


def test_a_folder_in_parts_becomes_one_file(tmp_path, tokenizer):
    folder = write_folder(tmp_path / "model", tokenizer, "qwen3")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder)
    theirs.save_pretrained(tmp_path / "parts", max_shard_size="40KB")
    source = folder_source(tmp_path / "parts")
    write_source(source, tmp_path / "one" / "model.safetensors", None, int)
    (tmp_path / "one" / "config.json").write_bytes((folder / "config.json").read_bytes())
    again, ours = load_model(tmp_path / "one").state_dict(), load_model(folder).state_dict()
    assert all(torch.equal(again[name], ours[name]) for name in ours)
    assert (tmp_path / "one" / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


def test_a_source_that_is_not_its_configs_is_one_line(tmp_path, tokenizer):
    folder = write_folder(tmp_path / "model", tokenizer)
    wanted = dict(folder_source(folder).shapes)
    with pytest.raises(DamagedError, match="asks for no such tensor"):
        folder_source(folder).only({name: wanted[name] for name in list(wanted)[1:]}, False, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(DamagedError, match="not a whole safetensors file"):
        folder_source(folder)
    weights.unlink()
    with pytest.raises(InputError, match="the weights are not there"):
        folder_source(folder)


def test_what_gguf_has_no_words_for_is_said(tmp_path, tokenizer):
    folder = write_folder(tmp_path / "model", tokenizer)
    model = small("llama")
    with torch.no_grad():
        model.lm_head.weight[0, 0] = 1e6
    save_model(model, folder)
    with pytest.raises(InputError, match="too large for f16"):
        write_gguf(folder, tmp_path / "model.gguf", "f16", said={})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


def _header(path, width: int):
    """A llama of one block, its head and norms plain; the matrices of the block are still to come."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(width)
    writer.add_head_count(4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tensor("token_embd.weight", np.zeros((8, width), np.float32))
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(width, np.float32))
    return writer


def _close(writer) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
