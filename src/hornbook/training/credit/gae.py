"""Per-token credit with a critic: generalised advantage estimation, and whitening."""

from __future__ import annotations

import numpy as np


def gae(
    rewards_BT: np.ndarray, values_BT: np.ndarray, mask_BT: np.ndarray, *, gamma: float = 1.0, decay: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Rewards and values of each token -> (advantages_BT, returns_BT), both 0 where `mask_BT` is 0.

    `mask_BT` is 1 at the tokens the policy chose. The others (a prompt, a tool's reply, padding) are no steps: credit
    is carried across them unchanged, so that inserting one alters nothing. With decay 1 and gamma 1 the advantage is
    the sum of the rewards to come less the value. Schulman et al., arXiv:1506.02438.
    """
    rewards_BT, values_BT = np.asarray(rewards_BT, np.float64), np.asarray(values_BT, np.float64)
    advantages_BT = np.zeros_like(rewards_BT)
    advantage_B, next_value_B = np.zeros(len(rewards_BT)), np.zeros(len(rewards_BT))
    for step in reversed(range(rewards_BT.shape[1])):
        chosen_B = mask_BT[:, step] > 0
        surprise_B = rewards_BT[:, step] + gamma * next_value_B - values_BT[:, step]
        advantage_B = np.where(chosen_B, surprise_B + gamma * decay * advantage_B, advantage_B)
        next_value_B = np.where(chosen_B, values_BT[:, step], next_value_B)
        advantages_BT[:, step] = np.where(chosen_B, advantage_B, 0.0)
    returns_BT = np.where(mask_BT > 0, advantages_BT + values_BT, 0.0)
    return advantages_BT.astype(np.float32), returns_BT.astype(np.float32)


def whiten(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """`values` with mean 0 and standard deviation 1 over the kept places of the whole batch; 0 elsewhere."""
    kept = values[mask > 0].astype(np.float64)
    if not len(kept):
        return np.zeros_like(values, dtype=np.float32)
    return np.where(mask > 0, (values - kept.mean()) / (kept.std() + 1e-8), 0.0).astype(np.float32)
