"""A batch of numpy arrays on its way to the device."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, TypeVar

import numpy as np
import torch

from hornbook.core.errors import HornbookError

B = TypeVar("B")


def on_device(batch: B, device: torch.device | str) -> B:
    """The same dataclass with every array, and every array in a dictionary of it, as a tensor on `device`."""
    values = {field.name: _moved(getattr(batch, field.name), device) for field in dataclasses.fields(batch)}  # type: ignore[arg-type]
    return dataclasses.replace(batch, **values)  # type: ignore[type-var]


def cut(batch: B, parts: int) -> list[B]:
    """The batch in so many parts of nearly as many rows each; its counts, the whole step's, are those of each part.
    Raises HornbookError when it holds more than a row of values a row: what is named otherwise than with `_BT`.
    """
    values = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}  # type: ignore[arg-type]
    rows = {name: value for name, value in values.items() if name.endswith("_BT")}
    if any(name not in rows and name != "counts" and len(value) for name, value in values.items()):
        what = "out of memory, and what this objective reads cannot be cut into rows"
        raise HornbookError(what, fix="ask for fewer rows at a time")
    count = len(rows["ids_BT"])
    ends = [count * part // parts for part in range(parts + 1)]
    return [
        dataclasses.replace(batch, **{name: value[begin:end] for name, value in rows.items()})  # type: ignore[type-var]
        for begin, end in itertools.pairwise(ends)
    ]


def _moved(value: Any, device: torch.device | str) -> Any:
    if isinstance(value, np.ndarray):
        tensor = torch.from_numpy(value)
        if torch.device(device).type == "cuda":  # from other memory the copy waits for all work before it
            tensor = tensor.pin_memory()
        return tensor.to(device, non_blocking=True)
    if isinstance(value, torch.Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, dict):
        return {key: _moved(part, device) for key, part in value.items()}
    return value
