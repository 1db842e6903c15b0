"""Rollouts, credit and updates together: the exact equalities first, then small tasks that must be learned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hornbook.core.errors import InputError
from hornbook.inference import Engine
from hornbook.models import RewardModel, Transformer, TransformerConfig
from hornbook.training.batch import on_device
from hornbook.training.credit.grpo import group_advantages
from hornbook.training.fit import fit
from hornbook.training.grpo import GroupCredit, clipped, grpo, informative
from hornbook.training.objectives.value import value_loss
from hornbook.training.optimiser import Optimiser, Rates
from hornbook.training.ppo import VALUE_WEIGHT, ActorCritic, CriticCredit, ppo
from hornbook.training.rollouts import Answer, Judge, Rollouts, Verify, careful
from hornbook.training.schedule import constant
from hornbook.training.sequences import answer_logprobs

RATES = Rates(matrices=0.01, embedding=0.01, head=0.01, vectors=0.01)
PROMPTS = [[first, second] for first in range(4, 12) for second in range(4, 12)]
WANTED = 3


class Letters:
    """A tokenizer of twelve letters, two of which end an answer: a random model ends a sixth of the time."""

    end_of_document, end_of_turn, ends, vocab_size = 0, 1, (1, 0), 12

    def decode_bytes(self, ids: Sequence[int], skip_special: bool = True) -> bytes:
        return bytes(b"_.abcdefghij"[token] for token in ids)


def small_model(seed: int = 0) -> Transformer:
    config = TransformerConfig(
        vocab_size=12, hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16,
    )  # fmt: skip
    model = Transformer(config, seed=seed)
    with torch.no_grad():
        model.lm_head.weight.mul_(0.01)  # every token as likely as the others, so that all are tried
    return model


def share_of_wanted(answers: Sequence[Answer]) -> list[float]:
    """What the tasks here reward: the part of an answer's tokens that are `WANTED`."""
    return [float(np.mean(np.array(answer.completion.ids) == WANTED)) for answer in answers]


def grpo_rollouts(model: Transformer, judge: Judge = share_of_wanted, *, updates: int = 1, **options: Any) -> Rollouts:
    credit = GroupCredit(model, PROMPTS, group=4, updates=updates, window=32)
    return Rollouts(
        Engine(model, Letters()), PROMPTS, judge, credit, lambda answers: informative(answers, 4),
        **{"draws": 16, "group": 4, "max_tokens": 12, "updates": updates} | options,
    )  # type: ignore[arg-type]


def unverified(answer: Answer) -> float:
    return math.nan


def ppo_rollouts(
    model: ActorCritic, judge: Judge = share_of_wanted, verify: Verify = unverified, **options: Any
) -> Rollouts:
    credit = CriticCredit(
        model, small_model(), PROMPTS, group=4, target=1.0, horizon=1000, updates=2, window=32, **options
    )
    return Rollouts(
        Engine(model.policy, Letters()), PROMPTS, judge, credit, verify=verify, draws=16, group=4, max_tokens=12,
        updates=2, state={"beta": 0.02},
    )  # fmt: skip


def actor_critic() -> ActorCritic:
    return ActorCritic(small_model(), RewardModel(small_model()))


def noisy_model(dtype: torch.dtype = torch.float32) -> Transformer:
    model, generator = small_model(), torch.Generator().manual_seed(1)
    model.compute_dtype = dtype
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model


def test_the_trainer_finds_what_the_sampler_found():
    model = noisy_model()
    batch = next(grpo_rollouts(model))
    gap_N = answer_logprobs(model, on_device(batch, "cpu")) - torch.from_numpy(batch.extra["sampler_N"])
    assert gap_N.abs().max() < 1e-4
    assert batch.extra["sampler_N"].std() > 0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_log_ratio_is_exactly_0_at_the_first_update(dtype: torch.dtype):
    model = noisy_model(dtype)
    loss = grpo(model, on_device(next(grpo_rollouts(model, updates=2)), "cpu"))
    assert loss.metrics["old_kl"].item() == 0.0
    both = actor_critic()
    both.policy = noisy_model(dtype)
    loss = ppo(both, on_device(next(ppo_rollouts(both)), "cpu"))
    assert loss.metrics["old_kl"].item() == 0.0


def test_grpos_gradient_is_that_of_reinforce_with_the_groups_mean_as_baseline():
    model = small_model()
    rollouts = grpo_rollouts(model)
    loss = grpo(model, on_device(next(rollouts), "cpu"))
    gradients = torch.autograd.grad(loss.total / loss.weight, list(model.parameters()))
    rewards_PG = np.array(share_of_wanted(rollouts.last)).reshape(-1, 4)
    advantages, tokens, total = (rewards_PG - rewards_PG.mean(1, keepdims=True)).reshape(-1), 0, torch.zeros(())
    used = group_advantages(rewards_PG)[1].reshape(-1)
    for answer, advantage, teaches in zip(rollouts.last, advantages, used, strict=True):
        if teaches and not answer.truncated:
            ids = [*PROMPTS[answer.prompt], *answer.completion.ids]
            logprobs = torch.log_softmax(model(torch.tensor([ids]))[0, :-1], -1)
            chosen = logprobs.gather(1, torch.tensor(ids)[1:, None])[1:, 0]
            total, tokens = total - chosen.sum() * float(advantage), tokens + len(chosen)
    plain = torch.autograd.grad(total / tokens, list(model.parameters()))
    for one, other in zip(gradients, plain, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-3)


def test_grpo_learns_to_say_what_is_rewarded():
    model = small_model()
    rollouts = grpo_rollouts(model)
    rewards: list[float] = []
    fit(model, rollouts, grpo, Optimiser(model, RATES), constant, folder=None, device="cpu", steps=25,
        on_step=lambda step, row: rewards.append(rollouts.figures["reward"]))  # fmt: skip
    assert rewards[0] < 0.15
    assert np.mean(rewards[-3:]) > 0.35


def test_ppo_learns_it_too_and_keeps_near_its_reference():
    model = actor_critic()
    rollouts = ppo_rollouts(model)
    rows: list[dict[str, float]] = []
    fit(model, rollouts, ppo, Optimiser(model, RATES), constant, folder=None, device="cpu", steps=50,
        on_step=lambda step, row: rows.append(rollouts.figures | rollouts.credit.figures | row))  # fmt: skip
    assert rows[0]["reward"] < 0.15
    assert rows[0]["kl"] == pytest.approx(0.0, abs=1e-5)
    assert np.mean([row["reward"] for row in rows[-6:]]) > 0.35
    assert max(row["kl"] for row in rows) > 0.1
    assert np.mean([row["value_error"] for row in rows[-6:]]) < 0.5
    assert rollouts.state["beta"] != 0.02


@pytest.mark.parametrize("algorithm", ["grpo", "ppo"])
def test_a_run_that_was_stopped_goes_on_bit_for_bit(algorithm: str, tmp_path: Path):
    def train(folder: Path, steps: int) -> tuple[list[torch.Tensor], Any]:
        if algorithm == "grpo":
            model: Any = small_model()
            rollouts, objective = grpo_rollouts(model), grpo
        else:
            model = actor_critic()
            rollouts, objective = ppo_rollouts(model), ppo
        fit(model, rollouts, objective, Optimiser(model, RATES), constant, folder=folder, device="cpu", steps=steps,
            checkpoint_every=2)  # fmt: skip
        return [parameter.detach().clone() for parameter in model.parameters()], rollouts.cursor

    straight, cursor = train(tmp_path / "straight", 8)
    train(tmp_path / "stopped", 4)
    resumed, resumed_cursor = train(tmp_path / "stopped", 8)
    assert all(torch.equal(one, other) for one, other in zip(straight, resumed, strict=True))
    assert cursor == resumed_cursor


def test_there_is_no_checkpoint_inside_a_rollout():
    model = small_model()
    rollouts = grpo_rollouts(model, updates=2)
    next(rollouts)
    with pytest.raises(ValueError, match="multiple of 2 steps"):
        _ = rollouts.cursor


@pytest.mark.parametrize("reward", [1.0, math.nan])
def test_rewards_all_alike_or_never_judged_end_the_stream(reward: float):
    model = small_model()
    rollouts = grpo_rollouts(model, lambda answers: [reward] * len(answers))
    before = rollouts.cursor
    assert list(rollouts) == []
    assert rollouts.cursor == before
    assert rollouts.figures["kept"] == 0.0
    assert rollouts.figures["unjudged"] == (1.0 if math.isnan(reward) else 0.0)


def test_a_verifier_that_fails_on_some_answers_does_not_count_them_as_wrong():
    model = small_model()

    def judge(answers: Sequence[Answer]) -> list[float]:
        return [math.nan if index % 4 == 3 else reward for index, reward in enumerate(share_of_wanted(answers))]

    rollouts = grpo_rollouts(model, judge)
    batch = next(rollouts)
    assert rollouts.figures["unjudged"] == pytest.approx(0.25)
    judged = [reward for reward in judge(rollouts.last) if not math.isnan(reward)]
    assert rollouts.figures["reward"] == pytest.approx(np.mean(judged))
    assert len(batch.extra["last_S"]) <= 0.75 * len(rollouts.last)
    both = actor_critic()
    for batch in (next(rollouts := ppo_rollouts(both, judge)), next(rollouts)):
        assert np.isfinite(batch.extra["advantages_N"]).all()
        assert len(batch.extra["last_S"]) == 24


def test_an_infinite_reward_stops_with_a_line():
    model = small_model()
    with pytest.raises(InputError, match="infinite reward"):
        next(grpo_rollouts(model, lambda answers: [math.inf] * len(answers)))


def test_what_is_verified_counts_by_its_group_beside_the_reward():
    def advantages(**options: Any) -> np.ndarray:
        rollouts = ppo_rollouts(actor_critic(), **options)
        batches = [next(rollouts), next(rollouts)]
        sequences = [batch.extra["sequences_N"] for batch in batches]
        by_answer = [np.split(b.extra["advantages_N"], np.flatnonzero(np.diff(s)) + 1)
                     for b, s in zip(batches, sequences, strict=True)]  # fmt: skip
        lasts.append(rollouts.last)
        return np.array([part[0] for parts in by_answer for part in parts])

    def verify(answer: Answer) -> float:
        looked_at.append(answer)
        return float(len(answer.completion.ids) % 3)

    looked_at: list[Answer] = []
    lasts: list[list[Answer]] = []
    added = advantages(verify=verify) - advantages()
    assert [answer.completion for answer in lasts[0]] == [answer.completion for answer in lasts[1]]
    assert [answer.completion for answer in lasts[0]] == [answer.completion for answer in looked_at], "each once"
    verified = np.array([len(answer.completion.ids) % 3 for answer in lasts[0]]).reshape(-1, 4)
    assert verified.std() > 0
    assert [answer.verified for answer in lasts[0]] == verified.reshape(-1).tolist()
    assert all(math.isnan(answer.verified) for answer in lasts[1])
    np.testing.assert_allclose(added, (verified - verified.mean(1, keepdims=True)).reshape(-1), atol=1e-5)


def test_prompts_that_are_not_scored_pay_no_kl_and_teach_no_critic():
    model = actor_critic()
    everything = frozenset(range(len(PROMPTS)))
    batch = next(ppo_rollouts(model, unscored=everything, verify=lambda answer: float(len(answer.completion.ids) % 2)))
    assert not batch.extra["valued_N"].any()
    loss = ppo(model, on_device(batch, "cpu"))
    loss.total.backward()
    assert not any(p.grad is not None and p.grad.any() for p in model.critic.parameters())
    assert any(p.grad is not None and p.grad.any() for p in model.policy.parameters())


def mixed() -> tuple[ActorCritic, Rollouts]:
    """A critic with something to say, and prompts of which some are not scored."""
    model, lengths = actor_critic(), lambda answer: float(len(answer.completion.ids))
    torch.nn.init.normal_(model.critic.head.weight, std=0.3, generator=torch.Generator().manual_seed(0))
    return model, ppo_rollouts(model, unscored=frozenset(range(24)), verify=lengths)


def test_policy_and_critic_have_each_the_mean_of_its_own_tokens():
    """TRL's PPOTrainer: masked_mean(pg_loss_max, mask) + vf_coef * 0.5 * masked_mean(vf_loss_max, mask), the critic's
    mask without the answers to prompts that are not scored."""
    model, rollouts = mixed()
    batch: Any = on_device(next(rollouts), "cpu")
    extra, mask = batch.extra, batch.extra["valued_N"]
    assert 0.3 < mask.float().mean() < 0.9
    extra["values_N"] += 0.3 * torch.randn(len(mask), generator=torch.Generator().manual_seed(1))  # some are clipped
    value, returns, advantages = model.values(batch), extra["returns_N"], extra["advantages_N"]
    ratio = torch.exp(answer_logprobs(model.policy, batch) - extra["old_N"])
    importance = torch.exp(extra["old_N"] - extra["sampler_N"]).clamp(max=2.0)
    pg_loss = (torch.max(-advantages * ratio, -advantages * ratio.clamp(0.8, 1.28)) * importance).mean()
    near = torch.clamp(value, extra["values_N"] - 0.2, extra["values_N"] + 0.2)
    vf_loss_max = torch.max((value - returns) ** 2, (near - returns) ** 2)
    vf_loss = 0.5 * (vf_loss_max * mask).sum() / mask.sum()
    loss = ppo(model, batch)
    torch.testing.assert_close(loss.total / loss.weight, pg_loss + VALUE_WEIGHT * vf_loss)
    torch.testing.assert_close(loss.metrics["value_error"] / loss.weight, (value - returns)[mask].square().mean())


def test_a_step_of_ppo_may_come_in_pieces():
    """Of both batches of a rollout as one step, each mean is over the tokens of both."""
    model, rollouts = mixed()
    policy = critic = tokens = valued = 0.0
    for _ in range(2):
        batch: Any = on_device(next(rollouts), "cpu")
        extra = batch.extra
        policy += clipped(answer_logprobs(model.policy, batch), extra).total.item()
        found = value_loss(model.values(batch), extra["values_N"], extra["returns_N"], extra["valued_N"])
        critic, tokens, valued = critic + found.total.item(), tokens + len(extra["targets_N"]), valued + found.weight
    model, rollouts = mixed()
    result = fit(model, rollouts, ppo, Optimiser(model, RATES), constant, folder=None, device="cpu", steps=1,
                 accumulate=2)  # fmt: skip
    assert result.loss == pytest.approx(float(policy / tokens + VALUE_WEIGHT * critic / valued), rel=1e-6)


def test_a_verifier_that_crashes_gives_nan_and_never_0():
    def broken(answer: Answer) -> float:
        return 1 / 0

    model = small_model()
    judge = careful(broken)
    assert list(grpo_rollouts(model, lambda answers: [judge(answer) for answer in answers])) == []
    assert math.isnan(judge(None))  # type: ignore[arg-type]
    assert careful(lambda answer: 1)(None) == 1.0  # type: ignore[arg-type]
