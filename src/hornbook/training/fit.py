"""The one training loop: accumulate, step, log, checkpoint, resume. It knows no algorithm, no stage, no run."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from hornbook.core.errors import HornbookError
from hornbook.core.files import atomic_writer
from hornbook.core.processes import release_memory
from hornbook.training.batch import on_device
from hornbook.training.checkpoint import (
    Checkpoint,
    newest_checkpoint,
    random_state,
    restore_random_state,
    save_checkpoint,
)
from hornbook.training.loss import Loss
from hornbook.training.optimiser import Optimiser
from hornbook.training.schedule import Schedule

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
    warn: Callable[[str], None] = lambda text: None,
) -> FitResult:
    """Train `model` in place for `steps` steps of `accumulate` batches each, or until the batches end.

    The totals of a step's batches are summed and divided once, by the weight of them all. A step whose loss or gradient
    is not finite changes nothing and is counted. `clip` bounds the gradient's norm. With a `folder` there are
    checkpoints in it, from whose newest whole one the next call goes on bit for bit (same thread count: it is kept and
    set again), and `metrics.jsonl`, one row a step; with None nothing is kept. `on_step(step, metrics)` is called after
    each step, counted from 1.

    Raises HornbookError when the loss stays not finite, or when the checkpoint is another model's.
    """
    return _Loop(model, batches, objective, optimiser, schedule, folder, torch.device(device), warn).run(
        steps, on_step, checkpoint_every, accumulate, clip
    )


class _Loop:
    def __init__(self, model, batches, objective, optimiser, schedule, folder, device, warn):
        self.model, self.batches, self.objective = model, batches, objective
        self.optimiser, self.schedule, self.device, self.warn = optimiser, schedule, device, warn
        self.folder = None if folder is None else Path(folder)
        self.step = self.skipped = self.tokens = 0
        self.seconds = 0.0
        self.row: dict[str, float] = {}
        self.resumed_from = None if self.folder is None else self._resume(self.folder)

    def run(self, steps: int, on_step: OnStep | None, checkpoint_every: int, accumulate: int, clip: float) -> FitResult:
        iterator, skipped_in_a_row = iter(self.batches), 0
        while self.step < steps:
            started = time.perf_counter()
            micro_batches = [batch for _, batch in zip(range(accumulate), iterator, strict=False)]
            if not micro_batches:
                break
            tokens = sum(batch.ids_BT.size for batch in micro_batches)
            metrics, whole = self._one_step(micro_batches, clip)
            skipped_in_a_row = 0 if whole else skipped_in_a_row + 1
            self._refuse_to_diverge(skipped_in_a_row)
            taken = time.perf_counter() - started
            self.step, self.tokens, self.seconds = self.step + 1, self.tokens + tokens, self.seconds + taken
            self.row = {"step": self.step, **metrics, "tokens": self.tokens, "tokens_per_second": tokens / taken}
            self._log()
            if on_step:
                on_step(self.step, self.row)
            if self.folder and self.step % checkpoint_every == 0 and self.step < steps:
                self._save(self.folder)
        if self.folder and self.step != self.resumed_from:
            self._save(self.folder)
        release_memory()  # what comes next, sampling above all, asks for other shapes
        loss = self.row.get("loss", math.nan)
        return FitResult(self.step, self.skipped, self.tokens, self.seconds, loss, self.row, self.resumed_from)

    def _one_step(self, micro_batches: list[Any], clip: float) -> tuple[dict[str, float], bool]:
        """Returns what to log, and whether the weights were changed."""
        total, weight, sums = 0.0, 0.0, {}
        for batch in micro_batches:
            loss = self.objective(self.model, on_device(batch, self.device))
            loss.total.backward()
            total, weight = total + loss.total.detach(), weight + loss.weight
            sums = {name: sums.get(name, 0.0) + value for name, value in loss.metrics.items()}
        total, weight = float(total), float(weight)
        gradients = [p.grad for p in self.optimiser.parameters if p.grad is not None]
        norm = float(torch.nn.utils.get_total_norm(gradients)) / weight if weight > 0 and gradients else math.nan
        whole = math.isfinite(total) and math.isfinite(norm)
        factor, looked = self.schedule(self.step), {}
        if whole:
            scale = min(1.0, clip / max(norm, 1e-12)) / weight
            torch._foreach_mul_(gradients, scale)  # pyright: ignore[reportPrivateImportUsage]
            looked = self.optimiser.step(factor, look=self.step % LOOK_EVERY == 0)
        else:
            self.skipped += 1
        self.optimiser.zero_grad()
        means = {name: float(value) / weight for name, value in sums.items()} if whole else {}
        kept = {"loss": total / weight, "gradient_norm": norm} if whole else {}
        return {**kept, **means, "lr": factor, **looked, "weight": weight, "skipped": self.skipped}, whole

    def _refuse_to_diverge(self, skipped_in_a_row: int) -> None:
        if skipped_in_a_row > MOST_SKIPPED_IN_A_ROW:
            raise HornbookError(
                f"the loss was not finite for {skipped_in_a_row} steps in a row, up to step {self.step}",
                where=self.folder, fix="lower the learning rates or look at the data",
            )

    def _log(self) -> None:
        if self.folder:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(self.folder / "metrics.jsonl", "a", encoding="utf-8") as file:
                file.write(json.dumps(self.row) + "\n")

    def _save(self, folder: Path) -> None:
        tensors = {f"model.{name}": parameter for name, parameter in self.model.named_parameters()}
        tensors |= {f"optimiser.{name}": value for name, value in self.optimiser.state_dict().items()}
        state = {
            "step": self.step, "cursor": self.batches.cursor, "skipped": self.skipped, "tokens": self.tokens,
            "seconds": self.seconds, "threads": torch.get_num_threads(), "row": self.row,
        }
        save_checkpoint(folder, Checkpoint(tensors | random_state(self.device), state))

    @torch.no_grad()
    def _resume(self, folder: Path) -> int | None:
        checkpoint = newest_checkpoint(folder, self.warn)
        _keep_rows(folder / "metrics.jsonl", checkpoint.state["step"] if checkpoint else 0)
        if checkpoint is None:
            return None
        _copy_weights(self.model, checkpoint.part("model"), folder)
        self.optimiser.load_state_dict(checkpoint.part("optimiser"))
        restore_random_state(checkpoint, self.device)
        state = checkpoint.state
        if state["threads"] != torch.get_num_threads():
            self.warn(f"going on with {state['threads']} threads, as the training began")
            torch.set_num_threads(state["threads"])
        self.batches.cursor = state["cursor"]
        self.step, self.skipped, self.tokens = state["step"], state["skipped"], state["tokens"]
        self.seconds, self.row = state["seconds"], state["row"]
        return self.step


def _copy_weights(model: nn.Module, weights: dict[str, Tensor], folder: Path) -> None:
    own = dict(model.named_parameters())
    for name in sorted(own.keys() | weights.keys()):
        if name not in own or name not in weights or own[name].shape != weights[name].shape:
            raise HornbookError(
                f"the checkpoint is of another model (they differ in {name})", where=folder,
                fix="remove the folder to train anew",
            )
        own[name].copy_(weights[name])


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
