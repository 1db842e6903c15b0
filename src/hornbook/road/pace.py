"""How fast this machine trains a model of a given shape, and with how many threads: measured in a few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

from hornbook.core.processes import Others, cores
from hornbook.road.here import batching_of, fitted
from hornbook.road.learner import shape_of
from hornbook.road.pace_trial import PaceTrial

if TYPE_CHECKING:
    from hornbook.models import TransformerConfig
    from hornbook.road.pretrain_config import PretrainConfig

AROUND_SECONDS = 10.0  # of a horizon in minutes: imports, samples, checkpoints, writing the model
MEASURE_SECONDS = 2.5  # for each number of threads
ROUNDS = 3  # in turns, so that what else the machine does falls on all alike
LONGEST = 3.0  # times the seconds that measuring was given: then what there is must do
LAGGING = 1.3  # times as slow as the best after a round: not tried further
AFFORDABLE = {"cpu": 3e11, "cuda": 3e14}  # FLOPs a batch that a second or two are enough for
FEWEST_LAYERS = 2  # of a trial: with one, head and embedding are nearly all there is
BUSY = 0.1  # of the machine's processors
THREADS = 4  # numbers of them that are tried: all cores, half of them, …


@dataclass(frozen=True)
class Pace:
    """Seconds: a batch of rows there and back, the optimiser's part of a step, a checkpoint, samples of what the model
    says. `spread` is a step's fastest and slowest tenth, as parts of the median; `others` the share of the machine that
    other programs took meanwhile."""

    threads: int
    batch: float
    optimiser: float
    spread: tuple[float, float]
    checkpoint: float
    sample: float
    others: float = 0.0

    @property
    def busy(self) -> bool:
        """Whether others took so much that this is not the machine's pace."""
        return self.others > BUSY

    def step(self, accumulate: int) -> float:
        """Seconds a step of so many batches."""
        return accumulate * self.batch + self.optimiser


def measured_pace(
    config: PretrainConfig, vocabulary: int, *, device: str, compile: bool, threads: int | None,
    folder: Path | None = None, seconds: float = MEASURE_SECONDS, document: int | None = None,
    told: Callable[[int], None] = lambda tokens: None,
) -> Pace:
    """The pace of `config`, whole or, where a step would take too long, of fewer rows and layers, scaled by FLOPs.

    The text has documents of `document` tokens, of a whole window each where that is left out. With `threads` for that
    number alone; else the fastest of some is found. Checkpoints are written below `folder`: give it one on the disk
    that is meant. `told(tokens)` is called after each step of the trial.
    """
    import torch

    from hornbook.models.counts import flops_a_token, parameters
    from hornbook.models.device import use_processor

    smaller = affordable(config, vocabulary, device)
    counts = [threads] if threads else candidates(device)
    before = torch.get_num_threads()
    use_processor(counts[0], compile=compile)
    try:
        trial = PaceTrial(smaller, vocabulary, device, compile, document or config.window, told)
        trial.steps(counts[0])  # the first one warms up
        steps: dict[int, list[tuple[float, float]]] = {count: [] for count in counts}
        with Others() as others:
            end = time.perf_counter() + LONGEST * seconds * len(counts)
            for _ in range(ROUNDS):
                if all(steps[count] for count in counts) and time.perf_counter() > end:
                    break
                for count in counts:
                    steps[count] += trial.steps(count, seconds / ROUNDS)
                best = min(median(map(sum, steps[count])) for count in counts)
                counts = [count for count in counts if median(map(sum, steps[count])) < LAGGING * best]
        best = min(counts, key=lambda count: median(map(sum, steps[count])))
        torch.set_num_threads(best)
        checkpoint, sample = trial.checkpoint_seconds(folder), trial.sample_seconds()
    finally:
        torch.set_num_threads(before)
    whole, part = shape_of(config, vocabulary), trial.model.config
    felt = document or config.window
    work = flops_a_token(whole, felt) * config.rows / (flops_a_token(part, felt) * smaller.rows)
    batches, updates = zip(*steps[best], strict=True)
    layers = whole.num_hidden_layers / part.num_hidden_layers
    recomputed = fitted(whole, batching_of(config, device, compile), device).recomputed
    work *= _again(recomputed, whole) / _again(trial.model.recomputed, part)
    both = [batch + update for batch, update in steps[best]]
    middle, tenths = median(both), quantiles(both * 2 if len(both) == 1 else both, n=10, method="inclusive")
    return Pace(
        threads=best, batch=median(batches) * work,
        optimiser=median(updates) * layers, spread=(tenths[0] / middle, tenths[-1] / middle),
        checkpoint=checkpoint * parameters(whole).total / parameters(part).total, sample=sample * layers,
        others=others.share,
    )  # fmt: skip


def candidates(device: str) -> list[int]:
    """Numbers of threads that are worth trying: a small model is faster with few. A GPU does not care."""
    if not device.startswith("cpu"):
        return [cores()]
    halves = {max(1, cores() >> power) for power in range(THREADS)}
    return sorted({*halves, 1}, reverse=True)


def affordable(config: PretrainConfig, vocabulary: int, device: str) -> PretrainConfig:
    """The same with as many layers, and then rows, as can be tried in a second or two: layers are all alike, but a row
    alone takes longer than one of many."""
    from hornbook.models.counts import flops_a_token

    most = AFFORDABLE["cpu" if device.startswith("cpu") else "cuda"]

    def a_row(layers: int) -> float:
        part = config.model_copy(update={"depth": layers})
        return flops_a_token(shape_of(part, vocabulary), config.window) * config.window

    fewest = config.depth if config.init else min(FEWEST_LAYERS, config.depth)
    fitting = (layers for layers in range(config.depth, fewest, -1) if a_row(layers) * config.rows <= most)
    layers = next(fitting, fewest)
    rows = max(1, min(config.rows, int(most / a_row(layers))))
    return config.model_copy(update={"rows": rows, "depth": layers})


def _again(recomputed: int, shape: TransformerConfig) -> float:
    """What a step costs more where so many blocks are computed again: the way there is a third of it."""
    return 1 + recomputed / shape.num_hidden_layers / 3
