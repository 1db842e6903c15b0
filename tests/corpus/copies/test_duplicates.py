from __future__ import annotations

import random
from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.corpus.copies.duplicates import Copy, find_copies, find_signed_copies, link
from hornbook.corpus.copies.minhash import Signatures, bands_for, candidates, sign
from hornbook.corpus.copies.shingles import jaccard, shingle_sets
from tests.corpus.copies.test_components import plain as components_of

WORDS = [f"w{number}" for number in range(400)]
BAD = ["", " ", "\0", "\0" * 999, "x", "x y", "\ud800", "a\ud800 b \udfff", "。", "\u202e\u0301" * 50, "漢字"]


def text(rng: random.Random, words: int = 120) -> list[str]:
    return [rng.choice(WORDS) for _ in range(words)]


def changed(rng: random.Random, words: list[str], share: float) -> list[str]:
    return [rng.choice(WORDS) if rng.random() < share else word for word in words]


def first(index: int) -> tuple:
    return (index,)


class Reader:
    """Gives texts by index, and counts them."""

    def __init__(self, texts: list[str]):
        self.texts, self.read, self.most = texts, 0, 0

    def __call__(self, indices) -> list[str]:
        assert list(indices) == sorted(set(indices))
        self.read += len(indices)
        self.most = max(self.most, len(indices))
        return [self.texts[index] for index in indices]


def test_groups_equal_all_pairs_by_exact_comparison() -> None:
    rng = random.Random(1)
    documents = [text(rng) for _ in range(20)]
    documents += [changed(rng, documents[n % 7], 0.01 + 0.008 * n) for n in range(10)]
    texts = [" ".join(words) for words in documents]
    sets = shingle_sets(texts)
    pairs = [(a, b) for a, b in combinations(range(30), 2) if jaccard(sets[a], sets[b]) >= 0.6]
    signatures = sign(texts, *bands_for(0.45))  # more are proposed than wanted: all that are wanted are among them
    links = link(candidates(signatures.keys), signatures.words, Reader(texts), 0.6)
    assert [tuple(group.tolist()) for group in links.components.groups()] == components_of(pairs)
    assert len(links.pairs) == sum(len(group) - 1 for group in links.components.groups())
    for (a, b), similarity in zip(links.pairs.tolist(), links.similarities, strict=True):
        assert a < b
        assert jaccard(sets[a], sets[b]) == similarity >= 0.6


def test_copies_and_who_is_kept() -> None:
    rng = random.Random(2)
    one, two = text(rng), text(rng)
    texts = [" ".join(one), " ".join(changed(rng, one, 0.03)), " ".join(two), " ".join(two).upper() + "!", "short text"]
    copies = find_copies(texts, lambda index: (-index,))
    assert [(copy.index, copy.of, copy.exact) for copy in copies] == [(0, 1, False), (2, 3, True)]
    assert copies[0].similarity == round(jaccard(*shingle_sets(texts[:2])), 4)
    assert find_copies([], first) == []
    assert find_copies(["", "", "a"], first) == [Copy(1, 0, 1.0, True)]


def test_an_exact_copy_and_a_near_one_of_the_same_page() -> None:
    rng = random.Random(5)
    page = text(rng)
    texts = [" ".join(changed(rng, page, 0.03)), " ".join(page), " ".join(page)]
    found = find_copies(texts, first)
    assert [(copy.index, copy.of, copy.exact) for copy in found] == [(1, 0, False), (2, 1, True)]


def test_a_chain_of_copies_is_one_group() -> None:
    rng = random.Random(3)
    chain = [text(rng, 400)]
    for _ in range(5):
        chain.append(changed(rng, chain[-1], 0.03))
    texts = [" ".join(words) for words in chain]
    sets = shingle_sets(texts)
    assert jaccard(sets[0], sets[5]) < 0.45 < jaccard(sets[0], sets[1])
    found = find_copies(texts, first)
    assert {copy.of for copy in found} == {0}
    assert [copy.similarity for copy in found] == [round(jaccard(sets[0], own), 4) for own in sets[1:]]


def test_pages_of_one_template_are_not_merged() -> None:
    rng = random.Random(4)
    frame = [" ".join(text(rng, 12)) for _ in range(8)]
    pages = [" ".join(f"{sentence} {' '.join(text(rng, 9))}." for sentence in frame) for _ in range(40)]
    assert find_copies(pages, first) == []


@settings(max_examples=30)
@given(st.lists(st.text(alphabet="ab \n.", max_size=40), max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_the_texts_does_not_matter(texts: list[str], rng: random.Random) -> None:
    order = list(range(len(texts)))
    rng.shuffle(order)
    there = {(c.index, c.of) for c in find_copies(texts, lambda index: (texts[index], index))}
    back = {(order[c.index], order[c.of]) for c in
            find_copies([texts[i] for i in order], lambda index: (texts[order[index]], order[index]))}  # fmt: skip
    assert there == back


@settings(max_examples=30)
@given(st.lists(st.text(st.characters(exclude_categories=()), max_size=30) | st.sampled_from(BAD), max_size=12),
       st.integers(0, 12))  # fmt: skip
def test_any_text_in_any_shards(texts: list[str], cut: int) -> None:
    bands, rows = bands_for(0.45)
    parts = Signatures.joined([sign(part, bands, rows) for part in (texts[:cut], texts[cut:])], len(texts))
    whole = find_copies(texts, first)
    assert find_signed_copies(parts, Reader(texts), first) == whole
    kept = [index for index in range(len(texts)) if index not in {copy.index for copy in whole}]
    assert find_copies([texts[index] for index in kept], first) == []


def test_pairs_from_elsewhere_give_the_same_copies() -> None:
    rng = random.Random(6)
    pages = [text(rng) for _ in range(30)]
    texts = [" ".join(page) for page in [*pages, *[changed(rng, page, 0.02) for page in pages[:10]], *pages[:5]]]
    signatures = sign(texts, *bands_for(0.45))
    grouped = [np.array([[b, a]]) for a, b in combinations(range(len(texts)), 2)
               if set(signatures.keys[a].tolist()) & set(signatures.keys[b].tolist())]  # fmt: skip
    rng.shuffle(grouped)
    here = find_signed_copies(signatures, Reader(texts), first)
    assert len(here) == 15
    assert find_signed_copies(signatures, Reader(texts), first, pairs=grouped) == here


def test_a_site_of_equal_pages_is_never_read_again() -> None:
    texts = ["The same page, word for word, over and over again."] * 20_000
    reader = Reader(texts)
    found = find_signed_copies(sign(texts, *bands_for(0.45)), reader, first)
    assert len(found) == 19_999
    assert reader.read == 0


def test_a_site_of_nearly_equal_pages_is_read_a_few_times_and_in_parts() -> None:
    page = " ".join(text(random.Random(7), 150))
    texts = [f"{page} visitor {number}" for number in range(3000)]
    reader = Reader(texts)
    found = find_signed_copies(sign(texts, *bands_for(0.45)), reader, first)
    assert len(found) == 2999
    assert {copy.of for copy in found} == {0}
    assert reader.read < 4 * len(texts)
    assert reader.most < 2000


def test_a_line_of_ten_megabytes() -> None:
    found = find_copies(["x" * 10_000_000, "ab " * 3_333_333, "x" * 10_000_000 + "!", "ab"], first)
    assert [(copy.index, copy.of, copy.exact) for copy in found] == [(2, 0, True)]
