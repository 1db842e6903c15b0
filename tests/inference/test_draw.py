"""The kernel that draws, against the same in plain torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hornbook.inference.sampling import RowSettings, sample
from hornbook.models import kernels

pytestmark = pytest.mark.skipif(not kernels.found_kernels().loaded, reason="there is no C++ compiler here")


def settings(temperature: np.ndarray, seeds: int) -> RowSettings:
    rows = len(temperature)
    return RowSettings(
        temperature=temperature, top_k=np.zeros(rows, dtype=np.int64), top_p=np.ones(rows), min_p=np.zeros(rows),
        seed=np.arange(seeds, seeds + rows, dtype=np.uint64), step=np.zeros(rows, dtype=np.int64),
    )


@pytest.mark.parametrize("words", [1, 7, 64, 1000])
def test_draws_are_those_of_plain_torch(words: int) -> None:
    generator = torch.Generator().manual_seed(words)
    logits_RV = 3 * torch.randn(400, words, generator=generator)
    temperature = np.tile([0.0, 0.5, 1.0, 2.0], 100)
    found = []
    for wanted in (True, False):
        kernels.use_kernels(wanted)
        found.append(sample(logits_RV, settings(temperature, 1)))
    (ids, logprobs), (plain_ids, _) = found
    assert torch.equal(ids[::4], logits_RV.argmax(-1)[::4])
    # where a draw falls within rounding of a border the neighbour is as right
    assert (ids != plain_ids).sum() <= 2
    torch.testing.assert_close(logprobs, logits_RV.log_softmax(-1).gather(1, ids[:, None])[:, 0], rtol=1e-5, atol=1e-5)


def test_what_has_no_probability_is_never_drawn() -> None:
    logits_RV = torch.full((2000, 130), -torch.inf)
    logits_RV[:, [3, 64, 129]] = torch.tensor([0.0, -1.0, 0.5])
    ids, _ = sample(logits_RV, settings(np.ones(2000), 7))
    assert set(ids.tolist()) == {3, 64, 129}
    expected = logits_RV[0].softmax(-1)
    for place in (3, 64, 129):
        assert abs((ids == place).float().mean() - expected[place]) < 0.05


def test_equal_scores_give_the_lowest() -> None:
    ids, _ = sample(torch.zeros(3, 50).bfloat16(), settings(np.zeros(3), 0))
    assert ids.tolist() == [0, 0, 0]
