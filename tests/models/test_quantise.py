"""Quantised models: near what they were made of, the same in the engine, and on disk as transformers has them."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from hornbook.core.errors import DamagedError, HornbookError, InputError
from hornbook.inference import Engine, Request, Sampling
from hornbook.models import Transformer, TransformerConfig, load_model, save_model
from hornbook.models.files import read_safetensors, write_safetensors
from hornbook.models.layers import Linear
from hornbook.models.quantise import KINDS, QuantisedLinear, dequantise, int4, quantise
from hornbook.models.quantise.model import WAYS, linears
from tests.inference.conftest import tokenizer, varied

__all__ = ["tokenizer"]
CONFIG = TransformerConfig(
    vocab_size=64, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
    num_key_value_heads=1, head_dim=32, rope_theta=20_000.0,
)
IDS = torch.arange(40).view(2, 20)
WORST = {"int8": 0.6 / 127, "int4": 1.2 / 15, "nf4": 0.16}  # of a weight, by the widest span in its block


def model(**changes: object) -> Transformer:
    made = Transformer(CONFIG.model_copy(update=changes), seed=3)
    generator = torch.Generator().manual_seed(1)
    for name, parameter in made.named_parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.1, generator=generator)
        elif name.endswith("bias"):
            torch.nn.init.normal_(parameter, generator=generator)
    return made.requires_grad_(False)


def linear(outputs: int, inputs: int, seed: int = 0, bias: bool = False) -> Linear:
    made = Linear(inputs, outputs, bias)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(seed))
    return made.requires_grad_(False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(96, 64), (64, 32), (20, 160), (1, 96)])
def test_weights_are_near_and_products_are_theirs(kind, shape):
    plain = linear(*shape, bias=True)
    made = WAYS[kind].of(plain)
    span = plain.weight.amax() - plain.weight.amin()
    assert (made.dequantised(torch.float32) - plain.weight).abs().max() <= WORST[kind] * span
    for dtype, near in ((torch.float32, 1e-4), (torch.bfloat16, 0.03)):
        for rows in (1, 3, 40, 200):
            x = torch.randn(rows, 2, shape[1], generator=torch.Generator().manual_seed(rows)).to(dtype)
            expected = F.linear(x.float(), made.dequantised(torch.float32), plain.bias)
            with torch.inference_mode():
                found = made(x)
            assert found.dtype == dtype
            assert found.shape == expected.shape
            torch.testing.assert_close(found.float(), expected, rtol=near, atol=near * float(expected.abs().max()))


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_nothing_and_rows_alike(kind):
    plain = linear(32, 64)
    plain.weight[3] = 0
    plain.weight[4] = 0.25
    found = WAYS[kind].of(plain).dequantised(torch.float32)
    assert found[3].eq(0).all()
    torch.testing.assert_close(found[4], plain.weight[4], rtol=0.1 if kind == "nf4" else 0.005, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_of_its_input_and_of_what_stands_beside_it(kind):
    made = WAYS[kind].of(linear(96, 64, bias=True))
    weight = made.dequantised(torch.float32)
    x = torch.randn(5, 64, requires_grad=True)
    beside = torch.randn(96, 64, requires_grad=True)  # as an adapter will stand
    (made(x) + F.linear(x, beside)).square().sum().backward()
    own = (x.grad, beside.grad)
    y, other = x.detach().requires_grad_(), beside.detach().requires_grad_()
    (F.linear(y, weight, made.bias) + F.linear(y, other)).square().sum().backward()
    for found, expected in zip(own, (y.grad, other.grad), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)
    assert not [name for name, parameter in made.named_parameters() if parameter.requires_grad]


def test_between_the_passes_nothing_of_a_weights_size_is_kept():
    made, kept = WAYS["nf4"].of(linear(128, 64)), []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.numel()) or tensor, lambda x: x):
        made(torch.randn(2, 64, requires_grad=True))
    assert max(kept, default=0) < 128 * 64


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", ["qwen3", "qwen2"])
def test_a_model_and_back(kind, family):
    plain = model(model_type=family)
    made = quantise(copy.deepcopy(plain), kind)
    assert all(isinstance(module, QuantisedLinear) for module in linears(made).values())
    assert len(linears(made)) == 14
    assert made.lm_head.weight.equal(plain.lm_head.weight)
    back = dequantise(copy.deepcopy(made))
    with torch.no_grad():
        torch.testing.assert_close(made(IDS), back(IDS), rtol=1e-5, atol=1e-4)
        error = (made(IDS) - plain(IDS)).square().mean() / plain(IDS).square().mean()
        half = copy.deepcopy(made).to(torch.bfloat16)  # the scales stay what they are
        torch.testing.assert_close(half(IDS[:1, :6]).float(), made(IDS[:1, :6]), rtol=0, atol=0.15)
    assert error < {"int8": 1e-3, "int4": 0.1, "nf4": 0.15}[kind]
    assert dequantise(half).model.layers[0].mlp.up_proj.weight.equal(back.model.layers[0].mlp.up_proj.weight)


@pytest.mark.parametrize("kind", KINDS)
def test_the_engine_says_what_a_plain_pass_says(kind, tokenizer):
    made = quantise(varied(tokenizer.vocab_size), kind)
    asked = [Request(ids=[40 + place, 7, 90, *range(place)], sampling=Sampling(max_tokens=12)) for place in range(6)]
    for request, completion in zip(asked, Engine(made, tokenizer, slots=3).generate(asked), strict=True):
        ids = list(request.ids)
        for token in completion.ids:
            scores_V = made(torch.tensor([ids]))[0, -1]
            # For few tokens at once the native blocks round the inputs of int8 products as well.
            assert scores_V.max() - scores_V[token] <= (0.15 if kind == "int8" else 0.0) * scores_V.std()
            ids.append(token)
    half = varied(tokenizer.vocab_size, compute_dtype=torch.bfloat16)  # weights of fp32: the engine takes a copy
    assert Engine(quantise(half, kind), tokenizer).generate(asked[:1])[0].ids


def test_a_processor_that_lays_codes_otherwise_makes_the_weights(monkeypatch):
    made, x = WAYS["int4"].of(linear(128, 64)), torch.randn(2, 64).bfloat16()
    with torch.inference_mode():
        fast = made(x)
        monkeypatch.setattr(int4, "_as_we_lay_them", lambda: False)
        torch.testing.assert_close(made(x), fast, rtol=0.02, atol=0.2)


def test_on_disk_and_back(tmp_path: Path):
    made = quantise(model(tie_word_embeddings=True), "nf4")
    save_model(made, tmp_path)
    again = load_model(tmp_path)
    assert torch.equal(again(IDS), made(IDS))
    assert torch.equal(load_model(tmp_path, dtype=torch.bfloat16)(IDS), copy.deepcopy(made).to(torch.bfloat16)(IDS))
    save_model(again, tmp_path / "again")
    first, second = (folder / "model.safetensors" for folder in (tmp_path, tmp_path / "again"))
    assert first.read_bytes() == second.read_bytes()
    names = {name.partition(".gate_proj.")[2] for name in read_safetensors(first) if "layers.0.mlp.gate" in name}
    assert names == {"weight", *(f"weight.{part}" for part in (
        "absmax", "quant_map", "nested_absmax", "nested_quant_map", "quant_state.bitsandbytes__nf4"))}
    told = json.loads((tmp_path / "config.json").read_text())["quantization_config"]
    assert (told["quant_method"], told["bnb_4bit_quant_type"], told["bnb_4bit_use_double_quant"]) == (
        "bitsandbytes", "nf4", True)


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("kind", ["nf4", "fp4"])
def test_transformers_opens_ours_and_we_open_theirs(tmp_path: Path, kind: str, nested: bool, monkeypatch):
    monkeypatch.setenv("TORCHDYNAMO_DISABLE", "1")
    pytest.importorskip("bitsandbytes")
    pytest.importorskip("accelerate")
    import transformers

    save_model(model(), tmp_path / "plain")
    told = transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type=kind, bnb_4bit_use_double_quant=nested,
        bnb_4bit_compute_dtype=torch.float32,
    )  # fmt: skip
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "plain", quantization_config=told)
    theirs.save_pretrained(tmp_path / "theirs")
    ours = load_model(tmp_path / "theirs")
    assert ours.model.layers[0].mlp.up_proj.kind == kind
    # With gradients on: without them its kernel for AVX-512 multiplies in bf16 whatever it was told.
    torch.testing.assert_close(ours(IDS), theirs(IDS).logits, rtol=0, atol=1e-5)
    save_model(ours, tmp_path / "ours")
    opened = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "ours", dtype=torch.float32)
    torch.testing.assert_close(opened(IDS).logits, ours(IDS), rtol=0, atol=1e-5)
    if kind == "nf4" and nested:
        quantised = quantise(load_model(tmp_path / "plain"), "nf4")
        assert torch.equal(quantised(IDS), ours(IDS))


PREFIX = "model.layers.1.mlp.down_proj.weight"


@pytest.mark.parametrize(("damage", "says"), [
    (lambda t: t.pop(f"{PREFIX}.absmax"), "absmax does not fit"),
    (lambda t: t.update({PREFIX: t[PREFIX][:-1]}), "its codes does not fit"),
    (lambda t: t.pop(PREFIX), "its codes does not fit"),
    (lambda t: t.update({f"{PREFIX}.nested_absmax": t[f"{PREFIX}.nested_absmax"] * torch.nan}), "not finite"),
    (lambda t: t.update({f"{PREFIX}.quant_map": t[f"{PREFIX}.quant_map"].flip(0)}), "quant_map does not fit"),
    (lambda t: t.pop(f"{PREFIX}.quant_state.bitsandbytes__nf4"), "how it was quantised"),
    (lambda t: t.update({f"{PREFIX}.quant_state.bitsandbytes__nf4": torch.zeros(4, dtype=torch.uint8)}), "how it was"),
    (lambda t: t.update({f"{PREFIX}.quant_state.bitsandbytes__nf4": written(shape=[64, 64])}), "asks for"),
    (lambda t: t.update({f"{PREFIX}.quant_state.bitsandbytes__nf4": written(blocksize=63)}), "blocks of 63"),
    (lambda t: t.update({f"{PREFIX}.quant_state.bitsandbytes__nf4": written(dtype="float8")}), "made of float8"),
    (lambda t: [t.pop(name) for name in list(t) if name.startswith(PREFIX)], "missing"),
])  # fmt: skip
def test_parts_that_do_not_fit_are_one_line(tmp_path: Path, damage, says: str) -> None:
    save_model(quantise(model(), "nf4"), tmp_path)
    tensors = read_safetensors(tmp_path / "model.safetensors")
    damage(tensors)
    write_safetensors(tmp_path / "model.safetensors", tensors)
    with pytest.raises(DamagedError, match=says) as caught:
        load_model(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def written(**changes: object) -> torch.Tensor:
    state = {"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [64, 128], "nested_blocksize": 256,
             "nested_dtype": "float32", "nested_offset": 0.1} | changes
    return torch.tensor(list(json.dumps(state).encode()), dtype=torch.uint8)


def test_what_cannot_be_is_said(tmp_path: Path):
    made = quantise(model(), "int8")
    with pytest.raises(InputError, match="there is no quantisation 'int3'; use one of int8, int4, nf4"):
        quantise(model(), "int3")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="is int8 already"):
        quantise(made, "nf4")
    with pytest.raises(InputError, match="int8 weights are made when a model is loaded"):
        save_model(made, tmp_path / "int8")
    assert not (tmp_path / "int8" / "model.safetensors").exists()
    broken = model()
    broken.model.layers[0].mlp.up_proj.weight[1, 2] = torch.inf
    with pytest.raises(InputError, match=r"layers\.0\.mlp\.up_proj\.weight holds values that are not finite"):
        quantise(broken, "int4")
    with pytest.raises(InputError, match="a layer has 48"):
        quantise(model(intermediate_size=48), "int4")
    save_model(model(), tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"quantization_config": {"quant_method": "gptq"}}))
    with pytest.raises(HornbookError, match="quantised by 'gptq' are not read") as caught:
        load_model(tmp_path)
    assert "\n" not in str(caught.value)


def test_the_command_line_knows_the_same_kinds():
    from typing import get_args

    from hornbook.cli.deployed import Bits

    assert get_args(Bits) == KINDS


@pytest.mark.parametrize("inputs", [24, 40, 96, 200])
def test_int8_of_any_width(inputs: int) -> None:
    """torch's product for few rows is wrong, or worse, where the inputs do not fill its vectors."""
    made = WAYS["int8"].of(linear(96, inputs))
    for rows in (1, 3, 15, 40):
        x = torch.randn(rows, inputs, generator=torch.Generator().manual_seed(rows)).bfloat16()
        expected = x.float() @ made.dequantised(torch.float32).T
        assert torch.allclose(made(x).float(), expected, rtol=0.03, atol=0.2)
