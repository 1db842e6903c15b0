"""Training tokens a second and memory, against nanochat and transformers: depth 4, width 256, 8 rows of 512.

Every trainer is a process of its own; they take turns, so that what else the machine does falls on all alike, and only
one works at a time. Peers are eager, as the issue's figures are; nanochat compiled, as its own loop has it, is beside.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.pretrain.trainers import Shape, Trainer, lacking
from benchmarks.results import against, figure

SHAPES = {"": Shape(), "_v32k": Shape(vocabulary=32_768)}
PEERS = {
    "train_vs_nanochat": "nanochat_fp32", "train_vs_nanochat_bf16": "nanochat_bf16",
    "train_vs_hf": "transformers_fp32", "train_vs_hf_bf16": "transformers_bf16",
    "train_vs_nanochat_compiled": "nanochat_fp32_compiled",
    "train_vs_nanochat_bf16_compiled": "nanochat_bf16_compiled",
}  # fmt: skip
BARS = {
    "train_vs_nanochat": 3.0, "train_vs_nanochat_bf16": 1.7, "train_vs_hf": 2.8, "train_vs_hf_bf16": 1.2,
    "train_vs_nanochat_v32k": 4, "train_vs_nanochat_bf16_v32k": 2, "train_vs_hf_v32k": 4, "train_vs_hf_bf16_v32k": 2.2,
    "train_memory_vs_nanochat": 0.5, "train_memory_vs_nanochat_v32k": 0.5,
}  # fmt: skip
NAMES = (*(f"{name}{suffix}" for suffix in SHAPES for name in PEERS), "train_memory_vs_nanochat")
TURNS, STEPS = 7, 3


def figures() -> Iterator[dict]:
    for suffix, shape in SHAPES.items():
        yield from _of(shape, suffix)


def _of(shape: Shape, suffix: str) -> Iterator[dict]:
    trainers = {name: Trainer(name, shape) for name in ("ours_bf16", *PEERS.values()) if not lacking(name)}
    seconds: dict[str, list[float]] = {name: [] for name in trainers}
    for _ in range(TURNS):
        for name, trainer in trainers.items():
            seconds[name].append(statistics.median(trainer.steps(STEPS)))
    peaks = {name: trainer.peak_bytes() for name, trainer in trainers.items()}
    for trainer in trainers.values():
        trainer.close()
    own = statistics.median(seconds["ours_bf16"])
    yield figure(f"train_tokens_per_second{suffix}", round(shape.tokens / own), "tokens/s", n=TURNS)
    for row, peer in PEERS.items():
        name = f"{row}{suffix}"
        if peer not in trainers:
            yield figure(name, None, "", why=lacking(peer))
            continue
        rate = round(shape.tokens / statistics.median(seconds[peer]))
        yield against(name, peer, seconds["ours_bf16"], seconds[peer], bar=BARS.get(name), peer_tokens_per_second=rate)
    name = f"train_memory_vs_nanochat{suffix}"
    if "nanochat_fp32" in peaks:
        share = peaks["ours_bf16"] / peaks["nanochat_fp32"]
        gigabytes = {peer: round(peak / 1e9, 3) for peer, peak in peaks.items()}
        yield figure(name, round(share, 3), "of nanochat's", ratio=round(share, 3), bar=BARS[name], gigabytes=gigabytes)
    else:
        yield figure(name, None, "", why=lacking("nanochat_fp32"))
