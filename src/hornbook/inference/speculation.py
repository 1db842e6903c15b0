"""Guesses at what follows, tried several at a time: the answer is what it would have been, in fewer steps where they
are right.

Each guess is kept only where the model, asked at that very place with that place's own draw, says the same
(arXiv:2211.17192, in its exact form for one draw a place).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from hornbook.inference.rows import Rows

LONGEST, SHORTEST = 3, 2  # tokens that must be the same for what followed them to be a guess
MOST_FAILED = 5  # so that a text is tried again after 32 steps at the latest
FEW = 16  # tokens of a step: so many cost little more than one where reading the weights is what takes the time


class Guesser(Protocol):
    """What the batcher asks before each step."""

    def guess(self, rows: Rows, count: int) -> None:
        """Write guesses behind what is known of the first `count` rows, and how many into `rows.guessed`."""
        ...

    def learn(self, rows: Rows, slot: int, right: int) -> None:
        """Of the guesses in this row so many were right."""
        ...


class Lookup:
    """What followed the last tokens when they last stood in the text (prompt lookup; LLMA, arXiv:2304.04487).

    At most `most` tokens. A text whose guesses fail is left alone for a while, twice as long each time.
    """

    def __init__(self, most: int):
        self.most = most

    def guess(self, rows: Rows, count: int) -> None:
        most = min(self.most, FEW // count - 1)
        if most < 1:
            return
        ready = (rows.length[:count] == rows.known[:count] - 1) & ~rows.shaped[:count] & (rows.resting[:count] <= 0)
        rows.resting[:count] -= 1
        for slot in np.flatnonzero(ready):
            known = int(rows.known[slot])
            room = min(most, int(rows.most[slot]) - known - 1)
            found = looked_up(rows.ids[slot, :known], room)
            rows.ids[slot, known : known + len(found)] = found
            rows.guessed[slot] = len(found)

    def learn(self, rows: Rows, slot: int, right: int) -> None:
        rows.failed[slot] = 0 if right else min(rows.failed[slot] + 1, MOST_FAILED)
        rows.resting[slot] = 0 if right else 1 << int(rows.failed[slot])


def looked_up(ids: np.ndarray, most: int) -> np.ndarray:
    """Up to `most` tokens that followed the longest end of `ids` that stands in it before, where it last did."""
    for size in range(LONGEST, SHORTEST - 1, -1):
        if most < 1 or len(ids) <= size:
            continue
        places = np.flatnonzero(ids[size - 1 : -1] == ids[-1])
        for back in range(1, size):
            places = places[ids[places + size - 1 - back] == ids[-1 - back]]
        if len(places):
            begin = int(places[-1]) + size
            return ids[begin : begin + most]
    return ids[:0]
