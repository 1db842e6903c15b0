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
from hornbook.training.judge import Judge
from hornbook.training.sequences import pack_answers

SCALE = "scale.safetensors"
AT_ONCE = 128  # answers read in one pass


@dataclass(frozen=True)
class Scorer:
    """Rewards (raw score - mean) / deviation, which on answers of the model before RL have mean 0 and deviation 1.

    `head_mean` is the mean of the scalar head's own part, for a critic that begins as that head.
    """

    judge: Judge
    window: int
    mean: float = 0.0
    deviation: float = 1.0
    head_mean: float = 0.0

    def __call__(self, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> np.ndarray:
        """The reward of each answer to its prompt, both token ids, the answer with its end token; float32."""
        return (self._raw(prompts, answers)[0] - self.mean) / self.deviation

    def scaled_on(self, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> Scorer:
        """The same judge with the scale on which these answers have mean 0 and deviation 1."""
        raw_S, head_S = self._raw(prompts, answers)
        deviation = max(float(raw_S.std()), 1e-6)
        return Scorer(self.judge, self.window, float(raw_S.mean()), deviation, float(head_S.mean()))

    def save_scale(self, folder: Path) -> None:
        """Keep the scale and the weight of the likelihood beside the model's weights."""
        numbers = {"mean": self.mean, "deviation": self.deviation, "head_mean": self.head_mean}
        tensors = {name: torch.tensor([number]) for name, number in numbers.items()}
        write_safetensors(Path(folder) / SCALE, tensors | {"likelihood": self.judge.likelihood.detach()[None]})

    @torch.no_grad()
    def _raw(self, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> np.ndarray:
        """Raw rewards and the head's part of them, (2, S)."""
        found = [np.zeros((2, 0), np.float32)]
        for begin in range(0, len(prompts), AT_ONCE):
            part = slice(begin, begin + AT_ONCE)
            batch = pack_answers(prompts[part], answers[part], window=self.window)
            rewards_S, head_S, _ = self.judge.judged(on_device(batch, self.judge.head.weight.device))
            found.append(torch.stack([rewards_S, head_S]).float().cpu().numpy())
        return np.concatenate(found, axis=1)


def load_scorer(model: RewardModel, folder: Path, *, window: int) -> Scorer:
    """`model` as a judge, on the scale kept in its folder. Raises InputError or DamagedError where there is none."""
    tensors = read_safetensors(Path(folder) / SCALE)
    judge = Judge(model.transformer)
    judge.head = model.head
    judge.likelihood.data = tensors.pop("likelihood")[0].to(model.head.weight.device)
    return Scorer(judge, window, **{name: float(number) for name, number in tensors.items()})
