"""`kill -9` at least once in every stage, the rest by seed, then `run`: are all digests those of a quiet run?

    python -m benchmarks.kills --json

Two runs of one recipe, in folders of their own: one is left alone and timed, the other is killed again and again, each
time at a moment within one of its steps drawn by the seed, and then finished.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.results import keep

RECIPE = Path(__file__).parent.parent / "recipes" / "tiny.toml"


@dataclass
class Outcome:
    """What came of it. `kills` counts by step; `different` names steps whose digest is not the quiet run's."""

    kills: dict[str, int]
    different: list[str]
    quiet_seconds: float
    killed_seconds: float
    steps: int = field(default=0)


def kill_and_compare(
    recipe: Path, folder: Path, *, count: int, seed: int, environment: Mapping[str, str] | None = None
) -> Outcome:
    """Do it, in `folder`. Raises RuntimeError when a run that nobody killed fails."""
    settings = {**os.environ, **(environment or {})}
    began = time.monotonic()
    quiet = _finish(recipe, folder / "quiet", settings)
    quiet_seconds = time.monotonic() - began
    seconds = {event["step"]: event["seconds"] for event in quiet}
    began = time.monotonic()
    kills = dict.fromkeys(seconds, 0)
    for step, part in moments(seconds, count, seed):
        # A step goes on from what it had, so its later kills wait for less: what matters is that they are spread.
        for attempt in range(1, 9):
            if _kill_in(step, part * seconds[step] / attempt, recipe, folder / "killed", settings):
                kills[step] += 1
                break
            shutil.rmtree(_artifact(folder / "killed", recipe, step))  # it was done before we struck: once more
    killed = _finish(recipe, folder / "killed", settings)
    killed_seconds = time.monotonic() - began
    digests = {event["step"]: event["digest"] for event in quiet}
    different = [event["step"] for event in killed if event["digest"] != digests[event["step"]]]
    return Outcome(kills, different, quiet_seconds, killed_seconds, len(quiet))


def tiny(folder: Path) -> Path:
    """The tiny recipe in `folder`, with the invented island that it reads beside it."""
    from hornbook.demo import write_island

    folder.mkdir(parents=True, exist_ok=True)
    write_island(folder / "isle", 0, "tiny")
    return Path(shutil.copy(RECIPE, folder))


def moments(seconds: Mapping[str, float], count: int, seed: int) -> list[tuple[str, float]]:
    """(step, part of its time) for each kill: every step once and the rest by seed, longer steps more often."""
    dice = random.Random(seed)
    steps = list(seconds)
    more = dice.choices(steps, [max(seconds[step], 0.1) for step in steps], k=max(0, count - len(steps)))
    order = sorted([*steps, *more], key=steps.index)
    return [(step, dice.uniform(0.05, 0.9)) for step in order]


def _command(recipe: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "hornbook.cli", "run", str(recipe), "--json", *options]


def _finish(recipe: Path, runs: Path, settings: Mapping[str, str]) -> list[dict]:
    """Run to the end; the last event of every step."""
    made = subprocess.run(
        _command(recipe), env={**settings, "HORNBOOK_RUNS": str(runs)}, stdout=subprocess.PIPE, text=True
    )
    if made.returncode != 0:
        raise RuntimeError(f"hornbook run ended with {made.returncode}")
    events = [json.loads(line) for line in made.stdout.splitlines()]
    return [event for event in events if event["event"] in ("done", "skip")]


def _kill_in(step: str, delay: float, recipe: Path, runs: Path, settings: Mapping[str, str]) -> bool:
    """Run up to `step` and kill it `delay` seconds after it began; False when it was done sooner."""
    process = subprocess.Popen(
        _command(recipe, "--until", step), env={**settings, "HORNBOOK_RUNS": str(runs)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    errors: list[str] = []
    reader = threading.Thread(target=lambda: errors.extend(process.stderr or ()), daemon=True)
    reader.start()
    for event in _events(process):
        if event["event"] == "start" and event["step"] == step:
            try:
                process.wait(timeout=delay)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                return True
    process.wait()
    if process.returncode != 0:
        reader.join()
        raise RuntimeError(f"hornbook run ended with {process.returncode}: {''.join(errors)[-2000:]}")
    return False


def _events(process: subprocess.Popen[str]) -> Iterator[dict]:
    for line in process.stdout or ():
        yield json.loads(line)


def _artifact(runs: Path, recipe: Path, step: str) -> Path:
    run = runs / recipe.stem
    return run / json.loads((run / "plan.json").read_text())["current"][step]


def figures(outcome: Outcome) -> Iterator[dict]:
    """One object a figure, as every benchmark prints them."""
    kills = sum(outcome.kills.values())
    plain = {"peer": None, "ratio": None, "n": kills, "interval": None}
    yield {"figure": "kills", "value": kills, "unit": "kill -9", **plain, "by_step": outcome.kills}
    equal = not outcome.different
    yield {"figure": "kills_equal", "value": equal, "unit": "bool", **plain, "different": outcome.different}
    ratio = outcome.killed_seconds / outcome.quiet_seconds
    yield {
        "figure": "kills_seconds", "value": round(outcome.killed_seconds, 1), "unit": "s", "peer": "a quiet run",
        "ratio": round(ratio, 2), "n": 1, "interval": None, "peer_value": round(outcome.quiet_seconds, 1),
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object a figure, and nothing else")
    parser.add_argument("--kills", type=int, default=24, help="how many, at least one a step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--recipe", type=Path, help="a recipe of your own; recipes/tiny.toml when left out")
    parser.add_argument("--keep", type=Path, help="a folder to leave both runs in")
    said = parser.parse_args(arguments)
    folder = said.keep or Path(tempfile.mkdtemp(prefix="hornbook-kills-"))
    try:
        recipe = said.recipe or tiny(folder)
        outcome = kill_and_compare(recipe, folder, count=said.kills, seed=said.seed)
    finally:
        if not said.keep:
            shutil.rmtree(folder, ignore_errors=True)
    told = list(figures(outcome))
    keep("kills", told)
    for figure in told:
        plain = f"{figure['figure']}: {figure['value']} {figure['unit']}"
        print(json.dumps(figure) if said.json else plain, flush=True)
    return 0 if not outcome.different else 1


if __name__ == "__main__":
    sys.exit(main())
