"""The reward model's loss: of two answers to one prompt, which did the rater like better?"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn.functional import logsigmoid

from hornbook.training.judge import Judge
from hornbook.training.loss import Loss

KEPT_WEIGHT = 0.3


def bradley_terry(
    chosen_P: Tensor, rejected_P: Tensor, *, margins_P: Tensor | None = None, centring: float = 0.0
) -> Loss:
    """-log sigmoid(r_chosen - r_rejected - margin) + centring (r_chosen + r_rejected)^2, summed over P pairs.

    Rewards are scalars without unit; only differences matter, and a centring above 0 (0.01 is usual) holds their mean
    near 0. The weight is the number of pairs. Bradley and Terry 1952; Ouyang et al., arXiv:2203.02155; centring:
    Eisenstein et al., arXiv:2312.09244; margins: Touvron et al., "Llama 2", arXiv:2307.09288.
    """
    gaps_P = chosen_P - rejected_P
    loss_P = -logsigmoid(gaps_P if margins_P is None else gaps_P - margins_P)
    if centring:
        loss_P = loss_P + centring * (chosen_P + rejected_P).square()
    right = (gaps_P > 0).float() + 0.5 * (gaps_P == 0).float()
    return Loss(loss_P.sum(), float(len(gaps_P)), {"accuracy": right.sum(), "gap": gaps_P.detach().sum()})


def reward(model: Judge, batch: Any) -> Loss:
    """Bradley-Terry over the pairs of a batch of `ComparisonBatches`, every answer read once, whatever its pairs, and
    `KEPT_WEIGHT` times the next-token loss of the best answers, its mean a token: what the SFT model knows is kept for
    judging by, and the language head goes on to hear the likelihood (Yang et al., arXiv:2406.10216).

    Without centring: the language head's part of a reward has a mean of its own.
    """
    rewards_S, _, logprobs_S = model.judged(batch)
    better_P, worse_P = batch.extra["pairs_P2"].unbind(1)
    loss = bradley_terry(rewards_S[better_P], rewards_S[worse_P])
    pairs, told = batch.counts["pairs"], -logprobs_S[batch.extra["best_S"]].sum() / batch.counts["best_tokens"]
    return Loss(loss.total + KEPT_WEIGHT * pairs * told, loss.weight, loss.metrics | {"told": pairs * told.detach()})
