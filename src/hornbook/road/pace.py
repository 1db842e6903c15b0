"""How fast this machine trains a model of a given shape, and with how many threads: measured in a few seconds."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from hornbook.core.processes import Others, cores
from hornbook.road.here import batching_of, fitted
from hornbook.road.learner import build, rates, shape_of

if TYPE_CHECKING:
    from torch import Tensor

    from hornbook.models import Transformer, TransformerConfig
    from hornbook.road.pretrain_config import PretrainConfig

AROUND_SECONDS = 10.0  # of a horizon in minutes: imports, samples, checkpoints, writing the model
MEASURE_SECONDS = 2.5  # for each number of threads
ROUNDS = 3  # in turns, so that what else the machine does falls on all alike
TRIAL_ROWS = 64  # of text, read again and again
LONG_STEP = 1.0  # of a step that takes so many seconds one a turn must do
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
) -> Pace:
    """The pace of `config`, whole or, where a step would take too long, of fewer rows and layers, scaled by FLOPs.

    The text has documents of `document` tokens, of a whole window each where that is left out. With `threads` for that
    number alone; else the fastest of some is found. Checkpoints are written below `folder`: give it one on the disk
    that is meant.
    """
    import torch

    from hornbook.models.counts import flops_a_token, parameters
    from hornbook.models.device import use_processor

    smaller = affordable(config, vocabulary, device)
    counts = [threads] if threads else candidates(device)
    before = torch.get_num_threads()
    use_processor(counts[0], compile=compile)
    try:
        trial = _Trial(smaller, vocabulary, device, compile, document or config.window)
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


class _Trial:
    """A model in training on tokens without meaning."""

    def __init__(self, config: PretrainConfig, vocabulary: int, device: str, compile: bool, document: int):
        import numpy as np

        from hornbook.tokens.loader import PackedBatches
        from hornbook.training.compiled import compiled
        from hornbook.training.objectives.next_token import next_token

        fresh = config.model_copy(update={"induction": False})  # it needs layers that a part may not have
        self.model: Transformer = build(fresh, vocabulary, seed=0, device=device)
        self.model.recomputed = fitted(self.model.config, batching_of(config, device, compile), device).recomputed
        self.optimiser = _timed(self.model, config)
        self.objective, self.device = compiled(next_token, device, wanted=compile), device
        random = np.random.default_rng(0)
        a_row = [*[document] * (config.window // document), config.window % document]
        text = [random.integers(0, vocabulary, length + 1) for _ in range(TRIAL_ROWS) for length in a_row if length]
        self.batches = PackedBatches(text, None, window=config.window, rows=config.rows, seed=0)
        self.step_tokens = config.rows * config.window

    def steps(self, threads: int, seconds: float = 0.0) -> list[tuple[float, float]]:
        """The seconds of each step's batch and optimiser, of as many steps as fit: at least one. The first, after a
        change of threads, does not count where it is short.

        All are of one `fit`: when it ends it gives its memory back, and the next one's first step asks for it anew.
        """
        import torch

        from hornbook.training.fit import fit
        from hornbook.training.schedule import constant

        torch.set_num_threads(threads)
        found: list[tuple[float, float]] = []
        began = time.perf_counter()

        def kept(step: int, row: dict[str, float]) -> None:
            nonlocal began
            whole, update = self.step_tokens / row["tokens_per_second"], self.optimiser.seconds
            found.append((whole - update, update))
            if step == 1:
                began = time.perf_counter()

        def enough() -> bool:
            short = bool(found) and sum(found[0]) <= LONG_STEP
            return len(found) > short and time.perf_counter() >= began + (seconds if short else 0)

        fit(
            self.model, _Until(self.batches, enough), self.objective, self.optimiser, constant, folder=None,
            device=self.device, steps=sys.maxsize, on_step=kept,
        )  # fmt: skip
        return found[1:] or found

    def checkpoint_seconds(self, folder: Path | None) -> float:
        """Seconds that writing a checkpoint takes."""
        from hornbook.training.checkpoint import Checkpoint, save_checkpoint

        tensors: dict[str, Tensor] = {f"model.{name}": value for name, value in self.model.named_parameters()}
        tensors |= {f"optimiser.{name}": value for name, value in self.optimiser.state_dict().items()}
        with tempfile.TemporaryDirectory(dir=folder) as place:
            began = time.perf_counter()
            save_checkpoint(Path(place), Checkpoint(tensors, {"step": 1}))
            return time.perf_counter() - began

    def sample_seconds(self) -> float:
        """Seconds that samples at one point of the training take."""
        from hornbook.road.course import SAMPLE_PROMPT_TOKENS, SAMPLE_PROMPTS, say
        from hornbook.tokens.special import SPECIAL
        from hornbook.tokens.tokenizer import Tokenizer

        words = self.model.config.vocab_size - len(SPECIAL)
        tokenizer = Tokenizer([bytes([token]) if token < 256 else f"{token} ".encode() for token in range(words)])
        prompts = [[65 + number, *range(97, 96 + SAMPLE_PROMPT_TOKENS)] for number in range(SAMPLE_PROMPTS)]
        began = time.perf_counter()
        say(self.model, tokenizer, prompts)
        return time.perf_counter() - began


class _Until:
    """Batches until there are enough."""

    def __init__(self, batches: Any, enough: Callable[[], bool]):
        self.batches, self.enough, self.cursor = batches, enough, None

    def __iter__(self) -> _Until:
        return self

    def __next__(self) -> Any:
        if self.enough():
            raise StopIteration
        return next(self.batches)


def _timed(model: Transformer, config: PretrainConfig) -> Any:
    """The optimiser, which keeps how long its last step took."""
    from hornbook.training.optimiser import Optimiser

    class Timed(Optimiser):
        seconds = 0.0

        def step(self, factor: float = 1.0, *, look: bool = False) -> dict[str, float]:
            began = time.perf_counter()
            told = super().step(factor)  # a run looks at few of its steps how far the weights move
            self.seconds = time.perf_counter() - began
            return told

    return Timed(model, rates(config))
