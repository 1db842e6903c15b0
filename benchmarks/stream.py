"""The stream of batches in real processes: stopped at one number of them and gone on with at another, the samples and
their order stay the same."""

from __future__ import annotations

import hashlib
import multiprocessing
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.results import figure
from hornbook.tokens.loader import PackedBatches
from hornbook.tokens.shards import Encoded, TokenShards, write_tokens

WINDOW, ROWS, SEED = 64, 8, 11
PHASES = ((1, 900), (2, 900), (1, 400), (4, 900), (2, 300))  # (processes, steps)
DOCUMENTS, LONGEST = 20_000, 400


def elastic_equal() -> dict:
    """Whether every batch of the phases is, put together in the order of the ranks, that of one process that never
    stopped. Each phase starts new processes, which open the shards anew and know nothing but the cursor."""
    with tempfile.TemporaryDirectory() as folder:
        write_tokens(Path(folder), _documents(), shard_tokens=1 << 20)
        straight, cursor, equal, steps = _batches(folder), 0, True, 0
        for world, count in PHASES:
            context = multiprocessing.get_context("spawn")
            with context.Pool(world) as pool:
                shares = pool.starmap(_phase, [(folder, cursor, rank, world, count) for rank in range(world)])
            for step in range(count):
                batch = next(straight)
                rows = np.split(np.arange(ROWS), world)
                digests = [_digest(batch, part) for part in rows]
                equal &= digests == [given[step] for given, _ in shares]
            equal &= {end for _, end in shares} == {straight.cursor}
            cursor, steps = shares[0][1], steps + count
    worlds = " -> ".join(str(world) for world, _ in PHASES)
    return figure("tokens_elastic_equal", equal, f"over {steps:,} steps, processes {worlds}", n=steps)


def _phase(folder: str, cursor: int, rank: int, world: int, steps: int) -> tuple[list[str], int]:
    """What one process of a phase is given, by its digests, and the cursor it ends with."""
    batches = _batches(folder, cursor=cursor, rank=rank, world=world)
    return [_digest(next(batches), slice(None)) for _ in range(steps)], batches.cursor


def _batches(folder: str, **more: int) -> PackedBatches:
    return PackedBatches(
        TokenShards(Path(folder)), None, window=WINDOW, rows=ROWS, seed=SEED, **more  # pyright: ignore[reportArgumentType]
    )


def _documents():
    random = np.random.default_rng(0)
    for index in range(DOCUMENTS):
        ids = random.integers(0, 4096, random.integers(0, LONGEST), dtype=np.int32)
        yield Encoded(f"document-{index}", ids, "made up")


def _digest(batch, rows) -> str:
    arrays = (batch.ids_BT, batch.targets_BT, batch.positions_BT, batch.documents_BT, batch.weights_BT)
    return hashlib.sha256(b"".join(array[rows].tobytes() for array in arrays)).hexdigest()
