"""The KL penalty of PPO: paid token by token in the reward, its weight held by a controller."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def token_rewards(
    scores_B: np.ndarray, logprobs_BT: np.ndarray, reference_BT: np.ndarray, mask_BT: np.ndarray, *, beta: float
) -> np.ndarray:
    """The reward of each token: - beta (log p - log p_ref), and the answer's score on its last token.

    The first term is the k1 estimate of the KL divergence from the reference, in nats, paid where it arises.
    Ziegler et al., arXiv:1909.08593; Ouyang et al., arXiv:2203.02155.
    """
    kept_BT = mask_BT > 0
    rewards_BT = np.where(kept_BT, -beta * (np.where(kept_BT, logprobs_BT - reference_BT, 0.0)), 0.0)
    width = kept_BT.shape[1]
    last_B = width - 1 - np.argmax(kept_BT[:, ::-1], axis=1)
    answered_B = kept_BT.any(1)
    rewards_BT[answered_B, last_B[answered_B]] += np.asarray(scores_B)[answered_B]
    return rewards_BT.astype(np.float32)


@dataclass
class AdaptiveKL:
    """The weight of the KL penalty, moved so that an answer's KL stays near `target` nats.

    `beta` rises or falls by at most a fifth of `answers / horizon` at each update.
    Ziegler et al., arXiv:1909.08593, section 2.2.
    """

    beta: float
    target: float
    horizon: float

    def update(self, kl: float, answers: int) -> None:
        """Learn that `answers` answers had a mean KL of `kl` nats from the reference."""
        self.beta *= 1 + float(np.clip(kl / self.target - 1, -0.2, 0.2)) * answers / self.horizon
