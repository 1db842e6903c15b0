"""Made-up sequences that repeat themselves: what a model learns to copy on before it reads.

To find again what was said before is what open books, names and "thinking" rest on (induction heads, Olsson et al.
2022, arXiv:2209.11895). A model that sees a billion tokens learns it by the way; one that sees two million never does,
and remembers instead. Here nothing can be remembered, so that a few hundred thousand tokens teach it. Source of the
idea: pre-pretraining on formal languages (Hu et al. 2025, arXiv:2502.19249).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hornbook.core.errors import InputError
from hornbook.core.seeds import derive
from hornbook.tokens.batch import Batch
from hornbook.tokens.loader import Sequences

SHORTEST, LONGEST, TIMES = 6, 24, 4  # tokens of a sequence, and how often it is said
COUNTED = 1 << 20  # tokens of the text that are enough to know how common each is


class Copies:
    """A stream of batches of (rows, window), until somebody says that it is `finished`. Tokens are drawn by themselves,
    as often as `sequences` have them; the first saying of each sequence weighs nothing, for it cannot be foretold.

    `cursor` is how many batches were given and whether that was enough; each is made from (seed, its number) alone.
    Raises InputError where the texts hold no token.
    """

    def __init__(self, sequences: Sequences, *, window: int, rows: int, seed: int):
        self.window, self.rows, self.seed = window, rows, seed
        self.given, self.finished = 0, False
        self._pool = _some_tokens(sequences)

    @property
    def cursor(self) -> list[int]:
        return [self.given, int(self.finished)]

    @cursor.setter
    def cursor(self, cursor: Sequence[int]) -> None:
        self.given, self.finished = cursor[0], bool(cursor[1])

    def __iter__(self) -> Copies:
        return self

    def __next__(self) -> Batch:
        if self.finished:
            raise StopIteration
        random = np.random.default_rng(derive(self.seed, "copies", self.given))
        self.given += 1
        batch = Batch.empty(self.rows, self.window)
        for row in range(self.rows):
            at = document = 0
            while at < self.window:
                length = int(random.integers(SHORTEST, LONGEST + 1))
                said = np.tile(self._pool[random.integers(0, len(self._pool), length)], TIMES)
                places = np.arange(min(len(said) - 1, self.window - at), dtype=np.int32)
                span = slice(at, at + len(places))
                batch.ids_BT[row, span], batch.targets_BT[row, span] = said[places], said[places + 1]
                batch.positions_BT[row, span], batch.documents_BT[row, span] = places, document
                batch.weights_BT[row, span] = places + 1 >= length
                at, document = at + len(places), document + 1
        return batch


def _some_tokens(sequences: Sequences) -> np.ndarray:
    """The tokens of the first texts, as many as are enough."""
    parts, count = [], 0
    for index in range(len(sequences)):
        parts.append(np.asarray(sequences[index], np.int64))
        count += len(parts[-1])
        if count >= COUNTED:
            break
    if not count:
        raise InputError("there is nothing to learn from: no text has a token", fix="bring more text")
    return np.concatenate(parts)
