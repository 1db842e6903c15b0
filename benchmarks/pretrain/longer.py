"""Longer context after pretraining: bits per byte by place and needles, for every way to stretch rotary positions.

A small model reads rows of 256 tokens, then is looked at over 1,024: as it is, with another base, with all places
interpolated, with YaRN; at once, and after going on for a tenth of its training with rows of 1,024. Beside them one
that only goes on, so that what the longer rows teach is not taken for the stretching's.

    python -m benchmarks.pretrain --only longer
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from benchmarks.pretrain.prose import made_of_prose
from benchmarks.results import figure
from hornbook.evaluation.by_position import bits_per_byte_by_position
from hornbook.evaluation.needle import needle
from hornbook.inference.engine import Engine
from hornbook.models import Transformer, load_model, save_model
from hornbook.models.device import use_processor
from hornbook.pipeline.recipe import Recipe
from hornbook.pipeline.run import Run
from hornbook.road.artifacts import TokenizerArtifact, Tokens
from hornbook.road.course import Course, Samples
from hornbook.road.learner import build
from hornbook.road.pretrain_config import PretrainConfig
from hornbook.road.runs import workspace_of

NAMES = ("longer_bpb_yarn", "longer_needle_yarn")
SHORT, LONG = 256, 1024
FIRST_TOKENS = int(os.environ.get("HORNBOOK_LONGER_TOKENS", "4_000_000"))
SPANS, NEEDLES = 32, 16
Way = Literal["none", "base", "linear", "yarn"]
RECIPE = """size = "laptop"
[tokenizer]
vocab_size = 2048
[pretrain]
depth = 2
width = 128
heads = 2
key_value_heads = 2
feed_forward = 384
window = 256
rows = 8
"""


def figures() -> Iterator[dict]:
    with made_of_prose(RECIPE) as recipe:
        rows = list(_rows(recipe, recipe.path.parent))
    for row in rows:
        print(f"{row['way']:8} {'then trained' if row['trained'] else 'at once':14} "
              + "  ".join(f"{name} {value:.3f}" for name, value in {**row["bpb"], **row["needle"]}.items()), flush=True)
    by = {(row["way"], row["trained"]): row for row in rows}
    last = list(by["yarn", True]["bpb"])[-1]
    kept, stretched = by["none", True], by["yarn", True]
    yield figure("longer_bpb_yarn", stretched["bpb"][last], f"bits a byte, places {last}", n=SPANS, rows=rows,
                 untouched=by["none", False]["bpb"][last], only_trained=kept["bpb"][last])
    far = list(stretched["needle"])[-1]
    yield figure("longer_needle_yarn", stretched["needle"][far], f"found, {far}", n=NEEDLES * 5,
                 untouched=by["none", False]["needle"][far], only_trained=kept["needle"][far], chance=1 / 8)


def _rows(recipe: Recipe, scratch: Path) -> Iterator[dict[str, Any]]:
    workspace, config = workspace_of(recipe), recipe.configs["pretrain"]
    assert isinstance(config, PretrainConfig)
    tokens, tokenizer = workspace.current("tokens", Tokens), workspace.current("tokenizer", TokenizerArtifact)
    first = config.model_copy(update={"tokens": FIRST_TOKENS, "minutes": None})
    folder = scratch / "short"
    save_model(_taught(first, None, tokens, tokenizer, scratch / "first"), folder)
    on = {"tokens": FIRST_TOKENS // 10, "window": LONG, "rows": config.rows * SHORT // LONG}
    for way in ("none", "base", "linear", "yarn"):
        for trained in (False, True):
            model = load_model(folder)
            model.config = (model.config.model_copy(update={"max_position_embeddings": LONG}) if way == "none"
                            else model.config.longer(LONG, way))
            if trained:
                model = _taught(first.model_copy(update=on), model, tokens, tokenizer, scratch / way)
            yield {"way": way, "trained": trained, **_measured(model, tokens, tokenizer)}


def _taught(
    config: PretrainConfig, model: Transformer | None, tokens: Tokens, tokenizer: TokenizerArtifact, folder: Path
) -> Transformer:
    encoder, run = tokenizer.load(), Run(folder, step="longer", compile=True)
    use_processor(run.threads, compile=True)
    model = model or build(config, encoder.vocab_size, seed=0, device="cpu")
    with run.progress(folder.name, config.steps * config.step_tokens, "tokens") as bar:
        Course(config, model, run, bar).read(tokens.train(), Samples(run.out / "samples.jsonl", model, encoder, []))
    return model


def _measured(model: Transformer, tokens: Tokens, tokenizer: TokenizerArtifact) -> dict[str, Any]:
    model.compute_dtype = None
    engine, heldout = Engine(model, tokenizer.load()), list(tokens.heldout())
    bits = bits_per_byte_by_position(engine, heldout, length=LONG, edges=(64, SHORT, 512), most=SPANS)
    found = needle(engine, heldout, lengths=(SHORT, 512, LONG), n=NEEDLES)
    shares = {length: [each for each in found if each.length == length] for length in (SHORT, 512, LONG)}
    return {
        "bpb": {f"{begin}-{end}": round(value, 4) for (begin, end), value in bits.items()},
        "needle": {f"of {length}": sum(e.right for e in own) / sum(e.n for e in own) for length, own in shares.items()},
        "by_depth": [{"length": e.length, "depth": e.depth, "share": e.share} for e in found],
    }
