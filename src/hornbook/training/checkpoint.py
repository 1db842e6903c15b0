"""Checkpoints: all that training needs to go on as if it had never stopped; safetensors and JSON, whole or absent.

One process writes one file of tensors; several write a file each (`parallel/shards.py`). Either can be read by any
number of them: the state names the files and their digests.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from hornbook.core.digest import digest_bytes, digest_file
from hornbook.core.errors import DamagedError, HornbookError
from hornbook.core.files import explained, sync_folder, sync_tree
from hornbook.models.files import read_safetensors, write_json, write_safetensors
from hornbook.training.optimiser import Optimiser

TENSORS, STATE = "tensors.safetensors", "state.json"


@dataclass(frozen=True)
class Keep:
    """Which checkpoints stay: the newest ones, and with `every` those of each so-manieth step for good."""

    newest: int = 2
    every: int | None = None


@dataclass
class Checkpoint:
    """`tensors` are named `model.…`, `optimiser.…` and `random.…`; `state` is JSON: step, cursor, counts, threads."""

    tensors: dict[str, Tensor]
    state: dict

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors under `name.`, without it."""
        prefix = f"{name}."
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}


class Checkpoints:
    """The checkpoints of one process's training, in `folder`."""

    def __init__(self, folder: Path, keep: Keep):
        self.folder, self.keep = folder, keep

    def save(self, model: nn.Module, optimiser: Optimiser, state: dict, device: torch.device) -> None:
        """Keep all of it. Raises HornbookError when the disk is full."""
        random = {f"random.{name}": value for name, value in random_state(device).items()}
        save_checkpoint(self.folder, Checkpoint(training_tensors(model, optimiser) | random, state), self.keep)

    @torch.no_grad()
    def restore(
        self, model: nn.Module, optimiser: Optimiser, device: torch.device, warn: Callable[[str], None]
    ) -> dict | None:
        """Put everything back as the newest whole checkpoint has it and return its state; None where there is none.
        Raises HornbookError when it is another model's."""
        checkpoint = newest_checkpoint(self.folder, warn)
        if checkpoint is None:
            return None
        weights, own = checkpoint.part("model"), dict(model.named_parameters())
        refuse_another({name: tuple(weight.shape) for name, weight in weights.items()}, model, self.folder)
        for name, weight in weights.items():
            own[name].copy_(weight)
        optimiser.load_state_dict(checkpoint.part("optimiser"))
        random = checkpoint.part("random")
        several = {name.removeprefix("0."): value for name, value in random.items() if name.startswith("0.")}
        restore_random_state(several or random, device)
        return checkpoint.state

    def wait(self) -> None:
        """Everything is on the disk already."""


def save_checkpoint(folder: Path, checkpoint: Checkpoint, keep: Keep = Keep()) -> Path:
    """Write `folder/checkpoint-STEP`, then drop those that need not be kept. Raises HornbookError when the disk is
    full."""
    final, partial = new_folder(folder, checkpoint.state["step"])
    try:
        partial.mkdir(parents=True)
        write_safetensors(partial / TENSORS, checkpoint.tensors)
        commit(partial, final, {**checkpoint.state, "sha256": digest_file(partial / TENSORS)}, keep)
    except OSError as error:
        raise explained(error, final) from error
    return final


def newest_checkpoint(folder: Path, warn: Callable[[str], None]) -> Checkpoint | None:
    """The newest whole checkpoint in `folder`, or None. Each damaged one that was passed over is named by `warn`."""
    for path in reversed(all_checkpoints(folder)):
        try:
            return read_checkpoint(path)
        except HornbookError as error:
            warn(f"checkpoint skipped: {error}")
    return None


def read_checkpoint(path: Path) -> Checkpoint:
    """Read one checkpoint, whole. Raises DamagedError when a byte of it is not what was written."""
    state = read_state(path)
    return Checkpoint(_assembled(path) if "files" in state else read_safetensors(path / TENSORS), state)


def read_state(path: Path, share: slice = slice(None)) -> dict:
    """The state of a checkpoint, once its own digest and those of a `share` of its files have been found right.
    Raises DamagedError when one is not."""
    try:
        body = json.loads((path / STATE).read_bytes())
        claimed = body.pop("self")
        if claimed != digest_bytes(json.dumps(body, sort_keys=True).encode()):
            raise ValueError("its state was altered")
        files = body["files"] if "files" in body else {TENSORS: body["sha256"]}
        for name in sorted(files)[share]:
            if files[name] != digest_file(path / name):
                raise ValueError(f"{name} was cut short or altered")
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        fix = "training goes on from the one before"
        raise DamagedError(f"not a whole checkpoint ({error})", where=path, fix=fix) from None
    return body


def commit(partial: Path, final: Path, body: dict, keep: Keep) -> None:
    """Seal the written folder with its state, give it its name, and drop older ones. Raises OSError."""
    write_json(partial / STATE, {**body, "self": digest_bytes(json.dumps(body, sort_keys=True).encode())})
    sync_tree(partial)
    shutil.rmtree(final, ignore_errors=True)
    os.replace(partial, final)
    sync_folder(final.parent)
    for old in all_checkpoints(final.parent)[: -keep.newest]:
        if not keep.every or int(old.name[-8:]) % keep.every:
            shutil.rmtree(old)


def new_folder(folder: Path, step: int) -> tuple[Path, Path]:
    """(the checkpoint's folder, where it is written before), the latter not there: what a kill left is gone."""
    final = Path(folder) / f"checkpoint-{step:08d}"
    partial = final.with_name(f".{final.name}.partial")
    for left in final.parent.glob(".checkpoint-*.partial"):
        shutil.rmtree(left, ignore_errors=True)
    return final, partial


def all_checkpoints(folder: Path) -> list[Path]:
    """Those that were finished, the oldest first."""
    return sorted(Path(folder).glob("checkpoint-????????"))


def training_tensors(model: nn.Module, optimiser: Optimiser) -> dict[str, Tensor]:
    """Weights and the optimiser's state, as this process keeps them."""
    tensors = {f"model.{name}": parameter.detach() for name, parameter in model.named_parameters()}
    return tensors | {f"optimiser.{name}": value for name, value in optimiser.state_dict().items()}


def refuse_another(shapes: dict[str, tuple[int, ...]], model: nn.Module, folder: Path) -> None:
    """Raises HornbookError when the weights of these shapes are not this model's."""
    own = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    for name in sorted(own.keys() | shapes.keys()):
        if own.get(name) != shapes.get(name):
            there, here = (found.get(name, "missing") for found in (shapes, own))
            raise HornbookError(
                f"the checkpoint is of another model (they differ in {name}: {there} there, {here} here)",
                where=folder, fix="remove the folder to train anew",
            )  # fmt: skip


def random_state(device: torch.device) -> dict[str, Tensor]:
    """The state of torch's generators in this process, as tensors."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Put torch's generators back where `random_state` found them."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


def _assembled(path: Path) -> dict[str, Tensor]:
    """The tensors of all processes' files, put together."""
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
    from torch.distributed.checkpoint.state_dict_loader import load

    reader = HuggingFaceStorageReader(str(path))
    found = reader.read_metadata().state_dict_metadata
    tensors = {name: torch.empty(one.size, dtype=one.properties.dtype) for name, one in found.items()}  # pyright: ignore
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that this process is alone is as it should be
        load(tensors, storage_reader=reader, no_dist=True)
    return tensors
