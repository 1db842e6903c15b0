"""Beam search against transformers'."""

from __future__ import annotations

import pytest
import torch

from hornbook.core.errors import InputError
from hornbook.inference import Engine, Request, Sampling, beam_search
from hornbook.models import save_model


@pytest.mark.parametrize("length_penalty", [1.0, 0.0, 2.0])
@pytest.mark.parametrize("width", [1, 2, 5])
def test_beams_are_transformers(model, tokenizer, tmp_path, width, length_penalty):
    transformers = pytest.importorskip("transformers")
    save_model(model, tmp_path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    engine = Engine(model, tokenizer, slots=8)
    for ids in ([3, 4, 5], list(range(40, 75)), [7] * 20):
        asked = Request(ids=ids, sampling=Sampling(max_tokens=12))
        found = beam_search(engine, asked, width, length_penalty=length_penalty)
        prompt = torch.tensor([ids])
        expected = theirs.generate(
            prompt, attention_mask=torch.ones_like(prompt), do_sample=False, num_beams=width, max_new_tokens=12,
            num_return_sequences=width, length_penalty=length_penalty, early_stopping=False, pad_token_id=299,
            eos_token_id=list(tokenizer.ends),
        )[:, len(ids) :].tolist()  # fmt: skip
        for beam, other in zip(found, expected, strict=True):
            assert other[: len(beam.ids)] == beam.ids
            assert set(other[len(beam.ids) :]) <= {299}


def test_a_beam_of_one_is_greedy(model, tokenizer):
    engine = Engine(model, tokenizer)
    asked = Request(ids=[3, 4, 5], sampling=Sampling(max_tokens=25))
    (beam,), (greedy,) = beam_search(engine, asked, 1), engine.generate([asked])
    assert (beam.ids, beam.text, beam.finish_reason) == (greedy.ids, greedy.text, greedy.finish_reason)
    assert beam.logprobs == pytest.approx(greedy.logprobs, abs=1e-4)
    with pytest.raises(InputError, match="width: must be at least 1"):
        beam_search(engine, asked, 0)
