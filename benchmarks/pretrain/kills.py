"""`kill -9` at twenty moments of a training, and twenty more of one by two processes: is the final digest that of a
training that nobody disturbed?

Each strike comes at a step drawn by the seed; every second one waits until a checkpoint is being written. After it the
same training is started again, and goes on from what it finds.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.pretrain.crew import PATIENCE, dismissed, started, together
from benchmarks.pretrain.tiny import train
from benchmarks.results import figure
from hornbook.core.digest import digest_bytes

NAMES = ("train_kills_equal",)
KILLS, STEPS, EVERY, SEED = 20, 60, 2, 0
WAYS: dict[int, dict[str, Any]] = {1: {}, 2: {"shard": True}}  # processes -> how they share the model


def figures() -> Iterator[dict]:
    """Whether all ends are equal."""
    found = {size: kill_and_compare(size, way) for size, way in WAYS.items()}
    equal = all(each["equal"] for each in found.values())
    n = sum(each["kills"] for each in found.values())
    yield figure("train_kills_equal", equal, "all equal", bar="true", held=equal, n=n, by_processes=found)


def kill_and_compare(size: int, way: dict[str, Any], kills: int = KILLS, steps: int = STEPS) -> dict[str, Any]:
    """How many strikes there were, how many of them while a checkpoint was written, how many checkpoints were passed
    over as damaged, and whether the end is the same."""
    dice = random.Random(SEED)
    folder = Path(tempfile.mkdtemp(prefix="hornbook-kills-"))
    try:
        quiet = together(size, learn, folder / "quiet", way, steps)[0]
        struck = [_strike(folder / "killed", size, way, steps, at, writing=number % 2 == 1, dice=dice)
                  for number, at in enumerate(sorted(dice.sample(range(2, steps - 1), kills)))]  # fmt: skip
        ended = together(size, learn, folder / "killed", way, steps)[0]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {"kills": len(struck), "while_writing": sum(struck), "equal": ended["digest"] == quiet["digest"],
            "gone_on_from": ended["resumed_from"], "warnings": ended["warnings"]}  # fmt: skip


def learn(folder: Path, way: dict[str, Any], steps: int) -> dict[str, Any]:
    """The training: its end's digest."""
    warnings: list[str] = []
    weights, result, world, _ = train(
        folder, steps=steps, exact=False, checkpoint_every=EVERY, warn=warnings.append, **way
    )
    world.leave()
    digest = digest_bytes(b"".join(weights[name].numpy().tobytes() for name in sorted(weights)))
    return {"digest": digest, "resumed_from": result.resumed_from, "warnings": warnings}


def _strike(
    folder: Path, size: int, way: dict[str, Any], steps: int, at: int, *, writing: bool, dice: random.Random
) -> bool:
    """Start it, and kill one of its processes once step `at` was made; whether a checkpoint was being written."""
    crew, _ = started(size, learn, folder, way, steps)
    try:
        _until(lambda: _made(folder) >= at, crew)
        if writing:
            _until(lambda: any(folder.glob(".checkpoint-*.partial")), crew)
        else:
            time.sleep(dice.random() * 0.05)
        victim = dice.choice(crew)
        if victim.pid is None or not victim.is_alive():
            raise RuntimeError(f"the training was done before it was struck at step {at}")
        os.kill(victim.pid, signal.SIGKILL)
        victim.join()
        return any(folder.glob(".checkpoint-*.partial"))
    finally:
        dismissed(crew)


def _made(folder: Path) -> int:
    """How many steps are in the log."""
    log = folder / "metrics.jsonl"
    return log.read_bytes().count(b"\n") if log.exists() else 0


def _until(held: Any, crew: list[Any]) -> None:
    began = time.monotonic()
    while not held():
        if time.monotonic() - began > PATIENCE or not all(process.is_alive() for process in crew):
            raise RuntimeError("the training ended or stood still before it was struck")
        time.sleep(0.001)
