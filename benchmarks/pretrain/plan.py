"""What `hornbook plan` says of a training, against what it took: seconds and memory at the peak, five configurations.

Each is a run of its own on made-up text: the plan, then `hornbook pretrain` for about `SECONDS`, each in a process of
its own. The truth is what the artifact's record has.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.results import figure

NAMES = ("plan_time_error", "plan_memory_error")
SECONDS = float(os.environ.get("HORNBOOK_PLAN_SECONDS", "40"))
BAR = 0.2
CONFIGURATIONS = {  # depth, vocabulary, window, rows, accumulate
    "small": (2, 4096, 256, 16, 1),
    "laptop": (4, 4096, 448, 9, 1),
    "large vocabulary": (4, 32_768, 512, 8, 1),
    "long window": (6, 8192, 2048, 1, 4),
    "deep": (8, 16_384, 512, 6, 1),
}
RECIPE = """\
size = "tiny"
depth = {0}

[tokenizer]
vocab_size = {1}

[pretrain]
window = {2}
rows = {3}
accumulate = {4}
"""


def figures() -> Iterator[dict]:
    found = {name: _told_and_taken(values) for name, values in CONFIGURATIONS.items()}
    for name, what, unit in (("plan_time_error", "seconds", "s"), ("plan_memory_error", "bytes", "B")):
        ratios = {each: round(told[what] / taken[what], 3) for each, (told, taken) in found.items()}
        worst = max(abs(ratio - 1) for ratio in ratios.values())
        yield figure(
            name, round(worst, 3), "of the truth, at worst", n=len(ratios), bar=BAR, held=worst <= BAR, ratios=ratios,
            told={each: round(told[what]) for each, (told, _) in found.items()},
            taken={each: round(taken[what]) for each, (_, taken) in found.items()}, of=unit,
            threads={each: told["threads"] for each, (told, _) in found.items()},
        )  # fmt: skip


def _told_and_taken(values: tuple[int, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the plan said, and what the record says."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "made.toml").write_text(RECIPE.format(*values))
        _hornbook(folder, "run", "made", "--until", "tokens")
        step_tokens = values[2] * values[3] * values[4]
        rate = _estimate(folder, step_tokens)["figures"]["tokens_per_second"]  # this measures
        tokens = max(1, round(rate * SECONDS / step_tokens)) * step_tokens
        told = _estimate(folder, tokens)
        events = _hornbook(folder, "pretrain", "made", "--tokens", str(tokens), "--json")
    done = next(event for event in events if event["event"] == "done")
    return (
        {"seconds": told["seconds"], "bytes": sum(told["memory"].values()), "threads": told["threads"]},
        {"seconds": done["seconds"], "bytes": done["peak_memory_bytes"], "steps": done["metrics"]["train_seconds"]},
    )


def _estimate(folder: str, tokens: int) -> dict[str, Any]:
    steps = _hornbook(folder, "plan", "made", "--tokens", str(tokens), "--json")
    return next(step["estimate"] for step in steps if step["step"] == "pretrain")


def _hornbook(folder: str, *arguments: str) -> list[dict[str, Any]]:
    root = Path(__file__).parents[2]
    environment = os.environ | {
        "HORNBOOK_ROAD": "benchmarks.pretrain.made_up:ROAD", "HORNBOOK_RUNS": folder,
        "PYTHONPATH": os.pathsep.join([str(root / "src"), str(root)]),
    }  # fmt: skip
    command = [sys.executable, "-m", "hornbook.cli", *arguments]
    made = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=folder, env=environment)
    return [json.loads(line) for line in made.stdout.splitlines() if line.startswith("{")]
