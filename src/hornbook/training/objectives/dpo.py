"""Direct preference optimisation: the reward model's loss, with the policy itself as the reward model."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn.functional import logsigmoid

from hornbook.models.transformer import Transformer
from hornbook.training.loss import Loss
from hornbook.training.objectives.logprobs import sequence_sums
from hornbook.training.sequences import answer_logprobs


def dpo_loss(
    chosen_P: Tensor,
    rejected_P: Tensor,
    reference_chosen_P: Tensor,
    reference_rejected_P: Tensor,
    *,
    beta: float = 0.1,
) -> Loss:
    """-log sigmoid(beta [(log p - log p_ref)(chosen) - (log p - log p_ref)(rejected)]), summed over P pairs.

    Each tensor holds the log-probability of a whole answer, in nats: under the policy, and under the model it started
    from (made once and kept in the batch). At the start the two agree and the loss is ln 2 a pair. The weight is the
    number of pairs. Rafailov et al., "Direct Preference Optimization", arXiv:2305.18290.
    """
    chosen_reward_P = beta * (chosen_P - reference_chosen_P.detach())
    rejected_reward_P = beta * (rejected_P - reference_rejected_P.detach())
    gaps_P = chosen_reward_P - rejected_reward_P
    right = (gaps_P > 0).float() + 0.5 * (gaps_P == 0).float()
    metrics = {
        "accuracy": right.sum(),
        "chosen_reward": chosen_reward_P.detach().sum(),
        "rejected_reward": rejected_reward_P.detach().sum(),
    }
    return Loss(-logsigmoid(gaps_P).sum(), float(len(gaps_P)), metrics)


def dpo(model: Transformer, batch: Any) -> Loss:
    """DPO over the pairs of a batch of `ComparisonBatches` that carries the reference's log-probabilities."""
    reference_S, (better_P, worse_P) = batch.extra["reference_S"], batch.extra["pairs_P2"].unbind(1)
    logprobs_S = sequence_sums(answer_logprobs(model, batch), batch.extra["sequences_N"], len(reference_S))
    return dpo_loss(logprobs_S[better_P], logprobs_S[worse_P], reference_S[better_P], reference_S[worse_P])
