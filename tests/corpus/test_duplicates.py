from __future__ import annotations

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.corpus.duplicates import Shingles, find_copies, signatures, verified_pairs

WORDS = [f"w{number}" for number in range(400)]


def text(rng: random.Random, words: int = 120) -> list[str]:
    return [rng.choice(WORDS) for _ in range(words)]


def changed(rng: random.Random, words: list[str], share: float) -> list[str]:
    return [rng.choice(WORDS) if rng.random() < share else word for word in words]


def first(index: int) -> tuple:
    return (index,)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from("abcd"), max_size=30), st.lists(st.sampled_from("abcd"), max_size=30))
def test_jaccard_is_that_of_the_sets(a: list[str], b: list[str]) -> None:
    def grams(words: list[str]) -> set[tuple[str, ...]]:
        return {tuple(words[i : i + 5]) for i in range(max(len(words) - 4, 1))} if words else set()

    shared, union = grams(a) & grams(b), grams(a) | grams(b)
    expected = len(shared) / len(union) if union else 0.0
    assert Shingles([a, b]).jaccard(0, 1) == expected


def test_signatures_estimate_the_similarity() -> None:
    rng = random.Random(0)
    original = text(rng, 2000)
    shingles = Shingles([original, changed(rng, original, 0.03)])
    a, b = signatures(shingles, 128, 8)
    assert abs(float(np.mean(a == b)) - shingles.jaccard(0, 1)) < 0.05


def test_pairs_equal_all_pairs_by_exact_comparison() -> None:
    rng = random.Random(1)
    documents = [text(rng) for _ in range(60)]
    documents += [changed(rng, documents[n], 0.01 + 0.002 * n) for n in range(40)]
    shingles = Shingles(documents)
    every = [(a, b) for a in range(100) for b in range(a + 1, 100) if shingles.jaccard(a, b) >= 0.6]
    assert verified_pairs(shingles, 0.6) == every


def test_copies_and_who_is_kept() -> None:
    rng = random.Random(2)
    one, two = text(rng), text(rng)
    texts = [" ".join(one), " ".join(changed(rng, one, 0.03)), " ".join(two), " ".join(two).upper() + "!", "short text"]
    copies = find_copies(texts, lambda index: (-index,))
    assert [(copy.index, copy.of, copy.exact) for copy in copies] == [(0, 1, False), (2, 3, True)]
    assert find_copies([], first) == []
    assert [copy.index for copy in find_copies(["", "", "a"], first)] == [1]


def test_a_chain_of_copies_is_one_group() -> None:
    rng = random.Random(3)
    chain = [text(rng, 400)]
    for _ in range(5):
        chain.append(changed(rng, chain[-1], 0.03))
    shingles = Shingles(chain)
    assert shingles.jaccard(0, 5) < 0.45 < shingles.jaccard(0, 1)
    assert {copy.of for copy in find_copies([" ".join(words) for words in chain], first)} == {0}


def test_pages_of_one_template_are_not_merged() -> None:
    rng = random.Random(4)
    frame = [" ".join(text(rng, 12)) for _ in range(8)]
    pages = [" ".join(f"{sentence} {' '.join(text(rng, 9))}." for sentence in frame) for _ in range(40)]
    assert find_copies(pages, first) == []


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(alphabet="ab \n.", max_size=40), max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_the_texts_does_not_matter(texts: list[str], rng: random.Random) -> None:
    order = list(range(len(texts)))
    rng.shuffle(order)
    there = {(c.index, c.of) for c in find_copies(texts, lambda index: (texts[index], index))}
    back = {(order[c.index], order[c.of]) for c in
            find_copies([texts[i] for i in order], lambda index: (texts[order[index]], order[index]))}  # fmt: skip
    assert there == back
