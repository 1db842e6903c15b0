"""Whether a larger run comes to what small ones foretold: `hornbook scaling` on real prose, one whole study.

`scaling_inside`: a run of four times the FLOPs of the largest of the grid lies inside the 95 % interval that was
written before it began. The interval's width is told in nats and as a share of the loss: one wide enough holds
anything. The figures beside it are the laws', with bootstrap intervals.

    python -m benchmarks.pretrain --only scaling
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from benchmarks.pretrain.prose import made_of_prose
from benchmarks.results import figure
from hornbook.road.scaling import planned, studied
from hornbook.road.trials import Bench

NAMES = ("scaling_inside", "scaling_interval", "scaling_alpha", "scaling_beta", "scaling_floor", "scaling_best_size")
MINUTES = float(os.environ.get("HORNBOOK_SCALING_MINUTES", "18"))
RECIPE = """size = "laptop"
[tokenizer]
vocab_size = 2048
[pretrain]
window = 256
rows = 8
tokens = 1_000_000
"""


def figures() -> Iterator[dict]:
    with made_of_prose(RECIPE) as recipe:
        bench = Bench(recipe)
        study = planned(bench, minutes=MINUTES)
        found = studied(bench, study, told=lambda trial, row: print(_line(row), flush=True))
    yield from _figures(found, study.all_seconds)


def _figures(found: dict[str, Any], planned_seconds: float) -> Iterator[dict]:
    held, law, n = found["held_out"], found["laws"]["chinchilla"], len(found["rows"]) - 1
    seconds = sum(row["seconds"] for row in found["rows"])
    yield figure(
        "scaling_inside", held["inside"], "true or false", n=n, interval=held["interval"], foretold=held["loss"],
        found=held["found"], wrong_by=held["wrong_by"], kaplan=held["kaplan_loss"], noise=held["noise"],
        flops=found["flops"], planned_seconds=round(planned_seconds), seconds=round(seconds), rows=found["rows"],
        laws=found["laws"], bar="true", held=held["inside"],
    )  # fmt: skip
    yield figure("scaling_interval", round(held["width"], 4), "nats a token", share=round(held["width_share"], 4))
    for name, key in (("scaling_alpha", "alpha"), ("scaling_beta", "beta"), ("scaling_floor", "E")):
        yield figure(name, round(law[key], 4), "", n=n, interval=held["law_intervals"][key])
    share = law["beta"] / (law["alpha"] + law["beta"])
    yield figure("scaling_best_size", round(share, 4), "power of C", interval=held["law_intervals"]["share_of_size"])


def _line(row: dict[str, Any]) -> str:
    return (f"{row['depth']} layers of {row['width']}: {row['parameters']:,} parameters, {row['tokens']:,} tokens, "
            f"{row['flops']:.2e} FLOPs, seed {row['seed']}, loss {row['loss']:.4f}, {row['seconds']:.0f} s")
