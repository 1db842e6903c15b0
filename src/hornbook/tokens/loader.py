"""The data loader: sequences to an endless stream of full batches, whose place in the stream is one integer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from hornbook.core.errors import InputError
from hornbook.tokens.batch import Batch
from hornbook.tokens.packing import Piece, best_fit
from hornbook.tokens.permutation import permuted

GROUP = 8192  # sequences packed together: enough that rows fill, few enough that packing them takes milliseconds


class Sequences(Protocol):
    """Anything with a length that gives the token ids of each index: `TokenShards`, a list of arrays."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sequence[int] | np.ndarray: ...


class PackedBatches:
    """Batches of (rows, window) from `sequences`, for pretraining and fine-tuning alike.

    Every token but a sequence's first is predicted once an epoch, from what stands before it in its piece; the token
    after a cut is the target at the cut's end, so no loss is lost. `weights[i][j]` is the weight of predicting
    `sequences[i][j]` (1 everywhere when None). Each epoch reads the sequences in another order, a keyed permutation of
    (seed, epoch), and packs them anew. Rows run on from epoch to epoch; only the last batch of the last epoch may hold
    empty rows. With `epochs=None` there is no last.

    `cursor` counts the batches given so far: set to a value it once had, here or in a new object, the same next batch
    comes again.
    Raises InputError when no sequence has two tokens, for there is nothing to predict.
    """

    def __init__(
        self, sequences: Sequences, weights: Sequence[Sequence[float]] | None, *,
        window: int, rows: int, seed: int, epochs: int | None = None, cursor: int = 0,
    ):
        self.sequences, self.weights = sequences, weights
        self.window, self.rows, self.seed, self.epochs = window, rows, seed, epochs
        lengths = getattr(sequences, "lengths", None)
        if lengths is None:
            lengths = [len(sequences[index]) for index in range(len(sequences))]
        self._predictions = np.maximum(np.asarray(lengths, np.int64) - 1, 0)
        if not self._predictions.any():
            raise InputError("there is nothing to learn from: no text has two tokens", fix="bring more text")
        self.cursor = cursor

    @property
    def cursor(self) -> int:
        return self._cursor

    @cursor.setter
    def cursor(self, batches: int) -> None:
        self._cursor = batches
        self._stream: Iterator[list[Piece]] | None = None

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        if self._stream is None:
            self._stream = self._rows(skip=self._cursor * self.rows)
        taken = [row for _, row in zip(range(self.rows), self._stream, strict=False)]
        if not taken:
            raise StopIteration
        self._cursor += 1
        return self._batch(taken)

    def epoch_batches(self) -> float:
        """How many batches the first epoch fills: what a horizon in epochs is reckoned from."""
        groups = range(0, len(self._predictions), GROUP)
        return sum(len(self._packed(0, start)[0]) for start in groups) / self.rows

    def _rows(self, skip: int) -> Iterator[list[Piece]]:
        """The stream of rows from the place `skip` on. What is skipped is packed, which is quick, but never read."""
        epoch = 0
        while self.epochs is None or epoch < self.epochs:
            for start in range(0, len(self._predictions), GROUP):
                packed, members = self._packed(epoch, start)
                if skip >= len(packed):
                    skip -= len(packed)
                    continue
                order = permuted(np.arange(skip, len(packed)), len(packed), self.seed, "rows", epoch, start)
                skip = 0
                for row in order:
                    yield [Piece(int(members[piece.sequence]), piece.start, piece.end) for piece in packed[row]]
            epoch += 1

    def _packed(self, epoch: int, start: int) -> tuple[list[list[Piece]], np.ndarray]:
        """The packed rows of one group of an epoch, and the sequences its pieces count from."""
        count = len(self._predictions)
        members = permuted(np.arange(start, min(start + GROUP, count)), count, self.seed, "sequences", epoch)
        return best_fit(self._predictions[members].tolist(), self.window), members

    def _batch(self, rows: list[list[Piece]]) -> Batch:
        batch = Batch.empty(self.rows, self.window)
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
