from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.tagging import repetition
from hornbook.corpus.tagging.repetition import duplicate_ngrams, duplicates, top_ngrams
from hornbook.corpus.tagging.words import spelled

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
    check(words)


def check(words: list[str]) -> None:
    assert top_ngrams(spelled(words), SIZES) == {n: plain_top(words, n) for n in SIZES}
    assert duplicate_ngrams(spelled(words), SIZES) == {n: plain_duplicates(words, n) for n in SIZES}


def test_a_long_text() -> None:
    check([f"w{number % 997}x{number % 3}" for number in range(20_000)])


@given(WORDS, st.integers(1, 4))
def test_a_collision_of_hashes_costs_time_and_no_wrong_count(words: list[str], kinds: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        whole = repetition._ngram_hashes
        patch.setattr(repetition, "_ngram_hashes", lambda at, unit, n: whole(at, unit, n) % np.uint32(kinds))
        check(words)


def test_a_spelling() -> None:
    found = spelled(["one", "中\ud800", "x"])
    assert [found.text[start:end] for start, end in pairwise(found.starts)] == ["one", "中\ud800", "x"]
    assert found.letters.tolist() == [ord(letter) for letter in found.text]
    assert spelled([]).starts.tolist() == [0]


def test_duplicates() -> None:
    assert duplicates(["one", "two", "one", "one", ""]) == (2, 6)
    assert duplicates([]) == (0, 0)
