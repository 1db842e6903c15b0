"""A reward model that also hears its own language head: how likely it finds the answer it judges."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from hornbook.models.heads import RewardModel
from hornbook.models.transformer import Transformer
from hornbook.training.objectives.logprobs import sequence_sums, token_logprobs

START = (0.1, 0.2)


class Judge(RewardModel):
    """The scalar head's reward, plus `likelihood` times log p of the answer and of its least likely token, in nats.

    A rater likes what is right, and a model that has read the pages finds the right answer likely. A head on the last
    hidden state can hardly tell that; the language head, which the model keeps from fine-tuning, says it
    at once: DPO's implicit reward (arXiv:2305.18290) beside InstructGPT's explicit one. Bradley-Terry trains the head
    and both weights; no gradient passes through the likelihood itself: that made it no better (docs/log.md).
    """

    def __init__(self, transformer: Transformer):
        super().__init__(transformer)
        self.likelihood = nn.Parameter(torch.tensor(START))

    def answer_scores(self, batch: Any) -> tuple[Tensor, Tensor]:
        """(r_S, the head's own part of it) for each sequence of a packed batch of tensors."""
        x_BTD = self.transformer.hidden(batch.ids_BT, batch.positions_BT, batch.documents_BT)
        x_PD, extra = x_BTD.flatten(0, 1), batch.extra
        head_S = self.head(x_PD[extra["last_S"]])
        places_N, sequences_N = extra["places_N"], extra["sequences_N"]
        head_VD, targets_N = self.transformer.lm_head.weight, batch.targets_BT.flatten()[places_N]
        logprobs_N = token_logprobs(x_PD[places_N].detach(), head_VD.detach(), targets_N)
        whole_S = sequence_sums(logprobs_N, sequences_N, len(head_S))
        least_S = torch.zeros_like(whole_S).scatter_reduce(0, sequences_N, logprobs_N, "amin")
        return head_S + self.likelihood[0] * whole_S + self.likelihood[1] * least_S, head_S
