"""Guesses at what follows, tried several at a time: the answer is what it would have been, in fewer steps where they
are right.

Each guess is kept only where the model, asked at that very place with that place's own draw, says the same
(arXiv:2211.17192, in its exact form for one draw a place).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from hornbook.core.errors import InputError
from hornbook.inference.paged import PagedCache
from hornbook.inference.reading import Reader
from hornbook.inference.rows import Rows
from hornbook.models.transformer import Transformer

LONGEST, SHORTEST = 3, 2  # tokens that must be the same for what followed them to be a guess
MOST_FAILED = 5  # so that a text is tried again after 32 steps at the latest
FEW = 16  # tokens of a step: so many cost little more than one where reading the weights is what takes the time


class Guesser(Protocol):
    """What the batcher asks before each step. Every row has pages for `most` tokens beyond those known."""

    most: int

    def guess(self, rows: Rows, slots: np.ndarray, most: int) -> None:
        """Write at most `most` guesses behind what is known of these rows, and how many into `rows.guessed`."""
        ...

    def learn(self, rows: Rows, slot: int, right: int) -> None:
        """Of the guesses in this row so many were right."""
        ...

    def forget(self) -> None:
        """The weights have changed."""
        ...


def guess(guesser: Guesser, rows: Rows, count: int) -> None:
    """Let the rows that are being answered be guessed. A text whose guesses fail is left alone for a while, twice as
    long each time; who draws from changed scores always."""
    most = min(guesser.most, FEW // count - 1)
    ready = (rows.length[:count] == rows.known[:count] - 1) & ~rows.shaped[:count] & (rows.resting[:count] <= 0)
    ready &= rows.known[:count] + most < rows.most[:count]
    rows.resting[:count] -= 1
    if most > 0 and ready.any():
        guesser.guess(rows, np.flatnonzero(ready), most)


def learn(guesser: Guesser, rows: Rows, slot: int, right: int) -> None:
    """Of the guesses in this row so many were right."""
    rows.failed[slot] = 0 if right else min(rows.failed[slot] + 1, MOST_FAILED)
    rows.resting[slot] = 0 if right else 1 << int(rows.failed[slot])
    guesser.learn(rows, slot, right)


class Lookup:
    """What followed the last tokens when they last stood in the text (prompt lookup; LLMA, arXiv:2304.04487)."""

    def __init__(self, most: int):
        self.most = most

    def guess(self, rows: Rows, slots: np.ndarray, most: int) -> None:
        for slot in slots.tolist():
            known = int(rows.known[slot])
            found = looked_up(rows.ids[slot, :known], most)
            rows.ids[slot, known : known + len(found)] = found
            rows.guessed[slot] = len(found)

    def learn(self, rows: Rows, slot: int, right: int) -> None:
        """Nothing to learn: the text is looked at anew each time."""

    def forget(self) -> None:
        """Nothing was kept."""


class Drafter:
    """What a small model finds likeliest (arXiv:2302.01318). It has the vocabulary of the large one.

    Its keys and values lie in a cache of its own under the same pages; of row r it has read `rows.drafted[r]` tokens.
    """

    def __init__(self, model: Transformer, most: int, pages: int):
        config, weight = model.config, model.model.embed_tokens.weight
        cache = PagedCache(
            config.num_hidden_layers, config.num_key_value_heads, config.head_dim, pages,
            device=weight.device, dtype=weight.dtype, windows=config.windows,
        )  # fmt: skip
        self.most, self._window, self._reader = most, config.max_position_embeddings, Reader(model, cache)

    def guess(self, rows: Rows, slots: np.ndarray, most: int) -> None:
        slots = slots[rows.known[slots] + most <= self._window]
        if not len(slots):
            return
        begins, ends = rows.drafted[slots], rows.known[slots].copy()
        tables = rows.tables[slots]
        for _ in range(most):
            counts = ends - begins
            row_M = np.repeat(slots, counts)
            lasts = np.cumsum(counts)
            ids_M = rows.ids[row_M, np.arange(len(row_M)) + np.repeat(begins - lasts + counts, counts)]
            logits_NV = self._reader.read(ids_M, tables, begins, counts, lasts - 1)
            rows.ids[slots, ends] = logits_NV.argmax(-1).cpu().numpy()
            begins, ends = ends, ends + 1
        rows.drafted[slots] = begins
        rows.guessed[slots] = most

    def learn(self, rows: Rows, slot: int, right: int) -> None:
        rows.drafted[slot] = min(rows.drafted[slot], rows.known[slot] + right)

    def forget(self) -> None:
        self._reader.refresh()


def check_draft(draft: Transformer, model: Transformer) -> None:
    """Raises InputError for a draft whose tokens are not the model's."""
    if draft.config.vocab_size != model.config.vocab_size:
        what = f"the draft has {draft.config.vocab_size:,} tokens and the model {model.config.vocab_size:,}"
        raise InputError(what, where="the draft", fix="use one trained with the model's tokenizer")


def looked_up(ids: np.ndarray, most: int) -> np.ndarray:
    """Up to `most` tokens that followed the longest end of `ids` that stands in it before, where it last did."""
    for size in range(LONGEST, SHORTEST - 1, -1):
        if len(ids) <= size:
            continue
        places = np.flatnonzero(ids[size - 1 : -1] == ids[-1])
        for back in range(1, size):
            places = places[ids[places + size - 1 - back] == ids[-1 - back]]
        if len(places):
            begin = int(places[-1]) + size
            return ids[begin : begin + most]
    return ids[:0]
