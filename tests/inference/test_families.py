"""The engine with models of other families: windows, stretched positions and GPT-2, against transformers' generate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from hornbook.core.errors import InputError
from hornbook.inference import Engine, Request, Sampling
from hornbook.models import TransformerConfig, kernels
from tests.models.families import MIXED, ROPES, family, gpt2, theirs, varied

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama biases", {}), "llama3": ("llama", {"rope_scaling": ROPES["llama3"]}),
    "mistral with a window": ("mistral", {"sliding_window": 9}),
    "yarn": ("qwen3", {"rope_scaling": ROPES["yarn"]}), "gpt2": ("gpt2", {"tie_word_embeddings": True}),
    "qwen3, some windows": ("qwen3", {"sliding_window": 24, "layer_types": MIXED}),
    "qwen2, windows of one": ("qwen2", {"sliding_window": 1}),
}  # fmt: skip


def shaped(kind: str, vocab: int) -> TransformerConfig:
    name, changes = KINDS[kind]
    return gpt2(vocab_size=vocab, **changes) if name == "gpt2" else family(name, vocab_size=vocab, **changes)


def requests(count: int, *, shared: int = 0) -> list[Request]:
    """Prompts of 1 to 60 tokens, and answers of up to 30; the places pass 32, from where on yarn stretches."""
    made = []
    for index in range(count):
        draw = np.random.default_rng(index)
        ids = [*range(40, 40 + shared), *draw.integers(0, 256, int(draw.integers(1, 60))).tolist()]
        made.append(Request(ids=ids, sampling=Sampling(max_tokens=30 - 10 * (index % 3))))
    return made


# The cache of transformers 5.23 keeps all where a window of one keeps nothing: there it is not its own forward pass.
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "qwen2, windows of one"])
def test_greedy_is_transformers(kind: str, tokenizer) -> None:
    """Token for token, answers of many lengths side by side, with a beginning that is read before and without."""
    model = varied(shaped(kind, tokenizer.vocab_size), seed=6)
    other, engine = theirs(model), Engine(model, tokenizer, slots=4)
    for asked in (requests(4), requests(2, shared=20)):
        for request, completion in zip(asked, engine.generate(asked), strict=True):
            ids = torch.tensor([list(request.ids)])
            expected = other.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=request.sampling.max_tokens,
                eos_token_id=[tokenizer.end_of_turn, tokenizer.end_of_document], pad_token_id=0,
            )  # fmt: skip
            assert expected[0, ids.shape[1] :].tolist() == completion.ids


@pytest.mark.parametrize("by_kernel", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_read_in_parts_is_what_is_read_at_once(kind: str, by_kernel: bool, tokenizer) -> None:
    """A beginning, the rest of the prompt and token by token, against one forward pass over all of it."""
    kernels.use_kernels(by_kernel)
    model = varied(shaped(kind, tokenizer.vocab_size), seed=7)
    asked = requests(6, shared=33)
    for request, completion in zip(asked, Engine(model, tokenizer, slots=3).generate(asked), strict=True):
        with torch.no_grad():
            log_TV = model(torch.tensor([[*request.ids, *completion.ids]]))[0].log_softmax(-1)
        first = len(request.ids) - 1
        expected = [float(log_TV[first + place, token]) for place, token in enumerate(completion.ids)]
        assert completion.logprobs == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("kind", ["mistral with a window", "gpt2", "yarn"])
def test_bf16_is_near_fp32(kind: str, tokenizer) -> None:
    """The cache of a layer with a window is read by torch, which multiplies what it masks: no NaN may lie there."""
    model = varied(shaped(kind, tokenizer.vocab_size), seed=8)
    half = varied(shaped(kind, tokenizer.vocab_size), seed=8)
    half.compute_dtype = torch.bfloat16
    asked = requests(5)
    for request, completion in zip(asked, Engine(half, tokenizer, slots=5).generate(asked), strict=True):
        with torch.no_grad():
            log_TV = model(torch.tensor([[*request.ids, *completion.ids]]))[0].log_softmax(-1)
        first = len(request.ids) - 1
        expected = [float(log_TV[first + place, token]) for place, token in enumerate(completion.ids)]
        assert np.abs(np.subtract(completion.logprobs, expected)).mean() < 0.2


def test_a_vocabulary_that_is_not_the_models_is_said(tokenizer) -> None:
    with pytest.raises(InputError, match=r"the tokenizer has 300 tokens and the model 96; use the tokenizer"):
        Engine(varied(family("llama")), tokenizer)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_rows_that_are_no_token_say_nothing(temperature: float, tokenizer) -> None:
    """Matrices padded to a round number, as many are: an id of the padding is an id like any, and no text."""
    model = varied(family("llama", vocab_size=320))
    with torch.no_grad():
        model.lm_head.weight[[65, 310, 319]] *= 20
    engine = Engine(model, tokenizer)
    asked = [Request(ids=[start], sampling=Sampling(max_tokens=12, temperature=temperature)) for start in range(8)]
    done = engine.generate(asked)
    assert any(token >= tokenizer.vocab_size for one in done for token in one.ids)
    assert any(65 in one.ids for one in done)
    for request, one in zip(asked, done, strict=True):
        known = [token for token in one.ids if token < tokenizer.vocab_size]
        assert one.text == tokenizer.decode(known) == tokenizer.decode(one.ids)
        assert "".join(chunk.text for chunk in engine.stream(request)) == one.text
