"""Checkpoints of several processes: each writes what it keeps, while training goes on; any number can read them.

torch.distributed.checkpoint writes a safetensors file a process, in which every tensor's part says where it belongs. A
checkpoint takes its name only when all files are on the disk and their digests are in its state: a kill at any moment
leaves the one before.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import async_save, save

from hornbook.core.digest import digest_file
from hornbook.core.errors import HornbookError
from hornbook.core.files import explained
from hornbook.core.seeds import derive
from hornbook.models.files import save_config, save_model
from hornbook.models.transformer import Transformer
from hornbook.models.weights import WEIGHTS
from hornbook.training.checkpoint import (
    Keep,
    all_checkpoints,
    commit,
    new_folder,
    random_state,
    read_state,
    refuse_another,
    restore_random_state,
    training_tensors,
)
from hornbook.training.optimiser import Optimiser
from hornbook.training.parallel.world import World

T = TypeVar("T")


class ShardedCheckpoints:
    """The checkpoints of a world's training, in a `folder` that all of it sees. Every process makes every call."""

    def __init__(self, folder: Path, keep: Keep, world: World):
        self.folder, self.keep, self.world = folder, keep, world
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None

    def save(self, model: nn.Module, optimiser: Optimiser, state: dict, device: torch.device) -> None:
        """Copy all of it and write it while training goes on; the one before is waited for.
        Raises HornbookError when the disk was full."""
        self.wait()
        final, partial = self._new_folder(state["step"])
        own = {f"random.{self.world.rank}.{name}": value for name, value in random_state(device).items()}
        writer = HuggingFaceStorageWriter(str(partial), save_distributed=True)
        written = async_save(
            training_tensors(model, optimiser) | own, storage_writer=writer, process_group=self.world.aside
        )
        assert isinstance(written, Future)
        self._writing = self._thread.submit(self._finish, written, partial, final, state)

    def wait(self) -> None:
        """Until the last checkpoint is there. Raises what went wrong with it."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    @torch.no_grad()
    def restore(
        self, model: nn.Module, optimiser: Optimiser, device: torch.device, warn: Callable[[str], None]
    ) -> dict | None:
        """Put everything back as the newest whole checkpoint has it and return its state; None where there is none.

        Random states are each process's own; one that the checkpoint knows nothing of begins with a seed made of the
        first one's state and its number. Raises HornbookError when it is another model's.
        """
        for path in self._agreed([str(path) for path in reversed(all_checkpoints(self.folder))]):
            state = self._whole(Path(path), warn)
            if state is not None:
                self._read(Path(path), model, optimiser, device)
                return state
        return None

    def _new_folder(self, step: int) -> tuple[Path, Path]:
        final = self.folder / f"checkpoint-{step:08d}"
        self._by_first(lambda: new_folder(self.folder, step)[1].mkdir(parents=True), final)  # the others write into it
        return final, final.with_name(f".{final.name}.partial")

    def _finish(self, written: Future, partial: Path, final: Path, state: dict) -> None:
        try:
            written.result()
        except CheckpointException as error:  # in every process alike
            raise _first_cause(error, final) from error
        names = self._agreed(sorted(path.name for path in partial.glob("*.safetensors")))
        own = names[self.world.rank :: self.world.size]
        digests = in_all(self.world, lambda: {name: digest_file(partial / name) for name in own}, final)
        files = {name: digest for told in digests for name, digest in told.items()}
        self._by_first(lambda: commit(partial, final, {**state, "files": files}, self.keep), final)

    def _whole(self, path: Path, warn: Callable[[str], None]) -> dict | None:
        """The checkpoint's state, every process having looked at some of its files; None when one is damaged."""
        state, fault = {}, None
        try:
            state = read_state(path, slice(self.world.rank, None, self.world.size))
        except HornbookError as error:
            fault = str(error)
        faults = [told for told in self._told(fault) if told]
        if faults and self.world.first:
            warn(f"checkpoint skipped: {faults[0]}")
        return None if faults else state

    def _read(self, path: Path, model: nn.Module, optimiser: Optimiser, device: torch.device) -> None:
        reader = HuggingFaceStorageReader(str(path))
        shapes = {name: tuple(one.size) for name, one in reader.read_metadata().state_dict_metadata.items()}  # pyright: ignore
        refuse_another(_under("model", shapes), model, self.folder)
        weights = {f"model.{name}": parameter.detach() for name, parameter in model.named_parameters()}
        moments = optimiser.empty_state(_under("optimiser", shapes))
        random = _under("random", shapes)
        known = {name.removeprefix(f"{self.world.rank}.") for name in random if name.startswith(f"{self.world.rank}.")}
        prefix = f"{self.world.rank}." if known else "0." if "0.cpu" in random else ""
        states = {name.removeprefix(prefix): torch.empty(shape, dtype=torch.uint8)
                  for name, shape in random.items() if name.startswith(prefix)}  # fmt: skip
        load(
            weights | {f"optimiser.{name}": value for name, value in moments.items()}
            | {f"random.{prefix}{name}": value for name, value in states.items()},
            storage_reader=reader, process_group=self.world.aside,
        )  # fmt: skip
        optimiser.load_state_dict(moments)
        restore_random_state(states, device)
        if not known and self.world.rank:
            torch.manual_seed(derive(torch.initial_seed(), f"process {self.world.rank}"))

    def _by_first(self, work: Callable[[], None], where: Path) -> None:
        in_all(self.world, work if self.world.first else lambda: None, where)

    def _told(self, word: Any) -> list[Any]:
        return self.world.told(word, self.world.aside)

    def _agreed(self, names: list[str]) -> list[str]:
        """What the first process sees in the folder."""
        return self._told(names)[0]


@torch.no_grad()
def save_together(model: Any, folder: Path, world: World) -> None:
    """`save_model` by all processes of a world; every one makes the call.

    Where the model lies in parts each writes its own, and the files are joined on the disk: nobody holds the whole
    model. Raises HornbookError when the disk is full.
    """
    def by_first(work: Callable[[], None]) -> None:
        in_all(world, work if world.first else lambda: None, folder)

    if not world.parted:
        return by_first(lambda: save_model(model, folder))
    parts = folder / ".parts"

    def begin() -> None:
        shutil.rmtree(parts, ignore_errors=True)
        parts.mkdir(parents=True)

    by_first(begin)
    tensors = {name: parameter.detach() for name, parameter in model.named_parameters()}
    writer = HuggingFaceStorageWriter(str(parts), save_distributed=True, enable_consolidation=True)
    try:
        save(tensors, storage_writer=writer, process_group=world.aside)
    except CheckpointException as error:
        raise _first_cause(error, folder) from error

    def join() -> None:
        (joined,) = parts.glob("*.safetensors")
        os.replace(joined, folder / WEIGHTS)
        shutil.rmtree(parts)
        save_config(model, folder)

    by_first(join)


def whole(model: Any, world: World) -> Any:
    """A model for the first process to use, the others get None; every process makes the call. It is a copy on the
    processor where `model` lies in parts, itself elsewhere."""
    if not world.parted:
        return model if world.first else None
    weights: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        found = parameter.detach()
        found = found.full_tensor() if hasattr(found, "full_tensor") else found
        if world.first:
            weights[name] = found.cpu()
    if not world.first:
        return None
    copy = Transformer(model.config, compute_dtype=model.compute_dtype, seed=None)
    copy.load_state_dict(weights, strict=False)  # a head that is the embedding is named once
    return copy


def in_all(world: World, work: Callable[[], T], where: Path) -> list[T]:
    """What `work` gives in each process. Where it fails in one all of them raise: none waits for another in vain.
    Raises HornbookError, in the user's words where it was the disk, or whatever `work` raises."""
    made, failed = None, None
    try:
        made = work()
    except Exception as error:
        failed = explained(error, where) if isinstance(error, OSError) else error
    told = world.told((made, None if failed is None else str(failed)), world.aside)
    if failed is not None:
        raise failed
    for rank, (_, fault) in enumerate(told):
        if fault is not None:
            raise HornbookError(f"process {rank} failed: {fault}")
    return [made for made, _ in told]


def _under(part: str, shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    prefix = f"{part}."
    return {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}


def _first_cause(error: CheckpointException, path: Path) -> Exception:
    """What befell the first of the processes that failed, in the user's words where it was the disk."""
    cause = next(iter(error.failures.values()))[0]
    return explained(cause, path) if isinstance(cause, OSError) else HornbookError(
        f"the checkpoint could not be written ({cause})", where=path, fix="run the same command again"
    )  # fmt: skip
