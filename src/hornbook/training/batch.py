"""A batch of numpy arrays on its way to the device."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

import numpy as np
import torch

B = TypeVar("B")


def on_device(batch: B, device: torch.device | str) -> B:
    """The same dataclass with every array, and every array in a dictionary of it, as a tensor on `device`."""
    values = {field.name: _moved(getattr(batch, field.name), device) for field in dataclasses.fields(batch)}  # type: ignore[arg-type]
    return dataclasses.replace(batch, **values)  # type: ignore[type-var]


def _moved(value: Any, device: torch.device | str) -> Any:
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value).to(device, non_blocking=True)
    if isinstance(value, torch.Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, dict):
        return {key: _moved(part, device) for key, part in value.items()}
    return value
