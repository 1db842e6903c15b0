from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus import repetition
from hornbook.corpus.repetition import duplicate_ngrams, duplicates, top_ngrams

# Few short words, so that n-grams come again, and "a" + "bc" is "ab" + "c".
WORDS = st.lists(st.sampled_from(["a", "b", "ab", "bc", "c", ".", "ä", "\ud800", "中"]), max_size=60)
SIZES = (1, 2, 3, 4, 5, 8)


def plain_top(words: list[str], n: int) -> int:
    grams = Counter(" ".join(words[place : place + n]) for place in range(len(words) - n + 1))
    if not grams:
        return 0
    gram, times = grams.most_common(1)[0]
    return len(gram) * times


def plain_duplicates(words: list[str], n: int) -> int:
    seen: set[str] = set()
    repeated = place = 0
    while place <= len(words) - n:
        gram = "".join(words[place : place + n])
        if gram in seen:
            repeated += len(gram)
            place += n
        else:
            seen.add(gram)
            place += 1
    return repeated


@given(WORDS)
def test_ngrams_are_counted_as_by_hand(words: list[str]) -> None:
    assert top_ngrams(words, SIZES) == {n: plain_top(words, n) for n in SIZES}
    assert duplicate_ngrams(words, SIZES) == {n: plain_duplicates(words, n) for n in SIZES}


def test_many_different_words() -> None:
    """More kinds of 4-grams than 64 bits can number: they are numbered anew on the way."""
    words = [f"w{number}" for number in range(70_000)] + ["w1", "w2", "w3", "w4"]
    assert top_ngrams(words, (2, 4)) == {2: 2 * len("w1 w2"), 4: 2 * len("w1 w2 w3 w4")}


@given(WORDS)
def test_a_collision_of_hashes_costs_time_and_no_wrong_count(words: list[str]) -> None:
    expected = duplicate_ngrams(words, SIZES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repetition, "_prefix_hashes", lambda text, starts: (np.zeros_like(starts),) * 2)
        assert duplicate_ngrams(words, SIZES) == expected


def test_duplicates() -> None:
    assert duplicates(["one", "two", "one", "one", ""]) == (2, 6)
    assert duplicates([]) == (0, 0)
