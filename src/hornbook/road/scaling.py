"""`hornbook scaling`: a grid of small models, laws fitted to them, and a larger run foretold, made and compared.

No step of the road, for it is no part of what the road makes: it reads a run's tokens and leaves `scaling/` beside its
steps. What was foretold is written before the larger run begins.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hornbook.core.errors import InputError
from hornbook.core.files import write_text
from hornbook.core.words import counted
from hornbook.evaluation.scaling.findings import best_size, compared, laws, prediction
from hornbook.evaluation.scaling.grid import HELD_OUT, TOKENS_EACH, Shape, Trial, affordable, grid, nearest, trial
from hornbook.evaluation.scaling.points import Point
from hornbook.pipeline.lock import lock
from hornbook.road.trials import LOSS_TOKENS, Bench, kept, trained

AROUND_SECONDS = 4.0  # a trial: building, scoring, completing
LEAST_CELLS = 8  # different ones: a law has five parameters, and draws of them must differ
MEASURE_SECONDS = 1.0  # of each shape's rate

Told = Callable[[Trial, dict[str, Any]], None]


@dataclass(frozen=True)
class Study:
    """What will be trained: the grid, whose largest budget is `flops`, and how long each trial takes here."""

    flops: float
    trials: list[Trial]
    seconds: list[float]
    held_out_seconds: float  # about: which size it will have the grid decides

    @property
    def all_seconds(self) -> float:
        return sum(self.seconds) + self.held_out_seconds


def planned(bench: Bench, *, minutes: float = 20.0, flops: float | None = None) -> Study:
    """The study that takes about so many minutes here, or the one whose largest budget is `flops`. Minutes become FLOPs
    once: asked again for as many, it is the same grid, so that a killed call goes on.

    Raises InputError where that is too little for a law, or a trial too large for the memory."""
    path, cost = bench.folder / "plan.json", _Cost(bench)
    if flops is not None:
        return _enough(cost.study(flops), f"--flops {flops:g}")
    memory: dict[str, float] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    if str(minutes) not in memory:
        memory[str(minutes)] = affordable(minutes * 60, lambda flops: cost.study(flops).all_seconds)
        write_text(path, json.dumps(memory))
    return _enough(cost.study(memory[str(minutes)]), f"--minutes {minutes:g}")


def _enough(study: Study, asked: str) -> Study:
    """The study, where it has cells for a law: so small a budget that each buys a step is one cell many times."""
    cells = len({(each.shape, each.tokens) for each in study.trials})
    if cells < LEAST_CELLS:
        raise InputError(f"that is {counted(cells, 'model')}, and a law with its interval wants {LEAST_CELLS}",
                         where=asked, fix="give it more")  # fmt: skip
    return study


def studied(bench: Bench, study: Study, *, told: Told = lambda trial, row: None) -> dict[str, Any]:
    """Train what is not trained yet, fit, foretell, train the larger run, compare; writes scaling/scaling.json and
    returns what it holds. Raises BusyError where another process is at work in the run."""
    with lock(bench.workspace.folder):
        rows = trained(bench, study.trials, told=told)
        points = [_point(row) for row in rows]
        flops = HELD_OUT * study.flops
        larger = trial(nearest(bench.shapes, best_size(points, flops)), flops, _step_tokens(bench))
        foretold = prediction(points, larger.shape.parameters, larger.tokens)
        found = {"flops": study.flops, "rows": rows, "laws": laws(points), "held_out": foretold}
        write_text(bench.folder / "scaling.json", json.dumps(found, indent=1) + "\n")
        (row,) = trained(bench, [larger], told=told)
        found["held_out"] = compared(foretold, row["loss"])
        found["rows"] = [*({**each, "held_out": False} for each in rows), {**row, "held_out": True}]
        write_text(bench.folder / "scaling.json", json.dumps(found, indent=1) + "\n")
    return found



class _Cost:
    """What trials cost here, by this machine's rate for each shape: measured once a shape, in some seconds."""

    def __init__(self, bench: Bench):
        self.bench, self.done = bench, kept(bench)
        self.rates: dict[Shape, float] = {}

    def study(self, flops: float) -> Study:
        trials = grid(self.bench.shapes, flops, _step_tokens(self.bench))
        guess = nearest(self.bench.shapes, (HELD_OUT * flops / (6 * TOKENS_EACH)) ** 0.5)
        held_out = trial(guess, HELD_OUT * flops, _step_tokens(self.bench))
        return Study(flops, trials, [self._seconds(each) for each in trials], self._seconds(held_out))

    def _seconds(self, trial: Trial) -> float:
        if self.bench.identity(trial) in self.done:
            return 0.0
        if trial.shape not in self.rates:
            self.rates[trial.shape] = rate(self.bench, trial)
        return (trial.tokens + LOSS_TOKENS / 2) / self.rates[trial.shape] + AROUND_SECONDS


def rate(bench: Bench, trial: Trial) -> float:
    """Tokens a second that a trial of this shape trains on here, measured in some seconds."""
    from hornbook.road.forecast import demand_memory
    from hornbook.road.pace import measured_pace

    config = bench.config(trial)
    demand_memory(config, bench.vocabulary, device=str(bench.machine["device"]), compile=bench.machine["compile"])
    pace = measured_pace(config, bench.vocabulary, seconds=MEASURE_SECONDS, **bench.machine)
    return config.step_tokens / pace.step(config.accumulate)


def _point(row: dict[str, Any]) -> Point:
    return Point(row["parameters"], row["tokens"], row["loss"], row["flops"])


def _step_tokens(bench: Bench) -> int:
    return bench.base.step_tokens
