"""How often each source is read: weights to passes through it, passes to the sequences of every group."""

from __future__ import annotations

import numpy as np

from hornbook.core.seeds import derive
from hornbook.tokens.order import GROUP
from hornbook.tokens.permutation import permuted

_POINT = 32  # binary places of what is kept in fixed point, so that every machine counts alike


def passes_within(
    horizon: float, sizes: np.ndarray, gains: np.ndarray, weights: np.ndarray, most: np.ndarray
) -> np.ndarray:
    """How many times each of S sources is read in `horizon` tokens, as (S,) float64.

    A pass through source i takes `sizes[i]` tokens, of which `gains[i]` are learned. The parts that sources have of
    what is learned are as `weights`, where no source is read more than `most[i]` times (inf where nothing bounds it);
    what a bound leaves free goes to the others by weight. Where all are bounded and too small the horizon is not
    filled.
    """
    rates = weights / gains
    passes, free, left = np.zeros(len(sizes)), weights > 0, float(horizon)
    while free.any():
        wanted = rates * (left / (rates[free] @ sizes[free]))
        over = free & (wanted > most)
        if not over.any():
            passes[free] = wanted[free]
            break
        passes[over] = most[over]  # once over, it stays so: what it leaves free only raises the others
        left -= most[over] @ sizes[over]
        free &= ~over
    return passes


class Mixture:
    """An `Order` in which each source is read as often as `passes` say, relative to one another.

    `sources[i]` is the source of sequence i, below 0 where it is left out. Every group is the mixture in small: the
    next few of each source, in a keyed order of the source's own that begins anew, and shuffled anew, when all of it
    was read. So the sequences of a source are read equally often, but for one, and a source of which a group holds less
    than one sequence comes in every so many groups. No sequence is read more than `most` times (inf: without end) as
    long as there is another to read; when all were, everything is read again from the beginning.

    An epoch is a group, of as many sequences as there are, GROUP at most.
    """

    groups = 1

    def __init__(self, sources: np.ndarray, passes: np.ndarray, most: np.ndarray, seed: int):
        self.seed = seed
        self._names = [int(source) for source in np.flatnonzero(passes)]
        self._sequences = [np.flatnonzero(sources == source) for source in self._names]
        counts = np.array([len(own) for own in self._sequences])
        read = passes[self._names] * counts
        steps = min(GROUP, int(counts.sum())) * read / read.sum()
        self._steps = [max(1, int(step * (1 << _POINT))) for step in steps]
        self._phases = [derive(seed, "mixture", name) % (1 << _POINT) for name in self._names]
        ends = np.floor(most[self._names] * counts)
        self._ends = [int(end) if np.isfinite(end) else None for end in ends]
        self._turn = max(map(self._groups_to, range(len(self._names)))) if None not in self._ends else None

    def members(self, epoch: int, group: int) -> np.ndarray:
        """The sequences of group number `epoch`, as int64."""
        turn, number = divmod(epoch, self._turn) if self._turn else (0, epoch)
        found = [self._of_source(index, turn, number) for index in range(len(self._names))]
        together = np.concatenate(found)
        return together[permuted(np.arange(len(together)), len(together), self.seed, "mixture", epoch)]

    def _of_source(self, index: int, turn: int, number: int) -> np.ndarray:
        own, name = self._sequences[index], self._names[index]
        places = np.arange(self._place(index, number), self._place(index, number + 1))
        through = places // len(own)
        found = [
            permuted(places[through == each] % len(own), len(own), self.seed, "mixture", name, turn, int(each))
            for each in np.unique(through)
        ]
        return own[np.concatenate(found)] if found else np.zeros(0, np.int64)

    def _place(self, index: int, number: int) -> int:
        """How many sequences of the source the first `number` groups of a turn hold."""
        place = number * self._steps[index] + self._phases[index] >> _POINT
        end = self._ends[index]
        return place if end is None else min(place, end)

    def _groups_to(self, index: int) -> int:
        """The groups that hold all of the source that may be read."""
        return -(-((self._ends[index] or 0) * (1 << _POINT) - self._phases[index]) // self._steps[index])
