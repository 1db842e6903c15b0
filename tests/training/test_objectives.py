"""The losses against plain references written out here, and the equalities the papers promise."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import logsigmoid

from hornbook.training.objectives.dpo import dpo_loss
from hornbook.training.objectives.logprobs import sequence_sums, token_logprobs
from hornbook.training.objectives.policy import policy_loss, truncated_importance
from hornbook.training.objectives.reward import bradley_terry
from hornbook.training.objectives.value import value_loss


def random(*shape: int, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_chunked_logprobs_are_log_softmax_and_so_is_their_gradient(chunk: int):
    hidden = random(7, 5).float().requires_grad_()
    head = random(11, 5, seed=1).float().requires_grad_()
    targets, upstream = torch.arange(7) % 11, random(7, seed=2).float()
    token_logprobs(hidden, head, targets, chunk=chunk).backward(upstream)
    plain_hidden, plain_head = hidden.detach().requires_grad_(), head.detach().requires_grad_()
    plain = torch.log_softmax(plain_hidden @ plain_head.T, -1).gather(1, targets[:, None])[:, 0]
    plain.backward(upstream)
    torch.testing.assert_close(token_logprobs(hidden, head, targets, chunk=chunk), plain)
    torch.testing.assert_close(hidden.grad, plain_hidden.grad)
    torch.testing.assert_close(head.grad, plain_head.grad)


def test_no_tokens_give_no_logprobs():
    hidden = torch.zeros(0, 5, requires_grad=True)
    token_logprobs(hidden, torch.zeros(11, 5), torch.zeros(0, dtype=torch.long)).sum().backward()
    assert hidden.grad.shape == (0, 5)


def test_sequence_sums_follow_their_sequences():
    sums = sequence_sums(torch.tensor([1.0, 2.0, 4.0, 8.0]), torch.tensor([0, 2, 0, 2]), 3)
    assert sums.tolist() == [5.0, 0.0, 10.0]


def test_policy_loss_is_the_clipped_surrogate():
    now, old, advantages = random(4, 6, scale=0.3), random(4, 6, seed=1, scale=0.3), random(4, 6, seed=2)
    mask = (random(4, 6, seed=3) > 0).double()
    expected, clipped = 0.0, 0
    for row in range(4):
        for step in range(6):
            if mask[row, step]:
                ratio, advantage = math.exp(now[row, step] - old[row, step]), advantages[row, step].item()
                bounded = min(max(ratio, 0.8), 1.28)
                expected -= min(ratio * advantage, bounded * advantage)
                clipped += bounded * advantage < ratio * advantage
    loss = policy_loss(now, old, advantages, mask, clip_low=0.2, clip_high=0.28)
    assert loss.total.item() == pytest.approx(expected, rel=1e-12)
    assert loss.weight == mask.sum()
    assert loss.metrics["clipped"] == clipped > 0


def test_one_epoch_without_kl_has_the_gradient_of_reinforce():
    advantages, mask = random(4, 6, seed=2), (random(4, 6, seed=3) > 0).double()
    logits = random(4, 6, 9).requires_grad_()
    tokens = torch.arange(24).reshape(4, 6) % 9

    def logprobs() -> torch.Tensor:
        return torch.log_softmax(logits, -1).gather(-1, tokens[..., None])[..., 0]

    loss = policy_loss(logprobs(), logprobs().detach(), advantages, mask)
    (gradient,) = torch.autograd.grad(loss.total, logits)
    (plain,) = torch.autograd.grad(-(logprobs() * advantages * mask).sum(), logits)
    torch.testing.assert_close(gradient, plain, rtol=1e-12, atol=1e-12)


def test_what_is_masked_never_reaches_loss_or_gradient():
    now = torch.tensor([[0.1, float("-inf"), 500.0]], requires_grad=True)
    old, advantages = torch.tensor([[0.1, 0.0, 0.0]]), torch.tensor([[1.0, float("nan"), 1.0]])
    loss = policy_loss(now, old, advantages, torch.tensor([[1.0, 0.0, 0.0]]), reference_logprobs=old, kl=0.1)
    loss.total.backward()
    assert loss.total.item() == -1.0
    assert now.grad.tolist() == [[-1.0, 0.0, 0.0]]


def test_k2_in_the_loss_has_the_gradient_of_the_reverse_kl():
    """Of every token with its probability, the gradient of the loss is that of advantages less kl KL(p || reference);
    what is reported is TRL's `per_token_kl`."""
    logits, reference = random(9).requires_grad_(), torch.log_softmax(random(9, seed=1), -1)
    logprobs, advantages, one = torch.log_softmax(logits, -1), random(9, seed=2), torch.ones(1)
    expected, reported = torch.zeros(()), torch.zeros(())
    for part in torch.arange(9)[:, None]:
        loss = policy_loss(
            logprobs[part], logprobs[part].detach(), advantages[part], one, reference_logprobs=reference[part], kl=0.3
        )
        assert loss.weight == 1
        expected = expected + logprobs[part].detach().exp() * loss.total
        reported = reported + loss.metrics["kl_k3"]
    gap = (reference - logprobs).detach()
    torch.testing.assert_close(reported, (gap.exp() - gap - 1).sum())
    (gradient,) = torch.autograd.grad(expected.sum(), logits, retain_graph=True)
    objective = (logprobs.exp() * (advantages - 0.3 * (logprobs - reference))).sum()
    (exact,) = torch.autograd.grad(-objective, logits)
    torch.testing.assert_close(gradient, exact)


def test_importance_is_truncated_and_weighs_each_token():
    old, sampler = torch.tensor([0.0, 0.0, 0.0]), torch.tensor([0.0, 0.5, -3.0])
    weights = truncated_importance(old, sampler)
    torch.testing.assert_close(weights, torch.tensor([1.0, math.exp(-0.5), 2.0]))
    loss = policy_loss(old, old, torch.ones(3), torch.ones(3), importance=weights)
    assert loss.total.item() == pytest.approx(-(1 + math.exp(-0.5) + 2))


def test_value_loss_takes_the_worse_of_plain_and_clipped():
    values = torch.tensor([1.0, 0.1, 2.0], requires_grad=True)
    loss = value_loss(values, torch.tensor([0.0, 0.0, 0.0]), torch.tensor([1.0, 1.0, 9.0]), torch.tensor([1, 1, 0]))
    # the first moved 1.0 from its old value though only 0.2 is believed: (0.2 - 1)^2; the second moved within bounds
    assert loss.total.item() == pytest.approx(0.5 * (0.64 + 0.81))
    assert loss.metrics["value_error"].item() == pytest.approx(0.81)
    assert loss.weight == 2
    loss.total.backward()
    assert values.grad.tolist() == pytest.approx([0.0, -0.9, 0.0])


def test_bradley_terry_is_log_sigmoid_of_the_gap_as_in_trl():
    """RewardTrainer.compute_loss, with a margin and a center_rewards_coefficient: means where ours are sums."""
    chosen, rejected, margins = random(5), random(5, seed=1), random(5, seed=2).abs()
    plain = bradley_terry(chosen, rejected)
    torch.testing.assert_close(plain.total / plain.weight, -logsigmoid(chosen - rejected).mean())
    theirs = -logsigmoid(chosen - rejected - margins).mean() + 0.01 * torch.mean((chosen + rejected) ** 2)
    loss = bradley_terry(chosen, rejected, margins_P=margins, centring=0.01)
    torch.testing.assert_close(loss.total / loss.weight, theirs)
    even = bradley_terry(torch.zeros(3), torch.zeros(3))
    assert even.total.item() / even.weight == pytest.approx(math.log(2))
    assert even.metrics["accuracy"].item() / even.weight == 0.5


def test_bradley_terry_recovers_a_known_linear_reward():
    gold, features = random(6), random(4000, 2, 6, seed=1)
    gaps = (features @ gold).diff(dim=1)[:, 0]
    coin = torch.rand(4000, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    second_wins = coin < torch.sigmoid(gaps)
    chosen = torch.where(second_wins[:, None], features[:, 1], features[:, 0])
    rejected = torch.where(second_wins[:, None], features[:, 0], features[:, 1])
    weights = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([weights], line_search_fn="strong_wolfe", max_iter=100)

    def closure() -> torch.Tensor:
        solver.zero_grad()
        loss = bradley_terry(chosen @ weights, rejected @ weights)
        (loss.total / loss.weight).backward()
        return loss.total / loss.weight

    solver.step(closure)
    assert torch.nn.functional.cosine_similarity(weights, gold, dim=0) > 0.99
    torch.testing.assert_close(weights.detach(), gold, atol=0.2, rtol=0)


def test_dpo_starts_at_ln_2_and_equals_its_formula():
    chosen, rejected = -random(5).abs(), -random(5, seed=1).abs()
    start = dpo_loss(chosen, rejected, chosen, rejected)
    assert start.total.item() / start.weight == pytest.approx(math.log(2), abs=1e-12)
    reference_chosen, reference_rejected = -random(5, seed=2).abs(), -random(5, seed=3).abs()
    plain = -logsigmoid(0.3 * ((chosen - reference_chosen) - (rejected - reference_rejected))).sum()
    torch.testing.assert_close(dpo_loss(chosen, rejected, reference_chosen, reference_rejected, beta=0.3).total, plain)
