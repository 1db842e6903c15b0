"""Whether a larger run comes to what small ones foretold: `hornbook scaling` on real prose, one whole study.

`scaling_inside`: a run of four times the FLOPs of the largest of the grid lies inside the 95 % interval that was
written before it began. The interval's width is told in nats and as a share of the loss: one wide enough holds
anything. The figures beside it are the laws', with bootstrap intervals.

    python -m benchmarks.pretrain --only scaling
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from benchmarks.results import figure
from benchmarks.texts import prose
from hornbook.pipeline.config import StageConfig
from hornbook.pipeline.recipe import Recipe
from hornbook.pipeline.run import Run
from hornbook.pipeline.stage import Step, stage
from hornbook.road import runs
from hornbook.road.artifacts import TokenizerArtifact, Tokens
from hornbook.road.pretrain import pretrain
from hornbook.road.scaling import planned, studied
from hornbook.road.sizes import DEPTHS
from hornbook.road.trials import Bench
from hornbook.tokens.shards import Encoded, write_tokens
from hornbook.tokens.tokenizer import Tokenizer

NAMES = ("scaling_inside", "scaling_interval", "scaling_alpha", "scaling_beta", "scaling_floor", "scaling_best_size")
MINUTES = float(os.environ.get("HORNBOOK_SCALING_MINUTES", "18"))
PROSE_BYTES = 50_000_000  # as much as the larger runs read, so that little is read twice
HELD_OUT_EACH = 50  # one document in so many is held out
RECIPE = """size = "laptop"
[tokenizer]
vocab_size = 2048
[pretrain]
window = 256
rows = 8
tokens = 1_000_000
"""


class TokenizerConfig(StageConfig):
    """The section `[tokenizer]`."""

    vocab_size: int = Field(2048, ge=512, description="how many tokens")


class TokensConfig(StageConfig):
    """The section `[tokens]`."""

    bytes: int = Field(PROSE_BYTES, ge=1_000_000, description="how much prose")


@stage(version=1)
def tokenizer(config: TokenizerConfig, run: Run) -> TokenizerArtifact:
    """Of an eighth of the prose."""
    Tokenizer.train(_shuffled(PROSE_BYTES)[::8], config.vocab_size).save(run.out)
    return TokenizerArtifact(run.out)


@stage(version=1)
def tokens(config: TokensConfig, tokenizer: TokenizerArtifact, run: Run) -> Tokens:
    """The prose, one document in HELD_OUT_EACH held out."""
    encoder, texts = tokenizer.load(), _shuffled(config.bytes)
    parts = {"heldout": texts[::HELD_OUT_EACH],
             "train": [text for index, text in enumerate(texts) if index % HELD_OUT_EACH]}
    for name, part in parts.items():
        encoded = [np.append(ids, encoder.end_of_document) for ids in encoder.encode_batch(part, run.threads)]
        documents = (Encoded(f"{name}{index}", ids, "prose") for index, ids in enumerate(encoded))
        write_tokens(run.out / name, documents, vocab_size=encoder.vocab_size)
    return Tokens(run.out)


ROAD = [Step("tokenizer", tokenizer), Step("tokens", tokens), Step("pretrain", pretrain)]


def figures() -> Iterator[dict]:
    prose(PROSE_BYTES)  # Absent before anything is begun
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HORNBOOK_RUNS"] = f"{scratch}/runs"
        path = Path(scratch, "prose.toml")
        path.write_text(RECIPE)
        recipe = Recipe.read(path, ROAD, DEPTHS)
        runs.run(recipe, until="tokens")
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


def _shuffled(size: int) -> list[str]:
    """The prose in an order that has nothing to do with the packages it is from."""
    texts = prose(size)
    return [texts[index] for index in np.random.default_rng(0).permutation(len(texts))]
