from __future__ import annotations

import random

import pytest

from hornbook.core.errors import InputError
from hornbook.corpus.copies.earlier import find_earlier_copies
from hornbook.corpus.copies.minhash import bands_for, sign
from hornbook.corpus.copies.shingles import jaccard, shingle_sets
from tests.corpus.copies.test_duplicates import changed, text


@pytest.mark.parametrize("threshold", [0.45, 0.75])
def test_copies_of_documents_whose_texts_are_gone(threshold: float) -> None:
    rng = random.Random(0)
    bands = bands_for(threshold)
    earlier = [text(rng, 300) for _ in range(300)]
    new = [text(rng, 300) for _ in range(50)]
    near = [changed(rng, page, 0.01) for page in earlier[:50]]
    far = [changed(rng, page, 0.12) for page in earlier[50:100]]
    pages = [" ".join(page) for page in [*new, *near, *far, *earlier[100:150]]]
    before = [" ".join(page) for page in earlier]
    found = {copy.index: copy for copy in find_earlier_copies(sign(pages, *bands), sign(before, *bands))}
    sets, theirs = shingle_sets(pages), shingle_sets(before)
    assert [found[index].of for index in range(150, 200)] == list(range(100, 150))
    assert all(found[index].exact for index in range(150, 200))
    assert all(copy.exact == (pages[index] == before[copy.of]) for index, copy in found.items())
    assert not set(found) & {*range(50), *range(100, 150)}  # 0.3 alike: one threshold would have to be looked at
    close = [index for index in range(50, 100) if jaccard(sets[index], theirs[index - 50]) > 0.88]
    assert len(close) > 20
    assert sum(index in found for index in close) >= 0.95 * len(close)
    for index in set(found) & set(range(50, 100)):
        assert found[index].of == index - 50
        assert abs(found[index].similarity - jaccard(sets[index], theirs[index - 50])) < 0.15


def test_nothing_before_and_nothing_now() -> None:
    assert find_earlier_copies(sign(["a b c"], 22, 8), sign([], 22, 8)) == []
    assert find_earlier_copies(sign([], 22, 8), sign(["a b c"], 22, 8)) == []
    assert [copy.of for copy in find_earlier_copies(sign(["", "x"], 22, 8), sign(["y", "", ""], 22, 8))] == [1]
    with pytest.raises(InputError, match="same threshold"):
        find_earlier_copies(sign([""], 22, 8), sign([""], 14, 8))
