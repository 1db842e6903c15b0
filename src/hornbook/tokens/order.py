"""In which order sequences are read: group after group, for ever, each group found at once from its number."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from hornbook.tokens.permutation import permuted

GROUP = 8192  # sequences packed together: enough that rows fill, few enough that packing them takes milliseconds


class Order(Protocol):
    """What a stream of sequences holds. An epoch is `groups` groups; the next one is another throw of the dice."""

    groups: int

    def members(self, epoch: int, group: int) -> np.ndarray:
        """The sequences of one group of an epoch, as int64."""
        ...


class Shuffled:
    """Every one of `count` sequences once an epoch, by a keyed permutation of (seed, epoch)."""

    def __init__(self, count: int, seed: int):
        self.count, self.seed = count, seed
        self.groups = -(-count // GROUP)

    def members(self, epoch: int, group: int) -> np.ndarray:
        places = np.arange(group * GROUP, min((group + 1) * GROUP, self.count))
        return permuted(places, self.count, self.seed, "sequences", epoch)
