"""A reward model that also hears its own language head: how likely it finds the answer it judges."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from hornbook.models.heads import RewardModel
from hornbook.models.transformer import Transformer
from hornbook.training.objectives.logprobs import sequence_sums, token_logprobs
from hornbook.training.sequences import packed_hidden

START = 1.2


class Judged(NamedTuple):
    """Of S sequences: the reward, the scalar head's own part of it, and the answer's log-probability in nats."""

    rewards_S: Tensor
    head_S: Tensor
    logprobs_S: Tensor


class Judge(RewardModel):
    """The scalar head's reward, less `likelihood` times log(1 - log p) of the answer.

    A rater likes what is right, and a model that has read the pages finds the right answer likely. A head on the last
    hidden state can hardly tell that; the language head, which the model keeps from fine-tuning, says it
    at once: DPO's implicit reward (arXiv:2305.18290) beside InstructGPT's explicit one. The logarithm of the surprise:
    from one nat to three tells more than from twenty to thirty. Bradley-Terry trains the head and the weight; no
    gradient of its passes through the likelihood: that made it no better (docs/log.md).
    """

    def __init__(self, transformer: Transformer):
        super().__init__(transformer)
        self.likelihood = nn.Parameter(torch.tensor(START))

    def judged(self, batch: Any) -> Judged:
        """What it makes of each sequence of a packed batch of tensors."""
        extra, count = batch.extra, len(batch.extra["last_S"])
        x_ND = packed_hidden(self.transformer, batch, torch.cat([extra["last_S"], extra["places_N"]]))
        head_S = self.head(x_ND[:count])
        head_VD = self.transformer.lm_head.weight.detach()
        logprobs_N = token_logprobs(x_ND[count:], head_VD, extra["targets_N"])
        logprobs_S = sequence_sums(logprobs_N, extra["sequences_N"], count)
        return Judged(head_S - self.likelihood * torch.log1p(-logprobs_S.detach()), head_S, logprobs_S)
