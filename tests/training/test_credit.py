"""Credit against the sums it is defined by."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.errors import InputError
from hornbook.training.credit.gae import gae, whiten
from hornbook.training.credit.grpo import group_advantages
from hornbook.training.credit.kl import AdaptiveKL, token_rewards

NAN = float("nan")


def test_group_advantages_are_rewards_less_their_mean():
    advantages, used = group_advantages(np.array([[1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 4.0]]))
    assert advantages.tolist() == [[0.5, -0.5, -0.5, 0.5], [-1.0, -1.0, -1.0, 3.0]]
    assert used.all()


def test_by_deviation_they_are_trls():
    """GRPOTrainer with scale_rewards="group": (rewards - mean) / (rewards.std(dim=1) + 1e-4)."""
    rewards = torch.randn(6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    theirs = (rewards - rewards.mean(1, keepdim=True)) / (rewards.std(dim=1, keepdim=True) + 1e-4)
    ours, _ = group_advantages(rewards.numpy(), by_deviation=True)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    unjudged, _ = group_advantages(np.column_stack([rewards.numpy(), np.full(6, NAN)]), by_deviation=True)
    np.testing.assert_allclose(unjudged, np.column_stack([ours, np.zeros(6)]), rtol=1e-6)


def test_a_group_whose_rewards_are_alike_is_dropped():
    advantages, used = group_advantages(np.array([[1.0, 1.0], [0.1 + 0.2, 0.3], [0.0, 1.0]]))
    assert used.tolist() == [[False, False], [True, True], [True, True]]
    assert advantages[0].tolist() == [0.0, 0.0]


def test_a_verifier_that_could_not_judge_counts_for_nothing():
    advantages, used = group_advantages(np.array([[1.0, 0.0, NAN], [NAN, NAN, 1.0], [NAN, NAN, NAN]]))
    assert used.tolist() == [[True, True, False], [False] * 3, [False] * 3]
    assert advantages.tolist() == [[0.5, -0.5, 0.0], [0.0] * 3, [0.0] * 3]


def test_an_infinite_reward_is_an_error():
    with pytest.raises(InputError, match="infinite reward"):
        group_advantages(np.array([[1.0, np.inf]]))


rows = st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.booleans()), min_size=1, max_size=8)


@given(rows)
@settings(max_examples=60)
def test_gae_with_decay_1_is_return_less_value(row: list[tuple[float, float, bool]]):
    rewards, values, mask = (np.array([column]) for column in zip(*row, strict=True))
    rewards = np.where(mask, rewards, 0.0)
    advantages, returns = gae(rewards, values, mask, decay=1.0)
    to_come = np.flip(np.cumsum(np.flip(rewards, 1), 1), 1)
    np.testing.assert_allclose(returns, np.where(mask, to_come, 0), atol=1e-5)
    np.testing.assert_allclose(advantages, np.where(mask, to_come - values, 0), atol=1e-5)


def test_gae_is_its_discounted_sum_of_surprises():
    generator = np.random.default_rng(0)
    rewards, values = generator.normal(size=(1, 5)), generator.normal(size=(1, 5))
    after = np.append(values[0, 1:], 0.0)
    surprises = rewards[0] + 0.9 * after - values[0]
    expected = [sum((0.9 * 0.8) ** (late - step) * surprises[late] for late in range(step, 5)) for step in range(5)]
    advantages, _ = gae(rewards, values, np.ones((1, 5)), gamma=0.9, decay=0.8)
    np.testing.assert_allclose(advantages[0], expected, rtol=1e-5)


def test_gae_passes_over_tokens_the_policy_did_not_choose():
    generator = np.random.default_rng(0)
    rewards, values = generator.normal(size=(1, 4)), generator.normal(size=(1, 4))
    plain, _ = gae(rewards, values, np.ones((1, 4)))
    wide_rewards, wide_values = np.zeros((1, 7)), np.full((1, 7), 99.0)
    places = [0, 1, 4, 6]
    wide_rewards[0, places], wide_values[0, places] = rewards[0], values[0]
    mask = np.isin(np.arange(7), places)[None]
    wide, _ = gae(wide_rewards, wide_values, mask)
    np.testing.assert_array_equal(wide[0, places], plain[0])
    assert not wide[~mask].any()


def test_the_score_falls_on_the_last_token_and_the_kl_on_each():
    logprobs, reference = np.array([[-1.0, -2.0, -9.0]]), np.array([[-1.5, -2.0, 0.0]])
    rewards = token_rewards(np.array([3.0]), logprobs, reference, np.array([[1, 1, 0]]), beta=0.1)
    np.testing.assert_allclose(rewards, [[-0.05, 3.0, 0.0]], atol=1e-7)


def test_an_answer_without_tokens_earns_nothing():
    zeros = np.zeros((1, 3))
    assert not token_rewards(np.array([3.0]), zeros, zeros, zeros, beta=0.1).any()


def test_whitening_is_over_the_kept_places_of_the_whole_batch():
    generator = np.random.default_rng(0)
    values, mask = generator.normal(3, 5, size=(8, 16)), generator.random((8, 16)) > 0.3
    white = whiten(values, mask)
    assert white[mask].mean() == pytest.approx(0, abs=1e-6)
    assert white[mask].std() == pytest.approx(1, abs=1e-5)
    assert not white[~mask].any()
    assert not whiten(values, np.zeros_like(mask)).any()


def test_the_kl_controller_moves_towards_its_target_by_bounded_steps():
    control = AdaptiveKL(beta=0.1, target=2.0, horizon=1000)
    control.update(20.0, 100)
    assert control.beta == pytest.approx(0.1 * 1.02)
    control.update(2.0, 100)
    assert control.beta == pytest.approx(0.1 * 1.02)
    control.update(-1.0, 100)
    assert control.beta == pytest.approx(0.1 * 1.02 * 0.98)
