"""The reward model's loss: of two answers to one prompt, which did the rater like better?"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn.functional import logsigmoid

from hornbook.training.judge import Judge
from hornbook.training.loss import Loss


def bradley_terry(
    chosen_P: Tensor, rejected_P: Tensor, *, margins_P: Tensor | None = None, centring: float = 0.01
) -> Loss:
    """-log sigmoid(r_chosen - r_rejected - margin) + centring (r_chosen + r_rejected)^2, summed over P pairs.

    Rewards are scalars without unit; only differences matter, and the centring term holds their mean near 0. The weight
    is the number of pairs. Bradley and Terry 1952; Ouyang et al., arXiv:2203.02155; centring: Eisenstein et al.,
    arXiv:2312.09244; margins: Touvron et al., "Llama 2", arXiv:2307.09288.
    """
    gaps_P = chosen_P - rejected_P
    loss_P = -logsigmoid(gaps_P if margins_P is None else gaps_P - margins_P)
    if centring:
        loss_P = loss_P + centring * (chosen_P + rejected_P).square()
    right = (gaps_P > 0).float() + 0.5 * (gaps_P == 0).float()
    return Loss(loss_P.sum(), float(len(gaps_P)), {"accuracy": right.sum(), "gap": gaps_P.detach().sum()})


def reward(model: Judge, batch: Any) -> Loss:
    """Bradley-Terry over the pairs of a batch of `ComparisonBatches`: every answer is read once, whatever its pairs.

    Without centring: the language head's part of a reward has a mean of its own.
    """
    scores_S, _ = model.answer_scores(batch)
    better_P, worse_P = batch.extra["pairs_P2"].unbind(1)
    return bradley_terry(scores_S[better_P], scores_S[worse_P], centring=0.0)
