"""Group-relative credit: an answer is as good as it beats the other answers to the same prompt."""

from __future__ import annotations

import numpy as np

from hornbook.core.errors import InputError


def group_advantages(rewards_PG: np.ndarray, *, by_deviation: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Rewards of G answers to each of P prompts -> (advantages_PG, used_PG).

    The advantage is the reward less the mean of its group, divided by the group's standard deviation (a sample's, and
    1e-4 more, as in TRL) only when asked: dividing favours prompts that are nearly always or nearly never solved. A
    reward of NaN says that the verifier could not judge: the answer counts neither for the mean nor for the gradient. A
    group whose rewards are all alike teaches nothing and is not used. Where `used_PG` is false the advantage is 0.

    Raises InputError for an infinite reward. Shao et al., "DeepSeekMath", arXiv:2402.03300; without the deviation:
    Liu et al., "Understanding R1-Zero-Like Training", arXiv:2503.20783; dropping groups: DAPO, arXiv:2503.14476.
    """
    rewards_PG = np.asarray(rewards_PG, dtype=np.float64)
    if np.isinf(rewards_PG).any():
        fix = "let it return a finite number, or NaN where it cannot judge"
        raise InputError("the verifier or reward model gave an infinite reward", where="reward", fix=fix)
    judged_PG = ~np.isnan(rewards_PG)
    count_P1 = np.maximum(judged_PG.sum(1, keepdims=True), 1)
    filled_PG = np.where(judged_PG, rewards_PG, 0.0)
    centred_PG = np.where(judged_PG, filled_PG - filled_PG.sum(1, keepdims=True) / count_P1, 0.0)
    lowest_P1 = np.where(judged_PG, rewards_PG, np.inf).min(1, keepdims=True)
    highest_P1 = np.where(judged_PG, rewards_PG, -np.inf).max(1, keepdims=True)
    used_PG = judged_PG & (highest_P1 > lowest_P1)
    if by_deviation:
        variance_P1 = np.square(centred_PG).sum(1, keepdims=True) / np.maximum(count_P1 - 1, 1)
        centred_PG = centred_PG / (np.sqrt(variance_P1) + 1e-4)
    return np.where(used_PG, centred_PG, 0.0).astype(np.float32), used_PG
