"""One number for a text: a linear head on the last place's hidden state."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from hornbook.core.errors import DamagedError
from hornbook.models.files import load_model, read_safetensors, save_model, write_safetensors
from hornbook.models.transformer import Transformer

HEAD = "score.safetensors"


class ScalarHead(nn.Module):
    """x (..., D) to one value (...), in fp32. Starts at zero: no text is worth more than another yet."""

    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, width))

    def forward(self, x: Tensor) -> Tensor:
        return (x.float() @ self.weight.float().t()).squeeze(-1)


class RewardModel(nn.Module):
    """A transformer with a scalar head on its hidden states: what rewards and values are made with (InstructGPT,
    arXiv:2203.02155)."""

    def __init__(self, transformer: Transformer):
        super().__init__()
        self.transformer = transformer
        self.head = ScalarHead(transformer.config.hidden_size)


def save_reward_model(model: RewardModel, folder: Path) -> None:
    """A model folder, and beside it score.safetensors with the head's one row."""
    save_model(model.transformer, folder)
    write_safetensors(Path(folder) / HEAD, {"score.weight": model.head.weight})


def load_reward_model(
    folder: Path, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> RewardModel:
    """Read what `save_reward_model` wrote. Raises InputError or DamagedError as `load_model` does."""
    model = RewardModel(load_model(folder, device=device, dtype=dtype))
    head = read_safetensors(Path(folder) / HEAD).get("score.weight")
    if head is None or head.shape != model.head.weight.shape:
        raise DamagedError("the head is not of this model's width", where=Path(folder) / HEAD, fix="train it again")
    model.head.weight.data = head.to(device=device, dtype=torch.float32)
    return model
