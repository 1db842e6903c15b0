"""Bits per byte of held-out pages after training: our recipe against nanochat's, both from the same tokenizer, text,
batches and order.

    python -m benchmarks.pretrain.quality --scale 0.05 --seeds 1

At equal time each makes as many steps as it does in SECONDS at the pace measured by turns before, both of depth 4 and
width 256. At equal tokens ours is wider, so that it has as many parameters: nanochat's value embeddings are many.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.pretrain.learners import Plan, Text, learn
from benchmarks.pretrain.trainers import Shape, Trainer, lacking
from benchmarks.results import Absent, figure
from benchmarks.texts import prose

NAMES = ("bpb_at_equal_time", "bpb_at_equal_time_bf16", "bpb_at_equal_tokens")
SHAPE = Shape()
AS_LARGE = Shape(width=320, inner=800)  # 7,335,232 parameters, nanochat at SHAPE has 7,340,162
SECONDS, TOKENS, SEEDS = 90.0, 400_000, 3
PEERS = {"bpb_at_equal_time": "nanochat_fp32", "bpb_at_equal_time_bf16": "nanochat_bf16"}
TURNS = 5
PROSE, LONGEST_PAGE, TRAIN_BYTES = 20_000_000, 60_000, 7_000_000
HELDOUT_PAGES, HELDOUT_CHARACTERS = 48, 4000


def figures(scale: float = 1.0, seeds: int = SEEDS) -> Iterator[dict]:
    """`scale` shortens the trainings."""
    if lacking("nanochat_fp32"):
        raise Absent(lacking("nanochat_fp32"))
    with tempfile.TemporaryDirectory() as folder:
        text = str(Path(folder, "text.npz"))
        _text().save(Path(text))
        paces = _paces()
        for name, peer in PEERS.items():
            plans = {each: (SHAPE, round(scale * SECONDS / paces[each])) for each in ("ours_bf16", peer)}
            yield _compared(name, text, plans, seeds, 1.0)
        steps = round(scale * TOKENS / SHAPE.tokens)
        plans = {"ours_bf16": (AS_LARGE, steps), "nanochat_fp32": (SHAPE, steps)}
        yield _compared("bpb_at_equal_tokens", text, plans, seeds, 1.02)


def _text() -> Text:
    """Documentation in an order of its own, so that every part has some of every package's."""
    from hornbook.tokens.tokenizer import Tokenizer

    texts = [page for page in prose(PROSE) if len(page) <= LONGEST_PAGE]
    texts = [texts[index] for index in np.random.default_rng(0).permutation(len(texts))]
    heldout = [page[:HELDOUT_CHARACTERS] for page in texts[:HELDOUT_PAGES]]
    sizes = np.cumsum([len(page.encode()) for page in texts[HELDOUT_PAGES:]])
    train = [page for page, size in zip(texts[HELDOUT_PAGES:], sizes, strict=True) if size <= TRAIN_BYTES]
    tokenizer = Tokenizer.train(train, SHAPE.vocabulary)

    def tokens(pages: list[str]) -> list[np.ndarray]:
        return [np.array([*tokenizer.encode(page), tokenizer.end_of_document], np.int32) for page in pages]

    return Text(tokens(train), tokens(heldout), sum(len(page.encode()) for page in heldout))


def _paces() -> dict[str, float]:
    """Seconds a step of each, by turns."""
    trainers = {name: Trainer(name, SHAPE) for name in ("ours_bf16", *PEERS.values())}
    seconds: dict[str, list[float]] = {name: [] for name in trainers}
    for _ in range(TURNS):
        for name, trainer in trainers.items():
            seconds[name] += trainer.steps(2)
    for trainer in trainers.values():
        trainer.close()
    return {name: statistics.median(each) for name, each in seconds.items()}


def _compared(name: str, text: str, plans: dict[str, tuple[Shape, int]], seeds: int, bar: float) -> dict:
    """Ours over theirs, the mean over the seeds of both; `plans` has ours first."""
    found = {
        each: [learn(each, Plan(text, steps, seed, shape)) for seed in range(seeds)]
        for each, (shape, steps) in plans.items()
    }
    (own, ours), (peer, theirs) = ((each, [one["bits_per_byte"] for one in ran]) for each, ran in found.items())
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    ratio = statistics.fmean(ours) / statistics.fmean(theirs)
    told = {
        key: {each: round(ran[-1][key], 1) for each, ran in found.items()}
        for key in ("tokens", "parameters", "seconds")
    }
    return figure(
        name, round(ratio, 4), f"of {peer}'s bits per byte", peer=round(statistics.fmean(theirs), 4),
        ratio=round(ratio, 4), n=seeds, interval=[round(min(ratios), 4), round(max(ratios), 4)], bar=bar,
        bits_per_byte={own: [round(each, 4) for each in ours], peer: [round(each, 4) for each in theirs]},
        **told,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="how long, as a part of the whole")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    options = parser.parse_args()
    for each in figures(options.scale, options.seeds):
        print(json.dumps(each), flush=True)


if __name__ == "__main__":
    main()
