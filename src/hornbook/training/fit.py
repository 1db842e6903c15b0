"""The one training loop: accumulate, step, log, checkpoint, resume. It knows no algorithm, no stage, no run."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from hornbook.core.errors import HornbookError
from hornbook.core.files import atomic_writer, explained, write_text
from hornbook.core.processes import release_memory
from hornbook.models.layers import own_part
from hornbook.training.batch import cut, on_device
from hornbook.training.checkpoint import Checkpoints, Keep
from hornbook.training.loss import Loss
from hornbook.training.optimiser import Optimiser
from hornbook.training.parallel.place import Summed
from hornbook.training.parallel.world import ALONE, World
from hornbook.training.schedule import Schedule

if TYPE_CHECKING:
    from hornbook.training.parallel.shards import ShardedCheckpoints

PIECES = "pieces.json"  # how many a micro-batch is cut into, left by a process that ran out of memory among others
MOST_SKIPPED_IN_A_ROW = 25
LOOK_EVERY = 10  # steps: how far the weights move is logged so often, for looking copies them

Objective = Callable[[Any, Any], Loss]
OnStep = Callable[[int, dict[str, float]], None]


class Batches(Protocol):
    """Where batches come from. Setting `cursor` to a value it once had makes the same next batch come again."""

    @property
    def cursor(self) -> Any: ...

    @cursor.setter
    def cursor(self, cursor: Any, /) -> None: ...

    def __iter__(self) -> Iterator[Any]: ...

    def __next__(self) -> Any: ...


@dataclass(frozen=True)
class FitResult:
    """How a run of the loop went. `loss` and `metrics` are those of the last step; `tokens` counts every place read."""

    steps: int
    skipped: int
    tokens: int
    seconds: float
    loss: float
    metrics: dict[str, float]
    resumed_from: int | None


def fit(
    model: nn.Module,
    batches: Batches,
    objective: Objective,
    optimiser: Optimiser,
    schedule: Schedule,
    *,
    folder: Path | None,
    device: torch.device | str,
    steps: int,
    on_step: OnStep | None = None,
    checkpoint_every: int = 100,
    accumulate: int = 1,
    clip: float = 1.0,
    keep: Keep = Keep(),
    warn: Callable[[str], None] = lambda text: None,
    world: World = ALONE,
) -> FitResult:
    """Train `model` in place for `steps` steps of `accumulate` batches each, or until the batches end.

    The totals of a step's batches are summed and divided once, by the weight of them all. A step whose loss or gradient
    is not finite changes nothing and is counted. `clip` bounds the gradient's norm. With a `folder` there are
    checkpoints in it, from whose newest whole one the next call goes on bit for bit (same thread count: it is kept and
    set again), and `metrics.jsonl`, one row a step; with None nothing is kept. `on_step(step, metrics)` is called after
    each step, counted from 1. When a device is out of memory, batches are cut in two, again and again, down to single
    rows: their sums are the same.

    In a `world` of several processes each makes the same call, with the model placed (`parallel/place.py`), the
    optimiser made for that world, and `batches` that give each reader its rows; all sums are over all of them, and
    what is said and written comes from the first. `on_step` is called in each.

    Raises HornbookError when the loss stays not finite, when the checkpoint is another model's, when the disk is full,
    or when not even a row fits the memory.
    """
    return _Loop(model, batches, objective, optimiser, schedule, folder, torch.device(device), keep, warn, world).run(
        steps, on_step, checkpoint_every, accumulate, clip
    )


class _Loop:
    def __init__(self, model, batches, objective, optimiser, schedule, folder, device, keep, warn, world):
        self.model, self.batches, self.objective = model, batches, Summed(objective, model, world)
        self.optimiser, self.schedule, self.device, self.world = optimiser, schedule, device, world
        self.warn = warn if world.first else lambda text: None
        self.folder = None if folder is None else Path(folder)
        self.step = self.skipped = self.tokens = 0
        self.seconds, self.pieces = 0.0, 1
        self.row: dict[str, float] = {}
        self.checkpoints = None if self.folder is None else _checkpoints(self.folder, keep, world)
        self.resumed_from = self._resume(self.folder, self.checkpoints) if self.folder and self.checkpoints else None

    def run(self, steps: int, on_step: OnStep | None, checkpoint_every: int, accumulate: int, clip: float) -> FitResult:
        iterator, skipped_in_a_row = iter(self.batches), 0
        while self.step < steps:
            started = time.perf_counter()
            micro_batches = [batch for _, batch in zip(range(accumulate), iterator, strict=False)]
            if not micro_batches:
                break
            tokens = sum(batch.ids_BT.size for batch in micro_batches) * self.world.readers
            metrics, whole = self._one_step(micro_batches, clip)
            skipped_in_a_row = 0 if whole else skipped_in_a_row + 1
            self._refuse_to_diverge(skipped_in_a_row)
            taken = time.perf_counter() - started
            self.step, self.tokens, self.seconds = self.step + 1, self.tokens + tokens, self.seconds + taken
            self.row = {"step": self.step, **metrics, "tokens": self.tokens, "tokens_per_second": tokens / taken}
            self._log()
            if on_step:
                on_step(self.step, self.row)
            if self.checkpoints and self.step % checkpoint_every == 0 and self.step < steps:
                self._save(self.checkpoints)
        if self.checkpoints and self.step != self.resumed_from:
            self._save(self.checkpoints)
        if self.checkpoints:
            self.checkpoints.wait()
        release_memory()  # what comes next, sampling above all, asks for other shapes
        loss = self.row.get("loss", math.nan)
        return FitResult(self.step, self.skipped, self.tokens, self.seconds, loss, self.row, self.resumed_from)

    def _one_step(self, micro_batches: list[Any], clip: float) -> tuple[dict[str, float], bool]:
        """Returns what to log, and whether the weights were changed."""
        found, micro_batches = None, self._counted(micro_batches)
        while found is None:
            found = self._sums(micro_batches)
        names, given = found
        gradients = [own_part(p.grad) for p in self.optimiser.parameters if p.grad is not None]
        *given, norm = _read([*given, self.world.norm(self.optimiser.parameters)])
        total, weight, *sums = self.world.sums(given)
        norm = norm / weight if weight > 0 else math.nan
        whole = math.isfinite(total) and math.isfinite(norm)
        factor, looked = self.schedule(self.step), {}
        if whole:
            scale = min(1.0, clip / max(norm, 1e-12)) / weight
            torch._foreach_mul_(gradients, scale)  # pyright: ignore[reportPrivateImportUsage]
            looked = self.optimiser.step(factor, look=self.step % LOOK_EVERY == 0)
        else:
            self._skip()
        self.optimiser.zero_grad()
        means = {name: value / weight for name, value in zip(names, sums, strict=True)} if whole else {}
        kept = {"loss": total / weight, "gradient_norm": norm} if whole else {}
        return {**kept, **means, "lr": factor, **looked, "weight": weight, "skipped": self.skipped}, whole

    def _counted(self, micro_batches: list[Any]) -> list[Any]:
        """The batches, each with the counts of the whole step: of them all, in every process."""
        names = list(micro_batches[0].counts)
        if not names:
            return micro_batches
        sums = self.world.sums([sum(batch.counts[name] for batch in micro_batches) for name in names])
        return [replace(batch, counts=dict(zip(names, sums, strict=True))) for batch in micro_batches]

    def _sums(self, micro_batches: list[Any]) -> tuple[list[str], list[Tensor | float]] | None:
        """Leave the gradients of the whole step's sum, and return the names of its metrics and this process's sums:
        total, weight, metrics. None when the memory was not enough: nothing is left, and the pieces are smaller."""
        total, weight, sums = 0.0, 0.0, {}
        try:
            pieces = [piece for batch in micro_batches for piece in self._pieces(batch)]
            for number, batch in enumerate(pieces, 1):
                loss = self.objective(on_device(batch, self.device), last=number == len(pieces))
                loss.total.backward()
                total, weight = total + loss.total.detach(), weight + loss.weight
                sums = {name: sums.get(name, 0.0) + value for name, value in loss.metrics.items()}
        except torch.OutOfMemoryError:
            loss = None
            self._halve(len(micro_batches[0].ids_BT))
            return None
        self.objective.finish()
        return list(sums), [total, weight, *sums.values()]

    def _pieces(self, batch: Any) -> list[Any]:
        return [batch] if self.pieces == 1 else cut(batch, self.pieces)

    def _halve(self, rows: int) -> None:
        """Take half as many rows at a time from now on. Among other processes, which wait for what this one cannot
        send, only a new beginning helps: it finds the number in the folder."""
        self.optimiser.zero_grad()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if self.pieces >= rows:
            raise HornbookError("out of memory with one row at a time", fix="choose a smaller model or window")
        self.pieces = min(2 * self.pieces, rows)
        said = f"out of memory: batches of {rows} rows are cut into {self.pieces} from step {self.step + 1} on"
        if self.world.alone:
            return self.warn(f"{said}, their sums are the same")
        if self.folder:
            write_text(self.folder / PIECES, json.dumps(self.pieces))
        raise HornbookError(said, where=f"process {self.world.rank}", fix="run the same command again")

    def _skip(self) -> None:
        self.skipped += 1
        if self.skipped == 1:
            self.warn(f"the loss or a gradient of step {self.step + 1} was not finite: it changed nothing. "
                      "Such steps are counted as skipped")  # fmt: skip

    def _refuse_to_diverge(self, skipped_in_a_row: int) -> None:
        if skipped_in_a_row > MOST_SKIPPED_IN_A_ROW:
            raise HornbookError(
                f"the loss was not finite for {skipped_in_a_row} steps in a row, up to step {self.step}",
                where=self.folder, fix="lower the learning rates or look at the data",
            )

    def _log(self) -> None:
        if self.folder and self.world.first:
            path = self.folder / "metrics.jsonl"
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                with open(path, "a", encoding="utf-8") as file:
                    file.write(json.dumps(self.row) + "\n")
            except OSError as error:
                raise explained(error, path) from error

    def _save(self, checkpoints: Checkpoints | ShardedCheckpoints) -> None:
        state = {
            "step": self.step, "cursor": self.batches.cursor, "skipped": self.skipped, "tokens": self.tokens,
            "seconds": self.seconds, "threads": torch.get_num_threads(), "row": self.row, "pieces": self.pieces,
        }
        checkpoints.save(self.model, self.optimiser, state, self.device)
        release_memory()  # what is done between steps, such as samples, asks for other sizes: the heap would grow

    def _resume(self, folder: Path, checkpoints: Checkpoints | ShardedCheckpoints) -> int | None:
        state = checkpoints.restore(self.model, self.optimiser, self.device, self.warn)
        if self.world.first:
            _keep_rows(folder / "metrics.jsonl", state["step"] if state else 0)
        if self.world.size > 1 and (folder / PIECES).exists():
            self.pieces = json.loads((folder / PIECES).read_bytes())
        if state is None:
            return None
        if state["threads"] != torch.get_num_threads():
            self.warn(f"going on with {state['threads']} threads, as the training began")
            torch.set_num_threads(state["threads"])
        self.batches.cursor = state["cursor"]
        self.step, self.skipped, self.tokens = state["step"], state["skipped"], state["tokens"]
        self.seconds, self.row, self.pieces = state["seconds"], state["row"], max(self.pieces, state.get("pieces", 1))
        return self.step


def _read(values: list[Tensor | float]) -> list[float]:
    """What the numbers are, asked of a GPU at once: it is waited for each time that it is asked."""
    if not any(isinstance(value, Tensor) and value.is_cuda for value in values):
        return [float(value) for value in values]
    device = next(value.device for value in values if isinstance(value, Tensor) and value.is_cuda)
    return torch.stack([torch.as_tensor(value, dtype=torch.float64, device=device) for value in values]).tolist()


def _checkpoints(folder: Path, keep: Keep, world: World) -> Checkpoints | ShardedCheckpoints:
    if world.alone:
        return Checkpoints(folder, keep)
    from hornbook.training.parallel.shards import ShardedCheckpoints

    return ShardedCheckpoints(folder, keep, world)


def _keep_rows(path: Path, steps: int) -> None:
    """Drop the rows of steps that will be made again, and a last row that a kill cut short."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= steps:
                kept.append(line + "\n")
        except (json.JSONDecodeError, KeyError):
            break
    with atomic_writer(path, "w") as file:
        file.writelines(kept)
