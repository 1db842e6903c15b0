"""What one training step reads, in numpy."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Batch:
    """Rows of the same length, each holding one document or several side by side.

    ids_BT:       int64, the tokens the model reads; 0 where there is nothing.
    targets_BT:   int64, the token that follows in the same document; 0 where there is none, with weight 0.
    positions_BT: int32, 0 at each document's first token here, and on by one.
    documents_BT: int32, which document of its row a token is of: only tokens of one document attend to each other.
                  -1 where there is nothing.
    weights_BT:   float32, the weight of predicting `targets_BT` at that place.
    extra:        what an objective needs beside, by name.
    counts:       what an objective divides by beside its weight, by name: of a mean within a sum. `fit` puts those of
                  the whole step in the place of each batch's own.
    """

    ids_BT: np.ndarray
    targets_BT: np.ndarray
    positions_BT: np.ndarray
    documents_BT: np.ndarray
    weights_BT: np.ndarray
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)

    @classmethod
    def empty(cls, rows: int, window: int) -> Batch:
        """A batch of (rows, window) that holds nothing yet."""
        shape = (rows, window)
        return cls(
            ids_BT=np.zeros(shape, np.int64),
            targets_BT=np.zeros(shape, np.int64),
            positions_BT=np.zeros(shape, np.int32),
            documents_BT=np.full(shape, -1, np.int32),
            weights_BT=np.zeros(shape, np.float32),
        )
