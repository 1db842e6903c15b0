"""The sizes there are: each names a machine, and what a run may cost there. `depth` derives the rest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """What one machine affords. `minutes` is the whole road's budget, `pretrain_minutes` the part for reading; without
    it pretraining reads as much as is best for the depth."""

    machine: str
    depth: int  # layers; the width is 64 times it
    window: int  # tokens a row
    batch_tokens: int  # tokens a step of training, at that depth
    vocabulary: int  # tokens, at most
    minutes: float
    pretrain_minutes: float | None
    memory_gb: float  # the most the road holds at once
    disk_gb: float


# A small model cannot afford a large head. With 4,096 entries a name on the pages is mostly one token, which a small
# model repeats without a slip, and a name that is on none falls into pieces, by which it is known (docs/log.md).
# At 400 TFLOP/s depth 14 reads 10.5 tokens a parameter in 95 minutes; depth 20 would take ten hours.
SIZES = {
    "tiny": Size("any machine, to try the road", 2, 512, 1024, 1024, 1.0, 0.05, 1.5, 0.2),
    "laptop": Size("2 cores", 4, 448, 4096, 4096, 10.0, 4.0, 4.0, 1.0),
    "gpu": Size("one H100", 14, 2048, 524_288, 32_768, 240.0, None, 60.0, 100.0),
}
DEPTHS = {name: size.depth for name, size in SIZES.items()}
ROW_TOKENS = 32_768  # at most so many at once: depth 14 then holds 25 GB, depth 20 holds 52; the rest is accumulated


def rows_of(batch_tokens: int, window: int) -> tuple[int, int]:
    """(rows at once, how often) for a step of so many tokens in rows of `window`."""
    all_rows = max(1, batch_tokens // window)
    rows = min(all_rows, max(1, ROW_TOKENS // window))
    return rows, all_rows // rows
