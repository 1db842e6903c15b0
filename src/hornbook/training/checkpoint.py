"""Checkpoints: all that training needs to go on as if it had never stopped; safetensors and JSON, whole or absent."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hornbook.core.digest import digest_bytes, digest_file
from hornbook.core.errors import DamagedError, HornbookError
from hornbook.core.files import explained, sync_folder, sync_tree
from hornbook.models.files import read_safetensors, write_json, write_safetensors

KEPT = 2
TENSORS, STATE = "tensors.safetensors", "state.json"


@dataclass
class Checkpoint:
    """`tensors` are named `model.…`, `optimiser.…` and `random.…`; `state` is JSON: step, cursor, counts, threads."""

    tensors: dict[str, Tensor]
    state: dict

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors under `name.`, without it."""
        prefix = f"{name}."
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write `folder/checkpoint-STEP`, then drop all but the newest two. Raises HornbookError when the disk is full."""
    final = Path(folder) / f"checkpoint-{checkpoint.state['step']:08d}"
    partial = final.with_name(f".{final.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        write_safetensors(partial / TENSORS, checkpoint.tensors)
        body = {**checkpoint.state, "sha256": digest_file(partial / TENSORS)}
        write_json(partial / STATE, {**body, "self": digest_bytes(json.dumps(body, sort_keys=True).encode())})
        sync_tree(partial)
        shutil.rmtree(final, ignore_errors=True)
        os.replace(partial, final)
        sync_folder(final.parent)
    except OSError as error:
        raise explained(error, final) from error
    for old in _all(folder)[:-KEPT]:
        shutil.rmtree(old)
    return final


def newest_checkpoint(folder: Path, warn: Callable[[str], None]) -> Checkpoint | None:
    """The newest whole checkpoint in `folder`, or None. Each damaged one that was passed over is named by `warn`."""
    for path in reversed(_all(folder)):
        try:
            return read_checkpoint(path)
        except HornbookError as error:
            warn(f"checkpoint skipped: {error}")
    return None


def read_checkpoint(path: Path) -> Checkpoint:
    """Read one checkpoint. Raises DamagedError when a byte of it is not what was written."""
    fix = "training goes on from the one before"
    try:
        body = json.loads((path / STATE).read_bytes())
        claimed = body.pop("self")
        if claimed != digest_bytes(json.dumps(body, sort_keys=True).encode()):
            raise ValueError("its state was altered")
        if body["sha256"] != digest_file(path / TENSORS):
            raise ValueError("its tensors were cut short or altered")
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise DamagedError(f"not a whole checkpoint ({error})", where=path, fix=fix) from None
    return Checkpoint(read_safetensors(path / TENSORS), body)


def random_state(device: torch.device) -> dict[str, Tensor]:
    """The state of torch's generators, as tensors."""
    state = {"random.cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["random.cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(checkpoint: Checkpoint, device: torch.device) -> None:
    """Put torch's generators back where `random_state` found them."""
    state = checkpoint.part("random")
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


def _all(folder: Path) -> list[Path]:
    return sorted(Path(folder).glob("checkpoint-????????"))
