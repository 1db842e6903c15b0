"""The native blocks against torch's forward pass, and attention over pages against attention over whole texts."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from hornbook.inference import Engine, Request, Sampling
from hornbook.inference.native import covers
from hornbook.inference.paged import PagedCache, Pass
from hornbook.inference.reading import FEW, Reader
from hornbook.models import kernels
from hornbook.models.quantise import quantise
from tests.models.families import MIXED, ROPES, family, gpt2, varied

pytestmark = pytest.mark.skipif(not kernels.found_kernels().loaded, reason="there is no C++ compiler here")

WIDE = {"hidden_size": 96, "intermediate_size": 200, "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 32}
COVERED = {
    "qwen3": ("qwen3", {}), "llama with biases": ("llama biases", {}), "qwen2": ("qwen2", {"head_dim": 16}),
    "llama3": ("llama", {"rope_scaling": ROPES["llama3"]}), "yarn": ("qwen3", {"rope_scaling": ROPES["yarn"]}),
    "odd widths": ("qwen3", WIDE),
    "one key head": ("llama", {**WIDE, "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 48}),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.inference_mode():
        yield


def reader(model, pages: int = 40) -> Reader:
    config, weight = model.config, model.model.embed_tokens.weight
    cache = PagedCache(
        config.num_hidden_layers, config.num_key_value_heads, config.head_dim, pages,
        device=weight.device, dtype=weight.dtype, windows=config.windows,
    )  # fmt: skip
    return Reader(model, cache)


def read_in_steps(model, texts: list[np.ndarray], seed: int = 0) -> tuple[list[np.ndarray], int]:
    """Log-probabilities after every token, the texts read side by side in random portions, on pages in random order;
    and in how many steps it was done."""
    draw, how = np.random.default_rng(seed), reader(model)
    tables = draw.permutation(40).reshape(len(texts), -1)[:, : 40 // len(texts)].astype(np.int32)
    done, found, steps = np.zeros(len(texts), dtype=np.int64), [[] for _ in texts], 0
    while any(place < len(text) for place, text in zip(done, texts, strict=True)):
        left = np.array([len(text) for text in texts]) - done
        counts = np.minimum(draw.integers(0, FEW // len(texts) + 1, len(texts)), left)
        if not counts.any():
            continue
        ids = np.concatenate([text[place : place + n] for text, place, n in zip(texts, done, counts, strict=True)])
        logits = how.read(ids, tables, done, counts, np.arange(len(ids)))
        for row, part in enumerate(logits.float().log_softmax(-1).split(counts.tolist())):
            found[row].append(part)
        done, steps = done + counts, steps + 1
    return [torch.cat(parts).numpy() for parts in found], steps


def texts(vocab: int) -> list[np.ndarray]:
    draw = np.random.default_rng(1)
    return [draw.integers(0, vocab, length) for length in (60, 1, 33, 47)]


@pytest.mark.parametrize("kind", COVERED)
def test_every_covered_family_is_torchs_forward(kind):
    name, changes = COVERED[kind]
    model = varied(family(name, **changes), seed=4)
    how = reader(model)
    assert covers(model, how.cache)
    whole = texts(model.config.vocab_size)
    found, _ = read_in_steps(model, whole)
    for text, logprobs in zip(whole, found, strict=True):
        expected = model(torch.from_numpy(text)[None])[0].log_softmax(-1)
        assert logprobs == pytest.approx(expected.numpy(), abs=2e-4)


def test_a_row_is_the_same_alone_and_beside_others():
    """Bit for bit, in fp32: sums are made in one order whatever the number of rows."""
    model = varied(family("qwen3"), seed=5)
    whole = texts(model.config.vocab_size)
    together, _ = read_in_steps(model, whole)
    for text, logprobs in zip(whole, together, strict=True):
        (alone,), _ = read_in_steps(model, [text], seed=7)
        assert np.array_equal(alone, logprobs)


@pytest.mark.parametrize("kind", ["bf16", "int8", "int8 of bf16"])
def test_fewer_bits_are_near(kind):
    model = varied(family("qwen3", **WIDE), seed=6)
    fewer = copy.deepcopy(model)
    if "int8" in kind:
        quantise(fewer, "int8")
    if "bf16" in kind:
        fewer = fewer.bfloat16()
    how = reader(fewer)
    assert covers(fewer, how.cache)
    whole = texts(model.config.vocab_size)
    found, _ = read_in_steps(fewer, whole)
    for text, logprobs in zip(whole, found, strict=True):
        ids = torch.from_numpy(text)[None]
        by_torch = fewer(ids)[0].float().log_softmax(-1)
        exact = model(ids)[0].log_softmax(-1)
        # As near to the exact ones as torch's own way with these weights, but for what rounding inputs adds.
        assert (torch.from_numpy(logprobs) - exact).abs().mean() < 1.5 * (by_torch - exact).abs().mean() + 0.02


def test_what_is_not_covered_is_left_to_torch():
    for model in (
        varied(gpt2()), varied(family("qwen3", head_dim=24)),
        varied(family("qwen3", sliding_window=24, layer_types=MIXED)), quantise(varied(family("qwen3")), "nf4"),
    ):  # fmt: skip
        assert not covers(model, reader(model).cache)


def test_changed_weights_are_packed_anew(tokenizer):
    model, other = (varied(family("qwen3", vocab_size=tokenizer.vocab_size), seed=seed) for seed in (1, 2))
    engine, asked = Engine(model, tokenizer, keeps_memory=True), [Request(ids=[1, 2, 3], sampling=Sampling())]
    engine.generate(asked)
    with torch.no_grad():
        for own, new in zip(model.parameters(), other.parameters(), strict=True):
            own.copy_(new)
    assert engine.generate(asked)[0].ids == Engine(other, tokenizer).generate(asked)[0].ids


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("heads", "kv_heads", "width"), [(4, 4, 16), (8, 2, 64), (6, 2, 80), (7, 1, 128)])
def test_attention_over_pages(dtype, heads, kv_heads, width):
    """Texts of any length, on pages in any order, a few tokens of each at once."""
    draw, torch_draw = np.random.default_rng(0), torch.Generator().manual_seed(0)
    begins, counts = np.array([0, 31, 100, 16]), np.array([3, 1, 5, 2])
    k, v, q = (torch.randn(4, 128, n, width, generator=torch_draw).to(dtype) for n in (kv_heads, kv_heads, heads))
    tables = draw.permutation(32).reshape(4, 8).astype(np.int32)
    cache = PagedCache(1, kv_heads, width, 32, device=torch.device("cpu"), dtype=dtype)
    assert cache.turned
    for row in range(4):
        places = np.arange(begins[row])
        at = torch.from_numpy(tables[row, places // 16]).long(), torch.from_numpy(places % 16)
        cache.write(0, k[row, : begins[row]], v[row, : begins[row]], *at)
    new = [(row, place) for row in range(4) for place in range(begins[row], begins[row] + counts[row])]
    q_BHTE, k_BKTE, v_BKTE = (
        torch.stack([x[row, place] for row, place in new]).transpose(0, 1)[None] for x in (q, k, v)
    )
    found = Pass(cache, tables, begins, counts).attend(0, q_BHTE, k_BKTE, v_BKTE)[0].transpose(0, 1)
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    for index, (row, place) in enumerate(new):
        past = [x[row, : place + 1].transpose(0, 1)[None].float() for x in (k, v)]
        expected = F.scaled_dot_product_attention(q[row, place][None, :, None].float(), *past, enable_gqa=True)[0, :, 0]
        torch.testing.assert_close(found[index].float(), expected, rtol=tolerance, atol=tolerance)
