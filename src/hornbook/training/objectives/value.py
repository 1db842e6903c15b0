"""The critic's loss."""

from __future__ import annotations

import torch
from torch import Tensor

from hornbook.training.loss import Loss


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, *, clip: float = 0.2) -> Loss:
    """Half the squared error, or that of the value moved at most `clip` where it is greater, summed over the mask.

    All tensors have one shape: values now, values when the rollout was made, the returns they should foretell (in the
    unit of the reward), and 1 or 0. The weight is the number of kept tokens.
    Schulman et al., "Proximal Policy Optimization", arXiv:1707.06347, as in OpenAI's baselines (ppo2).
    """
    keep = mask > 0
    values, old_values, returns = (torch.where(keep, part, 0.0) for part in (values, old_values, returns))
    near = old_values + (values - old_values).clamp(-clip, clip)
    loss = 0.5 * torch.maximum((values - returns).square(), (near - returns).square())
    return Loss(loss.sum(), keep.sum(), {"value_error": (values - returns).detach().square().sum()})
