"""Given texts as the model sees them, against its plain forward pass."""

from __future__ import annotations

import numpy as np
import torch

from hornbook.inference.prompts import pooled, prompt_logprobs
from hornbook.inference.scoring import score


def test_each_token_has_its_probability_and_the_likeliest_beside_it(model, tokenizer):
    ids = tokenizer.encode("the cat sat on a mat and dog ran to its own house")
    logprobs, top = prompt_logprobs(model, ids, 3)
    np.testing.assert_allclose(logprobs, score(model, [ids])[0], atol=1e-5)
    expected_TV = model(torch.tensor([ids]))[0, :-1].float().log_softmax(-1)
    for place, row in enumerate(top):
        values, tokens = expected_TV[place].topk(3)
        assert [token for token, _ in row] == tokens.tolist()
        np.testing.assert_allclose([value for _, value in row], values, atol=1e-5)
    assert prompt_logprobs(model, ids[:1], 2) == ([], [])
    assert [row for row in prompt_logprobs(model, ids)[1] if row] == []


def test_a_text_is_the_mean_of_its_states_whatever_stands_beside_it(model, tokenizer):
    sequences = [tokenizer.encode(text) for text in ("the cat", "dog ran to its own house in old times", "a")]
    found = pooled(model, sequences)
    for row, sequence in zip(found, sequences, strict=True):
        mean = model.hidden(torch.tensor([sequence]))[0].mean(0)
        np.testing.assert_allclose(row, mean / mean.norm(), atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(row), 1, atol=1e-5)
