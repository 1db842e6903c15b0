from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hornbook.corpus.copies.folding import words
from hornbook.corpus.copies.shingles import Hashes, digests, hash_words, jaccard, shingle_sets, shingles, windows

ANY = st.text(st.characters(exclude_categories=()), max_size=60)
FEW = st.lists(st.sampled_from(["a", "b", "c", "a long word of letters", "é"]), max_size=30).map(" ".join)


def grams(text: str, size: int) -> set[tuple[str, ...]]:
    own = words(text)
    return {tuple(own[start : start + size]) for start in range(max(len(own) - size + 1, 1))} if own else set()


@settings(max_examples=200)
@given(st.lists(ANY, max_size=6))
@example(["x" * 7, "x" * 8, "x" * 9, "x" * 16, "x" * 63, "x" * 64, "x" * 65, "x" * 1000, "x" * 1001])
def test_equal_hashes_are_equal_words(texts: list[str]) -> None:
    hashed = hash_words(texts)
    own = [words(text) for text in texts]
    assert hashed.counts.tolist() == list(map(len, own))
    seen: dict[str, int] = {}
    for word, value in zip([word for part in own for word in part], hashed.values.tolist(), strict=True):
        assert seen.setdefault(word, value) == value
    assert len(set(seen.values())) == len(seen)


@settings(max_examples=100)
@given(st.lists(ANY, max_size=6), st.integers(0, 6))
def test_how_texts_are_put_together_changes_nothing(texts: list[str], cut: int) -> None:
    whole, parts = hash_words(texts), Hashes.joined([hash_words(texts[:cut]), hash_words(texts[cut:])])
    for find in (lambda words: words, shingles, lambda words: windows(words, 3)):
        one, other = find(whole), find(parts)
        assert one.values.tolist() == other.values.tolist()
        assert one.counts.tolist() == other.counts.tolist()


@settings(max_examples=200)
@given(st.lists(FEW, min_size=2, max_size=5))
def test_jaccard_is_that_of_the_sets(texts: list[str]) -> None:
    sets = shingle_sets(texts)
    for a, text in enumerate(texts):
        assert len(sets[a]) == len(grams(text, 5))
        for b, other in enumerate(texts):
            shared, union = grams(text, 5) & grams(other, 5), grams(text, 5) | grams(other, 5)
            assert jaccard(sets[a], sets[b]) == (len(shared) / len(union) if union else 0.0)


@settings(max_examples=100)
@given(st.lists(FEW, max_size=5), st.integers(1, 8))
def test_windows_are_whole(texts: list[str], size: int) -> None:
    found = windows(hash_words(texts), size)
    assert found.counts.tolist() == [max(len(words(text)) - size + 1, 0) for text in texts]
    for start, end, text in zip(found.ends - found.counts, found.ends, texts, strict=True):
        own = words(text)
        whole = [tuple(own[place : place + size]) for place in range(len(own) - size + 1)]
        assert len(set(found.values[start:end].tolist())) == len(set(whole))


def test_digests_are_of_the_words_in_order() -> None:
    one, same, other, empty, blank = digests(hash_words(["The cat, sat", "the CAT sat!", "cat the sat", "", " \0 …"]))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert np.array_equal(empty, blank)
    assert digests(hash_words([])).shape == (0, 2)
