"""Group-relative policy optimisation (Shao et al., arXiv:2402.03300; DAPO, arXiv:2503.14476): credit and objective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hornbook.models.transformer import Transformer
from hornbook.tokens.batch import Batch
from hornbook.training.batch import on_device
from hornbook.training.credit.grpo import group_advantages
from hornbook.training.loss import Loss
from hornbook.training.objectives.policy import policy_loss, truncated_importance
from hornbook.training.rollouts import Answer
from hornbook.training.sequences import answer_logprobs, pack_answers

CLIP_LOW, CLIP_HIGH = 0.2, 0.28


def informative(answers: Sequence[Answer], group: int) -> list[Answer]:
    """The answers of the groups that teach: their rewards differ, and not all that were judged were cut off."""
    _, used_PG = group_advantages(_rewards(answers, group))
    whole_PG = ~np.array([answer.truncated for answer in answers]).reshape(used_PG.shape)
    teaches_P = np.atleast_1d(np.logical_and(used_PG, whole_PG).any(axis=1))
    return [answer for index, answer in enumerate(answers) if bool(teaches_P[index // group])]


@dataclass
class GroupCredit:
    """What `informative` kept, to batches: each token of an answer has the answer's reward less the mean of its group.

    An answer that was cut off counts for the mean of its group and is then left out, as is one that was not judged:
    whether the rest would have been right nobody knows. With several updates a rollout the old log-probabilities are
    made by the trainer itself, from the very rows it will train on, so that the first update's log ratio is exactly 0;
    with one they are those of that update. The sampler's own enter as importance.
    """

    model: Transformer
    prompts: Sequence[Sequence[int]]
    group: int
    updates: int = 1
    window: int = 512

    def __call__(self, answers: Sequence[Answer], state: dict[str, Any]) -> list[Batch]:
        advantages_PG, used_PG = group_advantages(_rewards(answers, self.group))
        advantages_S, used_S = advantages_PG.reshape(-1), used_PG.reshape(-1)
        kept = [index for index, answer in enumerate(answers) if used_S[index] and not answer.truncated]
        parts = [part if len(part) else np.array(kept) for part in np.array_split(np.array(kept), self.updates)]
        return [self._batch([answers[index] for index in part], advantages_S[part]) for part in parts]

    def _batch(self, answers: list[Answer], advantages_S: np.ndarray) -> Batch:
        batch = answers_batch(answers, self.prompts, self.window)
        batch.extra["advantages_N"] = advantages_S[batch.extra["sequences_N"]]
        if self.updates > 1:
            batch.extra["old_N"] = trainers_logprobs(self.model, on_device(batch, self.model.lm_head.weight.device))
        return batch


def grpo(model: Transformer, batch: Any) -> Loss:
    """The policy loss of a batch that `GroupCredit` made, a token of an answer counting as one."""
    return clipped(answer_logprobs(model, batch), batch.extra)


def clipped(logprobs_N: torch.Tensor, extra: dict[str, Any]) -> Loss:
    """The policy loss of the answers' tokens, every one of them learned from."""
    old_N = extra.get("old_N", logprobs_N.detach())
    loss = policy_loss(
        logprobs_N, old_N, extra["advantages_N"], torch.ones_like(logprobs_N),
        clip_low=CLIP_LOW, clip_high=CLIP_HIGH, importance=truncated_importance(old_N, extra["sampler_N"]),
    )  # fmt: skip
    return Loss(loss.total, loss.weight, loss.metrics | {"sampler_gap": (old_N - extra["sampler_N"]).abs().sum()})


def trainers_logprobs(model: Transformer, batch: Any) -> np.ndarray:
    """`answer_logprobs` as the trainer will find them, (N,). `batch` holds tensors.

    With gradients on, though none is taken: without them attention in bf16 takes another kernel, and the log ratio of
    the first update would be nearly 0 and not 0.
    """
    with torch.enable_grad():
        return answer_logprobs(model, batch).detach().cpu().numpy()


def answers_batch(answers: Sequence[Answer], prompts: Sequence[Sequence[int]], window: int) -> Batch:
    """The answers behind their prompts as one batch, with the sampler's log-probabilities as `sampler_N` and the count
    of their `tokens`."""
    completions = [answer.completion for answer in answers]
    batch = pack_answers(
        [prompts[answer.prompt] for answer in answers], [completion.ids for completion in completions], window=window
    )
    batch.extra["sampler_N"] = np.concatenate([completion.logprobs for completion in completions]).astype(np.float32)
    batch.counts["tokens"] = len(batch.extra["sampler_N"])
    return batch


def _rewards(answers: Sequence[Answer], group: int) -> np.ndarray:
    return np.array([answer.reward for answer in answers]).reshape(-1, group)
