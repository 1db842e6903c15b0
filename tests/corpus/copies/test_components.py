from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.corpus.copies.components import Components

PAIRS = st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=40)


def plain(pairs: list[tuple[int, int]]) -> list[list[int]]:
    groups = [{element} for element in range(30)]
    for one, other in pairs:
        groups[one] |= groups[other]
        for element in groups[one]:
            groups[element] = groups[one]
    return sorted({tuple(sorted(group)) for group in groups if len(group) > 1})


@settings(max_examples=200)
@given(PAIRS, st.randoms(use_true_random=False))
def test_components_are_those_of_the_graph(pairs: list[tuple[int, int]], rng) -> None:
    components = Components(30)
    joined = sum(components.join(*pair) for pair in pairs)
    groups = [tuple(group.tolist()) for group in components.groups()]
    assert groups == plain(pairs)
    assert joined == sum(len(group) - 1 for group in groups)
    roots = components.roots(np.arange(30))
    assert all(components.together(one, other) == (roots[one] == roots[other]) for one in range(30) for other in (0, 7))
    assert {min(group) for group in groups} == {int(roots[element]) for group in groups for element in group}
    other = Components(30)
    for pair in rng.sample(pairs, len(pairs)):
        other.join(*pair[::-1])
    assert other.roots(np.arange(30)).tolist() == roots.tolist()


def test_against_scipy() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    pairs = np.random.default_rng(0).integers(0, 3000, (2500, 2))
    components = Components(3000)
    for one, other in pairs.tolist():
        components.join(one, other)
    graph = sparse.coo_matrix((np.ones(len(pairs)), pairs.T), shape=(3000, 3000))
    count, labels = sparse.csgraph.connected_components(graph, directed=False)
    roots = components.roots(np.arange(3000))
    assert len(set(zip(roots.tolist(), labels.tolist(), strict=True))) == count == len(set(roots.tolist()))


def test_a_long_chain() -> None:
    components = Components(200_000)
    for element in range(199_999, 0, -1):
        components.join(element, element - 1)
    assert len(components.groups()) == 1
