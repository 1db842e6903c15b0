"""Bits per byte by place in the window: whether a model makes use of what stands far back, and where it breaks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hornbook.core.errors import InputError
from hornbook.evaluation.completion import spans
from hornbook.inference.engine import Engine

MOST_SPANS = 64


def bits_per_byte_by_position(
    engine: Engine, documents: Sequence[np.ndarray], *, length: int, edges: Sequence[int] = (), seed: int = 0,
    most: int = MOST_SPANS,
) -> dict[tuple[int, int], float]:
    """{(from, to): bits a byte} of the tokens at places from, … to - 1 of stretches of `length` tokens.

    Without `edges` the buckets end at 64, 128, 256, … and `length`. A model that uses what it has read falls from
    bucket to bucket; one whose positions were never trained rises (arXiv:2309.00071, figure 1). At most `most`
    stretches, drawn by chance from documents that are long enough. Raises InputError where none is.
    """
    read = spans(documents, length, most=most, seed=seed)
    if not read:
        raise InputError(f"no document has {length} tokens", where="by position", fix="ask for a shorter length")
    pieces = [ids.tolist() for ids in read]
    cost_NT = -np.stack(engine.score(pieces)).astype(np.float64) / math.log(2)
    size_NT = np.array([[len(engine.tokenizer.decode_bytes([token])) for token in ids[1:]] for ids in pieces])
    ends = [*(edges or _doubling(length)), length]
    buckets = zip([1, *ends[:-1]], ends, strict=True)
    return {
        (begin, end): float(cost_NT[:, begin - 1 : end - 1].sum() / size_NT[:, begin - 1 : end - 1].sum())
        for begin, end in buckets
    }


def _doubling(length: int, first: int = 64) -> list[int]:
    return [first * 2**power for power in range(32) if first * 2**power < length]
