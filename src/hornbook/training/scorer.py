"""A reward model in use: answers to rewards on a known scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from hornbook.models.files import read_safetensors, write_safetensors
from hornbook.models.heads import RewardModel
from hornbook.training.batch import on_device
from hornbook.training.objectives.reward import answer_scores
from hornbook.training.sequences import pack_answers

SCALE = "scale.safetensors"
AT_ONCE = 128  # answers read in one pass


@dataclass(frozen=True)
class Scorer:
    """Rewards (raw score - mean) / deviation, which on answers of the model before RL have mean 0 and deviation 1."""

    model: RewardModel
    mean: float = 0.0
    deviation: float = 1.0
    window: int = 512

    @torch.no_grad()
    def __call__(self, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> np.ndarray:
        """The reward of each answer to its prompt, both token ids, the answer with its end token; float32."""
        found = [np.zeros(0, np.float32)]
        for begin in range(0, len(prompts), AT_ONCE):
            part = slice(begin, begin + AT_ONCE)
            batch = pack_answers(prompts[part], answers[part], window=self.window)
            scores_S = answer_scores(self.model, on_device(batch, self.model.head.weight.device))
            found.append(scores_S.float().cpu().numpy())
        return (np.concatenate(found) - self.mean) / self.deviation

    def save_scale(self, folder: Path) -> None:
        """Keep the scale beside the model's weights."""
        tensors = {"mean": torch.tensor([self.mean]), "deviation": torch.tensor([self.deviation])}
        write_safetensors(Path(folder) / SCALE, tensors)


def load_scorer(model: RewardModel, folder: Path, *, window: int) -> Scorer:
    """`model` on the scale kept in its folder. Raises InputError or DamagedError when that cannot be read."""
    tensors = read_safetensors(Path(folder) / SCALE)
    return Scorer(model, float(tensors["mean"]), float(tensors["deviation"]), window)
