"""How fast this machine trains a model of a given shape: measured in a few seconds, so that minutes become tokens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hornbook.road.pretrain import PretrainConfig

VOCABULARY = 4096  # the tokenizer does not exist when a run is planned
MEASURE_SECONDS = 2.5
AROUND_SECONDS = 10.0  # imports, samples, checkpoints, writing the model


def tokens_in(config: PretrainConfig, seconds: float) -> int:
    """The tokens that `pretrain` reads in `seconds` here: whole batches, at least one."""
    batch = config.window * config.rows * config.accumulate
    return max(1, round(rate(config) * max(seconds - AROUND_SECONDS, seconds / 4) / batch)) * batch


def rate(config: PretrainConfig, *, seconds: float = MEASURE_SECONDS) -> float:
    """Training tokens a second, by the median of the steps that fit into `seconds`; the first, that warms up, apart."""
    from statistics import median

    import numpy as np
    import torch

    from hornbook.core.processes import cores
    from hornbook.models.device import pick_device, use_processor
    from hornbook.road.pretrain import build, rates
    from hornbook.tokens.loader import PackedBatches
    from hornbook.training.compiled import compiled
    from hornbook.training.fit import fit
    from hornbook.training.objectives.next_token import next_token
    from hornbook.training.optimiser import Optimiser
    from hornbook.training.schedule import constant

    threads = torch.get_num_threads()
    use_processor(cores())
    device = str(pick_device())
    model = build(config, VOCABULARY, seed=0, device=device)
    optimiser = Optimiser(model, rates(config))
    text = np.random.default_rng(0).integers(0, VOCABULARY, (64, config.window + 1))
    objective = compiled(next_token, device)
    batches = PackedBatches(list(text), None, window=config.window, rows=config.rows, seed=0)
    started, found = time.perf_counter(), []
    while len(found) < 3 or time.perf_counter() - started < seconds:
        result = fit(model, batches, objective, optimiser, constant, folder=None, device=device, steps=1)
        found.append(result.tokens / result.seconds)
    torch.set_num_threads(threads)
    return median(found[1:])
