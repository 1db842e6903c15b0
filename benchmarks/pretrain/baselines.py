"""What a transformer gains: its bits per byte on held-out pages beside those of older models of the same text.

Real prose, its last twentieth held out page by page; one tokenizer for all. The transformer is the road's of `DEPTH`;
the LSTM has as many parameters and reads the same tokens in the same batches, through the same loop and objective. The
counting models read all of the training text, which the two networks read once at most. `HORNBOOK_BASELINES_MB` and
`HORNBOOK_BASELINES_TOKENS` make a smaller trial of it.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.results import figure
from benchmarks.texts import prose
from hornbook.core.processes import cores
from hornbook.core.seeds import derive
from hornbook.evaluation.bits_per_byte import bits
from hornbook.evaluation.compress import xz_bits_per_byte
from hornbook.evaluation.lstm import LSTM, RATES, width_of
from hornbook.evaluation.ngram import KneserNey
from hornbook.inference.scoring import score
from hornbook.models.device import use_processor
from hornbook.pipeline.config import Dial
from hornbook.road.learner import build, rates
from hornbook.road.pretrain_config import PretrainConfig
from hornbook.tokens.loader import PackedBatches
from hornbook.tokens.tokenizer import Tokenizer
from hornbook.training.fit import fit
from hornbook.training.objectives.next_token import next_token
from hornbook.training.optimiser import Optimiser, Rates
from hornbook.training.schedule import warmup_stable_cooldown

NAMES = (
    "baseline_uniform", "baseline_unigram", "baseline_5gram", "baseline_xz", "baseline_lstm", "baseline_transformer",
)  # fmt: skip
MEGABYTES = float(os.environ.get("HORNBOOK_BASELINES_MB", "20"))
TOKENS = int(os.environ.get("HORNBOOK_BASELINES_TOKENS", "2000000"))
DEPTH, VOCABULARY, HELD_OUT = 4, 4096, 20
UNIT = "bits per byte"


def figures() -> Iterator[dict]:
    """One figure a model; `seconds` is what it took to make and ask it."""
    use_processor(cores())
    text = _Text.read()
    yield text.figure("baseline_uniform", math.log2(VOCABULARY) * sum(map(len, text.heldout)), time.perf_counter())
    for name, order in (("baseline_unigram", 1), ("baseline_5gram", 5)):
        started = time.perf_counter()
        counted = KneserNey(text.train, VOCABULARY, order)
        yield text.figure(name, sum(part.sum() for part in counted.bits(text.heldout)), started)
    started = time.perf_counter()
    yield text.figure("baseline_xz", xz_bits_per_byte(text.read_texts, text.heldout_texts) * text.size, started)
    config = PretrainConfig(**PretrainConfig.defaults(Dial("laptop", DEPTH, 0)), tokens=TOKENS)
    transformer = build(config, VOCABULARY, seed=derive(0, "weights"), device="cpu")
    parameters = sum(parameter.numel() for parameter in transformer.parameters())
    lstm = LSTM(VOCABULARY, width_of(parameters, VOCABULARY), window=config.window, seed=derive(0, "weights"))
    yield _trained("baseline_lstm", lstm, RATES, config, text)
    yield _trained("baseline_transformer", transformer, rates(config), config, text)


@dataclass
class _Text:
    """Pages as tokens and as they are; `size` is the held-out pages' bytes in UTF-8."""

    train: list[np.ndarray]
    heldout: list[np.ndarray]
    read_texts: Sequence[str]
    heldout_texts: Sequence[str]

    @classmethod
    def read(cls) -> _Text:
        texts = prose(round(MEGABYTES * 1e6))
        read = [text for place, text in enumerate(texts) if place % HELD_OUT]
        heldout = texts[::HELD_OUT]
        tokenizer = Tokenizer.train(read, VOCABULARY)
        end = tokenizer.end_of_document

        def tokens(texts: list[str]) -> list[np.ndarray]:
            return [np.array([*tokenizer.encode(text), end]) for text in texts]

        return cls(tokens(read), tokens(heldout), read, heldout)

    @property
    def size(self) -> int:
        return sum(len(text.encode("utf-8")) for text in self.heldout_texts)

    def figure(self, name: str, cost: float, started: float, **more: Any) -> dict:
        seconds = round(time.perf_counter() - started, 1)
        return figure(name, round(float(cost) / self.size, 4), UNIT, n=len(self.heldout), seconds=seconds, **more)


@dataclass
class _Asked:
    """What `bits` asks of an engine, of any model that has hidden states and a head."""

    model: Any

    def score(self, sequences: Sequence[Sequence[int]]) -> list[np.ndarray]:
        return score(self.model, sequences)


def _trained(name: str, model: Any, of: Rates, config: PretrainConfig, text: _Text) -> dict:
    started = time.perf_counter()
    batches = PackedBatches(text.train, None, window=config.window, rows=config.rows, seed=derive(0, "order"))
    schedule = warmup_stable_cooldown(
        config.steps, warmup=config.warmup, cooldown=config.cooldown, floor=config.floor
    )
    done = fit(
        model, batches, next_token, Optimiser(model, of), schedule, folder=None, device="cpu", steps=config.steps,
        accumulate=config.accumulate,
    )  # fmt: skip
    model.compute_dtype = torch.float32  # a probability rounded to bf16 is none that a coder could use
    cost = bits(_Asked(model), text.heldout, window=config.window).sum()  # type: ignore[arg-type]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return text.figure(name, cost, started, parameters=parameters, tokens=done.tokens, steps=done.steps)
