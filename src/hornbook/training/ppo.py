"""Proximal policy optimisation against a reward model (Ouyang et al., arXiv:2203.02155): critic, credit, objective."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hornbook.models.heads import RewardModel
from hornbook.models.transformer import Transformer
from hornbook.tokens.batch import Batch
from hornbook.training.batch import on_device
from hornbook.training.credit.gae import gae, whiten
from hornbook.training.credit.grpo import group_advantages
from hornbook.training.credit.kl import AdaptiveKL, token_rewards
from hornbook.training.grpo import answers_batch, clipped, trainers_logprobs
from hornbook.training.loss import Loss
from hornbook.training.objectives.value import value_loss
from hornbook.training.rollouts import Answer
from hornbook.training.sequences import answer_logprobs, packed_hidden, padded

VALUE_WEIGHT = 0.5


class ActorCritic(nn.Module):
    """The policy, and a critic that foretells the reward from every place of an answer.

    The critic begins as the reward model; `mean` and `deviation` bring its values to the unit of the rewards.
    """

    def __init__(self, policy: Transformer, critic: RewardModel, *, mean: float = 0.0, deviation: float = 1.0):
        super().__init__()
        self.policy, self.critic, self.mean, self.deviation = policy, critic, mean, deviation

    def values(self, batch: Any) -> Tensor:
        """v_N: what the critic foretells before each token of the answers."""
        x_ND = packed_hidden(self.critic.transformer, batch, batch.extra["places_N"])
        return (self.critic.head(x_ND) - self.mean) / self.deviation


@dataclass
class CriticCredit:
    """Answers to batches: the reward and the KL from `reference` spread over the tokens by GAE, whitened over them all.

    An answer cut off, which has no end to be scored at, is worth `truncated_reward`; one that was not judged is left
    out. What an answer was verified to be counts beside the reward, as the advantage over its group: a critic made of
    the reward model cannot foretell it. Answers to a prompt in `unscored` have that credit alone, pay no
    KL and do not train the critic. `state["beta"]` is the weight of the KL, moved by an `AdaptiveKL` towards `target`
    nats an answer; `figures` tell of the last rollout.
    """

    model: ActorCritic
    reference: Transformer
    prompts: Sequence[Sequence[int]]
    group: int
    target: float
    horizon: float
    unscored: Collection[int] = frozenset()
    truncated_reward: float = -2.0
    decay: float = 0.95
    updates: int = 1
    window: int = 512
    figures: dict[str, float] = field(default_factory=dict)

    def __call__(self, answers: Sequence[Answer], state: dict[str, Any]) -> list[Batch]:
        rewards_S = np.array([answer.reward for answer in answers])
        judged = np.flatnonzero(~np.isnan(rewards_S))
        parts = [part if len(part) else judged for part in np.array_split(judged, self.updates)]
        batches = [self._batch([answers[index] for index in part.tolist()]) for part in parts]
        order = np.concatenate(parts)
        whole = _joined(batches)
        advantages_N, returns_N, kl_S = self._credit([answers[index] for index in order], whole, state["beta"])
        verified_S = np.array([answer.verified for answer in answers])
        group_S = group_advantages(verified_S.reshape(-1, self.group))[0].reshape(-1)[order]
        unscored_S = np.array([answers[index].prompt in self.unscored for index in order])
        scored_N = ~unscored_S[whole["sequences_N"]]
        advantages_N = np.where(scored_N, whiten(advantages_N, scored_N), 0.0) + group_S[whole["sequences_N"]]
        ends = np.cumsum([len(batch.extra["places_N"]) for batch in batches])[:-1]
        columns = (np.split(column_N, ends) for column_N in (advantages_N, returns_N, scored_N))
        for batch, advantages, returns, valued in zip(batches, *columns, strict=True):
            batch.extra |= {"advantages_N": advantages, "returns_N": returns, "valued_N": valued}
            batch.counts["valued"] = int(valued.sum())
        self._steer(kl_S[~unscored_S], state)
        return batches

    def _batch(self, answers: list[Answer]) -> Batch:
        batch = answers_batch(answers, self.prompts, self.window)
        tensors = on_device(batch, self.model.policy.lm_head.weight.device)
        batch.extra["old_N"] = trainers_logprobs(self.model.policy, tensors)
        with torch.no_grad():
            batch.extra["reference_N"] = answer_logprobs(self.reference, tensors).cpu().numpy()
            batch.extra["values_N"] = self.model.values(tensors).float().cpu().numpy()
        return batch

    def _credit(self, answers: list[Answer], whole: dict[str, np.ndarray], beta: float):
        """(advantages_N, returns_N, kl_S) of all the answers together."""
        rewards_S = np.array([self.truncated_reward if a.truncated else a.reward for a in answers])
        names = ("old_N", "reference_N", "values_N")
        (old_SL, mask_SL), (reference_SL, _), (values_SL, _) = (
            padded(whole[name], whole["sequences_N"], len(answers)) for name in names
        )
        rewards_SL = token_rewards(rewards_S, old_SL, reference_SL, mask_SL, beta=beta)
        advantages_SL, returns_SL = gae(rewards_SL, values_SL, mask_SL, decay=self.decay)
        return advantages_SL[mask_SL], returns_SL[mask_SL], (old_SL - reference_SL).sum(1)

    def _steer(self, kl_S: np.ndarray, state: dict[str, Any]) -> None:
        control = AdaptiveKL(state["beta"], self.target, self.horizon)
        self.figures = {"kl": float(kl_S.mean()) if len(kl_S) else 0.0, "beta": control.beta}
        if len(kl_S):
            control.update(self.figures["kl"], len(kl_S))
        state["beta"] = control.beta


def ppo(model: ActorCritic, batch: Any) -> Loss:
    """The policy loss and `VALUE_WEIGHT` times the critic's, of a batch that `CriticCredit` made: each a mean over the
    tokens that it is of, every one for the policy, for the critic those of the prompts that are scored."""
    policy = clipped(answer_logprobs(model.policy, batch), batch.extra)
    value = value_loss(model.values(batch), batch.extra["values_N"], batch.extra["returns_N"], batch.extra["valued_N"])
    share = batch.counts["tokens"] / max(batch.counts["valued"], 1)
    metrics = {name: share * found for name, found in value.metrics.items()}
    return Loss(policy.total + VALUE_WEIGHT * share * value.total, policy.weight, policy.metrics | metrics)


def _joined(batches: list[Batch]) -> dict[str, np.ndarray]:
    """The answers' values of several batches as if of one, their sequences counted on."""
    names = ("old_N", "reference_N", "values_N")
    joined = {name: np.concatenate([batch.extra[name] for batch in batches]) for name in names}
    counts = np.cumsum([0] + [len(batch.extra["last_S"]) for batch in batches])
    numbers = [batch.extra["sequences_N"] + first for batch, first in zip(batches, counts[:-1], strict=True)]
    return joined | {"sequences_N": np.concatenate(numbers)}
