"""The short training that a pace is taken from: a part of the model that is meant, timed step by step."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.road.here import batching_of, fitted
from hornbook.road.learner import build, rates

if TYPE_CHECKING:
    from torch import Tensor

    from hornbook.models import Transformer
    from hornbook.road.pretrain_config import PretrainConfig

ROWS = 64  # of text, read again and again
LONG_STEP = 1.0  # of a step that takes so many seconds one a turn must do


class PaceTrial:
    """A model in training on tokens without meaning; `told(tokens)` after each step."""

    def __init__(
        self, config: PretrainConfig, vocabulary: int, device: str, compile: bool, document: int,
        told: Callable[[int], None] = lambda tokens: None,
    ):  # fmt: skip
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
        text = [random.integers(0, vocabulary, length + 1) for _ in range(ROWS) for length in a_row if length]
        self.batches = PackedBatches(text, None, window=config.window, rows=config.rows, seed=0)
        self.step_tokens, self.told = config.rows * config.window, told

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
            self.told(self.step_tokens)
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
