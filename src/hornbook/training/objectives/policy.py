"""The clipped policy loss: one for PPO, GRPO and plain policy gradients, blind to where advantages come from."""

from __future__ import annotations

import torch
from torch import Tensor

from hornbook.training.loss import Loss


def policy_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    importance: Tensor | None = None,
    reference_logprobs: Tensor | None = None,
    kl: float = 0.0,
) -> Loss:
    """- min(ratio A, clip(ratio, 1 - clip_low, 1 + clip_high) A), summed over the tokens that `mask` keeps.

    All tensors have one shape, usually (B, T) or (N,): log-probabilities in nats of the sampled tokens under the policy
    now and under the policy that is being improved on, the advantage of each token, and 1 for a token to learn from or
    0. The weight is the number of such tokens, so that every token counts alike (DAPO's normalisation).

    `importance` multiplies each token's loss (see `truncated_importance`). `kl` times the k2 estimate against
    `reference_logprobs` is added: of the three estimators its gradient is the reverse KL's; k3, which TRL adds, is only
    reported.

    Schulman et al., "Proximal Policy Optimization", arXiv:1707.06347; clip_high above clip_low and the normalisation:
    Yu et al., "DAPO", arXiv:2503.14476; estimators: Schulman, "Approximating KL Divergence", 2020, and
    Tang and Munos, "On a few pitfalls in KL divergence gradient estimation for RL", arXiv:2506.09477.
    """
    keep = mask > 0
    # masked places may hold anything, even infinities: nothing of them may reach the sum or its gradient
    log_ratio = torch.where(keep, logprobs - old_logprobs.detach(), 0.0)
    advantages = torch.where(keep, advantages, 0.0)
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
    loss = -torch.minimum(ratio * advantages, clipped * advantages)
    if importance is not None:
        loss = loss * torch.where(keep, importance, 0.0)
    metrics = {
        "clipped": ((clipped * advantages < ratio * advantages) & keep).float().sum(),
        "old_kl": (ratio - 1 - log_ratio).detach().sum(),
    }
    if reference_logprobs is not None:
        gap = torch.where(keep, logprobs - reference_logprobs, 0.0)
        loss = loss + kl * 0.5 * gap.square()
        metrics["kl_k3"] = (torch.exp(-gap) - 1 + gap).detach().sum()
    return Loss(loss.sum(), keep.sum(), metrics)


def truncated_importance(old_logprobs: Tensor, sampler_logprobs: Tensor, *, limit: float = 2.0) -> Tensor:
    """min(p_trainer / p_sampler, limit) for each sampled token: what a sampler with other numerics owes the gradient.

    Both in nats, one shape. Yao et al., "Your Efficient RL Framework Secretly Brings You Off-Policy RL Training", 2025.
    """
    return torch.exp(old_logprobs - sampler_logprobs).clamp(max=limit).detach()
