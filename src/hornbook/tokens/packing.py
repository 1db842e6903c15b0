"""Best-fit packing: documents side by side in rows of one length, little left empty, nothing thrown away.

Source: Ding et al. 2024, "Fewer truncations improve language modeling" (best-fit decreasing over pieces).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Piece(NamedTuple):
    """Places `start` to `end` (without it) of the sequence with that index."""

    sequence: int
    start: int
    end: int


def best_fit(lengths: Sequence[int], window: int) -> list[list[Piece]]:
    """Rows of at most `window` places that hold every place of every sequence once.

    A sequence longer than the window is cut at its multiples and each part placed by itself; empty ones take no place.
    The longest piece goes first, each into the fullest row that still holds it. Ties fall by order, so the answer is a
    function of the lengths alone. Takes about a microsecond a piece whatever the number of rows.
    """
    pieces = [
        Piece(index, start, min(start + window, length))
        for index, length in enumerate(lengths)
        for start in range(0, int(length), window)
    ]
    pieces.sort(key=lambda piece: piece.start - piece.end)  # stable: the longest first, else as they came
    rows: list[list[Piece]] = []
    rows_by_room: list[list[int]] = [[] for _ in range(window + 1)]
    rooms = 0  # bit r is set where some row has room for r more, so the best fit is one shift and the lowest bit
    for piece in pieces:
        length = piece.end - piece.start
        fitting = rooms >> length
        if fitting:
            room = length + (fitting & -fitting).bit_length() - 1
            row = rows_by_room[room].pop()
            if not rows_by_room[room]:
                rooms ^= 1 << room
            rows[row].append(piece)
        else:
            room, row = window, len(rows)
            rows.append([piece])
        left = room - length
        if left:
            rows_by_room[left].append(row)
            rooms |= 1 << left
    return rows
