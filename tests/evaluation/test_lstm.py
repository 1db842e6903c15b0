"""The LSTM baseline: torch's own arithmetic, as many parameters as asked, and it learns by the one loop."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from hornbook.evaluation.lstm import LSTM, width_of
from hornbook.inference.scoring import score
from hornbook.tokens.loader import PackedBatches
from hornbook.training.fit import fit
from hornbook.training.objectives.next_token import next_token
from hornbook.training.optimiser import Optimiser, Rates
from hornbook.training.schedule import warmup_stable_cooldown


@pytest.mark.parametrize(("parameters", "vocab_size"), [(5_500_000, 4096), (100_000, 300), (2_000_000, 32_768)])
def test_it_has_about_so_many_parameters(parameters, vocab_size):
    model = LSTM(vocab_size, width_of(parameters, vocab_size), window=64, seed=0)
    found = sum(parameter.numel() for parameter in model.parameters())
    assert found == pytest.approx(parameters, rel=0.02)


def test_scores_are_those_of_a_loop_over_the_tokens():
    model = LSTM(40, 16, window=32, seed=1).requires_grad_(False)
    sequences = [np.random.default_rng(seed).integers(0, 40, length).tolist() for seed, length in enumerate((9, 2, 17))]
    for sequence, found in zip(sequences, score(model, sequences), strict=True):
        state, expected = None, []
        for token, following in pairwise(sequence):
            x_11D, state = model.lstm(model.embedding[token].view(1, 1, -1), state)
            expected.append(float((x_11D @ model.embedding.T).log_softmax(-1)[0, 0, following]))
        assert found == pytest.approx(expected, abs=1e-5)


def test_it_learns_and_equal_seeds_are_equal_models():
    period = [3, 1, 4, 1, 5, 9, 2, 6, 8, 7]
    fast = Rates(embedding=0.03, head=0.03, vectors=0.03)
    texts = [np.array((period * 8)[start : start + 40]) for start in range(10)]

    def trained() -> tuple[LSTM, float]:
        model = LSTM(12, 32, window=20, seed=2)
        batches = PackedBatches(texts, None, window=20, rows=4, seed=0)
        optimiser, schedule = Optimiser(model, fast), warmup_stable_cooldown(60)
        done = fit(model, batches, next_token, optimiser, schedule, folder=None, device="cpu", steps=60)
        return model, done.loss

    (model, loss), (again, _) = trained(), trained()
    assert loss < 1.8  # 2.16 without a look at the context
    assert all(torch.equal(own, other) for own, other in zip(model.parameters(), again.parameters(), strict=True))
