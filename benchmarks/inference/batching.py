"""`batching_speedup`: 64 requests of mixed lengths that begin with the same 512 tokens, all at once, against one at a
time without a prefix cache, in bf16; medians of three turns.

    python -m benchmarks.inference --only batching
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.inference.shape import THREADS, prompts, write_model
from benchmarks.results import against
from hornbook.inference import Engine, Request, Sampling
from hornbook.models import load_model
from hornbook.models.device import use_processor
from hornbook.tokens.foreign import load_tokenizer

NAMES = ("batching_speedup",)
REQUESTS, SHARED, TURNS = 64, 512, 3


def figures() -> Iterator[dict]:
    use_processor(THREADS)
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_model(Path(scratch))
        model, tokenizer = load_model(folder, dtype=torch.bfloat16), load_tokenizer(folder)
    together = Engine(model, tokenizer, slots=REQUESTS, keeps_memory=True)
    alone = Engine(model, tokenizer, slots=1, keeps_memory=True, prefix_cache=False)
    ours, theirs = [], []
    for turn in range(TURNS):
        asked = _requests(turn)
        begun = time.perf_counter()
        together.generate(asked)
        ours.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        for request in asked:
            alone.generate([request])
        theirs.append(time.perf_counter() - begun)
    yield against("batching_speedup", "one at a time", ours, theirs)


def _requests(turn: int) -> list[Request]:
    """Between 8 and 128 tokens after the shared ones, and answers of between 16 and 128."""
    draw, shared = np.random.default_rng(turn), prompts(1, 1000 + turn, SHARED)[0]
    made = []
    for index in range(REQUESTS):
        own = prompts(1, 100 * turn + index, int(draw.integers(8, 129)))[0]
        sampling = Sampling(max_tokens=int(draw.integers(16, 129)), ignore_end=True)
        made.append(Request(ids=[*shared, *own], sampling=sampling))
    return made
