"""Groups out of pairs: the connected components of a graph, joined edge by edge."""

from __future__ import annotations

import numpy as np


class Components:
    """A union-find over 0 … count - 1 that holds eight bytes an element. Source: Tarjan, van Leeuwen 1984 (halving).

    The root of a component is its least element, so the result does not hang on the order of the edges.
    """

    def __init__(self, count: int):
        self._parents = np.arange(count)
        self._flat = True  # every parent is a root

    def join(self, one: int, other: int) -> bool:
        """Connect two elements; whether they were apart before."""
        one, other = self._root(one), self._root(other)
        self._parents[max(one, other)] = min(one, other)
        self._flat = False
        return one != other

    def together(self, one: int, other: int) -> bool:
        """Whether two elements are in one component."""
        return self._root(one) == self._root(other)

    def roots(self, elements: np.ndarray) -> np.ndarray:
        """The root of each element's component."""
        while not self._flat:
            above = self._parents[self._parents]  # every way to a root is half as long
            self._flat = np.array_equal(above, self._parents)
            self._parents = above
        return self._parents[elements]

    def groups(self) -> list[np.ndarray]:
        """The components of two elements or more, each sorted, by their least elements."""
        roots = self.roots(np.arange(len(self._parents)))
        order = np.argsort(roots, kind="stable")
        borders = np.flatnonzero(roots[order][1:] != roots[order][:-1]) + 1
        return [group for group in np.split(order, borders) if len(group) > 1]

    def _root(self, element: int) -> int:
        parents = self._parents
        while parents[element] != element:
            parents[element] = parents[parents[element]]
            element = parents[element]
        return int(element)
