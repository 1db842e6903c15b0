"""The sizes there are: each names a machine, and what a run may cost there. `depth` derives the rest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """What one machine affords. `minutes` is the whole road's budget, `pretrain_minutes` the part for reading."""

    machine: str
    depth: int  # layers; the width is 64 times it
    window: int  # tokens a row
    minutes: float
    pretrain_minutes: float
    memory_gb: float  # the most the road holds at once
    disk_gb: float


SIZES = {
    "tiny": Size("any machine, to try the road", 2, 512, 1.0, 0.05, 1.5, 0.2),
    "laptop": Size("2 cores", 4, 448, 10.0, 4.0, 4.0, 1.0),
    "gpu": Size("one H100", 20, 2048, 240.0, 150.0, 60.0, 100.0),
}
DEPTHS = {name: size.depth for name, size in SIZES.items()}
