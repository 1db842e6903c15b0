"""Bits per byte: how short a model could write down pages it has not seen. Fair between tokenizers and compressors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np

from hornbook.inference.engine import Engine

Ids = Sequence[int] | np.ndarray


def bits(engine: Engine, documents: Sequence[Ids], *, window: int) -> np.ndarray:
    """What each document costs, in bits, fp64: -log2 p of all its tokens, the one that ends it included.

    Nothing stands before a document's first token, so that one costs log2 of the vocabulary. A document longer than
    `window` is read in pieces of that length that overlap by half, and each token is charged once, in the first piece
    that has it.
    """
    pieces: list[Ids] = []
    charged: list[tuple[int, int]] = []  # (document, how many of the piece's last tokens are charged)
    for index, ids in enumerate(documents):
        for start, end, fresh in _pieces(len(ids), window):
            pieces.append(ids[start:end])
            charged.append((index, fresh))
    first = math.log2(engine.model.config.vocab_size)
    total = np.array([first if len(ids) else 0.0 for ids in documents], dtype=np.float64)
    for (index, fresh), logprobs in zip(charged, engine.score(cast("list[Sequence[int]]", pieces)), strict=True):
        total[index] -= logprobs[len(logprobs) - fresh :].astype(np.float64).sum() / math.log(2)
    return total


def bits_per_byte(engine: Engine, documents: Sequence[Ids], texts: Sequence[str], *, window: int) -> float:
    """All bits of the documents by the bytes of their texts in UTF-8. The end token costs bits and adds no byte."""
    size = sum(len(text.encode("utf-8")) for text in texts)
    return float(bits(engine, documents, window=window).sum() / size)


def _pieces(length: int, window: int) -> list[tuple[int, int, int]]:
    """(start, end, how many of the last tokens are new) of the pieces; the first token of all is no one's."""
    if length < 2:
        return []
    spans = [(0, min(length, window), min(length, window) - 1)]
    while spans[-1][1] < length:
        before = spans[-1][1]
        end = min(before + window // 2, length)
        spans.append((end - window, end, end - before))
    return spans
