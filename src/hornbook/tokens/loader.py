"""The data loader: sequences to an endless stream of full batches, whose place in the stream is one integer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Protocol

import numpy as np

from hornbook.core.errors import InputError
from hornbook.tokens.batch import Batch
from hornbook.tokens.order import GROUP, Order, Shuffled
from hornbook.tokens.packing import Piece, best_fit
from hornbook.tokens.permutation import permuted

ROWS = 1 << 32  # more than a group ever packs into


class Sequences(Protocol):
    """Anything with a length that gives the token ids of each index: `TokenShards`, a list of arrays."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sequence[int] | np.ndarray: ...


class PackedBatches:
    """Batches of (rows, window) from `sequences`, for pretraining and fine-tuning alike.

    Every token but a sequence's first is predicted once an epoch, from what stands before it in its piece; the token
    after a cut is the target at the cut's end, so no loss is lost. `weights[i][j]` is the weight of predicting
    `sequences[i][j]` (1 everywhere when None). Each epoch reads the sequences in another order, a keyed permutation of
    (seed, epoch), and packs them anew; with another `order`, such as a `Mixture`, an epoch holds what that says.
    Rows run on from epoch to epoch; only the last batch of the last epoch may hold empty rows. With `epochs=None` there
    is no last.

    Of `world` processes the one of number `rank` is given its share of every batch, rows / world rows: put together in
    the order of the ranks they are the batch that one process alone would be given. So a run may go on with more or
    fewer processes and see the same samples in the same order.

    `cursor` is a place in the stream, the same for all ranks: set to a value it once had, here or in a new object, the
    same next batch comes again, at the cost of packing one group. It tells a group of GROUP sequences (counted on
    from epoch to epoch) and a row of it: group * 2**32 + row.
    Raises InputError when no sequence has two tokens, for there is nothing to predict.
    """

    def __init__(
        self, sequences: Sequences, weights: Sequence[Sequence[float]] | None, *,
        window: int, rows: int, seed: int, epochs: int | None = None, cursor: int = 0, rank: int = 0, world: int = 1,
        order: Order | None = None,
    ):
        if rows % world or not 0 <= rank < world:
            raise ValueError(f"{rows} rows cannot be shared by {world} processes, of which this is number {rank}")
        self.sequences, self.weights = sequences, weights
        self.window, self.rows, self.seed, self.epochs = window, rows, seed, epochs
        self.rank, self.world = rank, world
        self.order = order or Shuffled(len(sequences), seed)
        self._predictions = predictions(sequences)
        if not self._predictions.any():
            raise InputError("there is nothing to learn from: no text has two tokens", fix="bring more text")
        self.cursor = cursor

    @property
    def cursor(self) -> int:
        return self._cursor

    @cursor.setter
    def cursor(self, place: int) -> None:
        self._cursor = place
        self._stream: Iterator[tuple[int, list[Piece]]] | None = None

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        if self._stream is None:
            self._stream = self._rows(*divmod(self._cursor, ROWS))
        taken = list(islice(self._stream, self.rows))
        if not taken:
            raise StopIteration
        self._cursor = taken[-1][0]
        share = self.rows // self.world
        return self._batch([row for _, row in taken[self.rank * share : (self.rank + 1) * share]], share)

    def epoch_batches(self) -> float:
        """How many batches the first epoch fills: what a horizon in epochs is reckoned from."""
        return sum(len(self._packed(0, group)[0]) for group in range(self.order.groups)) / self.rows

    def _rows(self, group: int, row: int) -> Iterator[tuple[int, list[Piece]]]:
        """The rows of the stream from that place on, each with the cursor that stands after it."""
        while self.epochs is None or group < self.epochs * self.order.groups:
            epoch, number = divmod(group, self.order.groups)
            packed, members = self._packed(epoch, number)
            order = permuted(np.arange(row, len(packed)), len(packed), self.seed, "rows", epoch, number * GROUP)
            for place, chosen in enumerate(order, row + 1):
                pieces = [Piece(int(members[piece.sequence]), piece.start, piece.end) for piece in packed[chosen]]
                yield group * ROWS + place, pieces
            group, row = group + 1, 0

    def _packed(self, epoch: int, group: int) -> tuple[list[list[Piece]], np.ndarray]:
        """The packed rows of one group of an epoch, and the sequences its pieces count from."""
        members = self.order.members(epoch, group)
        return best_fit(self._predictions[members].tolist(), self.window), members

    def _batch(self, rows: list[list[Piece]], share: int) -> Batch:
        batch = Batch.empty(share, self.window)
        places = np.arange(self.window, dtype=np.int32)
        for row, pieces in enumerate(rows):
            at = 0
            for document, (sequence, start, end) in enumerate(pieces):
                length = end - start
                span = slice(at, at + length)
                ids = np.asarray(self.sequences[sequence][start : end + 1])
                batch.ids_BT[row, span] = ids[:-1]
                batch.targets_BT[row, span] = ids[1:]
                batch.positions_BT[row, span] = places[:length]
                batch.documents_BT[row, span] = document
                weights = 1.0 if self.weights is None else self.weights[sequence][start + 1 : end + 1]
                batch.weights_BT[row, span] = weights
                at += length
        return batch


def predictions(sequences: Sequences) -> np.ndarray:
    """How many tokens of each sequence are predicted: all but its first."""
    lengths = getattr(sequences, "lengths", None)
    if lengths is None:
        lengths = [len(sequences[index]) for index in range(len(sequences))]
    return np.maximum(np.asarray(lengths, np.int64) - 1, 0)
