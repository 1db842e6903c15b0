"""How fast this machine trains a model of a given shape: measured in a few seconds, so that minutes become tokens."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hornbook.road.pretrain import PretrainConfig

VOCABULARY = 2048  # the tokenizer does not exist when a run is planned
MEASURE_SECONDS = 5.0
COMPILED_GAIN = 1.6  # compiled over eager steps: a guess, not yet calibrated
COMPILE_SECONDS = 25.0  # with a cold cache 65 were measured (docs/log.md)
AROUND_SECONDS = 6.0  # imports, samples, checkpoints, writing the model


def tokens_in(config: PretrainConfig, seconds: float) -> int:
    """The tokens that `pretrain` reads in `seconds` here, compiled where that is to be: whole batches, at least one."""
    from hornbook.models.device import can_compile, pick_device
    from hornbook.road.pretrain import STEPS_WORTH_COMPILING

    batch = config.window * config.rows * config.accumulate
    rate, left = eager_rate(config), seconds - AROUND_SECONDS
    steps = round(rate * max(left, seconds / 4) / batch)
    if can_compile(pick_device()):
        compiled_steps = round(rate * COMPILED_GAIN * (left - COMPILE_SECONDS) / batch)
        steps = compiled_steps if compiled_steps >= STEPS_WORTH_COMPILING else min(steps, STEPS_WORTH_COMPILING - 1)
    return max(1, steps) * batch


def eager_rate(config: PretrainConfig, *, seconds: float = MEASURE_SECONDS) -> float:
    """Training tokens a second without compiling, by the best of the steps that fit into `seconds`."""
    import numpy as np
    import torch

    from hornbook.models.device import pick_device
    from hornbook.road.pretrain import build, rates
    from hornbook.tokens.loader import PackedBatches
    from hornbook.training.fit import fit
    from hornbook.training.objectives.next_token import next_token
    from hornbook.training.optimiser import Optimiser
    from hornbook.training.schedule import constant

    threads = torch.get_num_threads()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    device = str(pick_device())
    model = build(config, VOCABULARY, seed=0, device=device)
    optimiser = Optimiser(model, rates(config))
    text = np.random.default_rng(0).integers(0, VOCABULARY, (64, config.window + 1))
    batches = PackedBatches(list(text), None, window=config.window, rows=config.rows, seed=0)
    started, best, steps = time.perf_counter(), 0.0, 0
    while steps < 2 or time.perf_counter() - started < seconds:
        result = fit(model, batches, next_token, optimiser, constant, folder=None, device=device, steps=1)
        best, steps = max(best, result.tokens / result.seconds), steps + 1
    torch.set_num_threads(threads)
    return best
