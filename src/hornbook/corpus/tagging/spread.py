"""How the numbers that pages are tagged with are spread, and what thresholds over them refuse: to choose by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet

from hornbook.corpus.tagging.filters import Threshold
from hornbook.corpus.tagging.tags import TAGS

SHARES = (0.01, 0.1, 0.5, 0.9, 0.99)


@dataclass(frozen=True)
class Spread:
    """One tag: the value below which each of `SHARES` of the pages lies; the bounds it is filtered by, None where there
    is none; and the share of pages that break them, whatever other rules say."""

    tag: str
    pages: int
    quantiles: tuple[float, ...]
    low: float | None
    high: float | None
    refused: float


def spreads(folder: Path, rules: Sequence[Threshold]) -> list[Spread]:
    """Every numeric tag of the pages that gave a text, in the corpus of `folder`; none where it has kept no tags. A tag
    at a time is read. Scores that are made after the tags (`quality`, `bits_per_character`) are not among them."""
    shards = sorted(folder.glob("tags/*.parquet"))
    found = []
    for tag in TAGS if shards else ():
        parts = [_values(path, tag) for path in shards]
        values = np.concatenate(parts)
        if not len(values):
            continue
        own = [rule for rule in rules if rule.column == tag]
        low, high = max((rule.low for rule in own), default=-np.inf), min((rule.high for rule in own), default=np.inf)
        cuts = np.quantile(values, SHARES, method="inverted_cdf")
        refused = float(((values < low) | (values > high)).mean())
        found.append(Spread(tag, len(values), tuple(map(float, cuts)), _bound(low), _bound(high), round(refused, 6)))
    return found


def _values(path: Path, tag: str) -> np.ndarray:
    table = pyarrow.parquet.read_table(path, columns=["fault", tag])
    return table.filter(table.column("fault").is_null()).column(tag).to_numpy().astype(np.float64)


def _bound(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
