from __future__ import annotations

import re
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.corpus.copies.folding import BETWEEN, MOST_MARKS, fold, words


@settings(max_examples=200)
@given(st.text(st.characters(max_codepoint=127), max_size=200))
def test_english_is_split_as_the_regular_expression_does(text: str) -> None:
    assert words(text) == re.findall(r"\w+", text.lower())


@settings(max_examples=200)
@given(st.lists(st.text(st.characters(exclude_categories=()), max_size=40), max_size=6))
def test_texts_are_folded_each_by_itself(texts: list[str]) -> None:
    assert fold(texts).split(BETWEEN) == ([fold([text]) for text in texts] or [""])


@settings(max_examples=200)
@given(st.text(max_size=80))
def test_words_do_not_reach_over_white_space(text: str) -> None:
    assert words(text) == [word for chunk in text.split() for word in words(chunk)]


@settings(max_examples=200)
@given(st.text(max_size=80))
def test_words_are_letters_digits_and_marks(text: str) -> None:
    for word in words(text):
        for character in word:
            assert character.isalnum() or character == "_" or unicodedata.category(character).startswith("M")


def test_scripts() -> None:
    assert words("ΟΔΟΣ οδος") == words("οδος ΟΔΟΣ")
    assert words("हिन्दी भाषा") == ["हिन्दी", "भाषा"]  # vowel signs are parts of their words
    assert words("漢字abcかな。") == ["漢", "字", "abc", "か", "な"]
    assert words("cafe\u0301 “ﬁne”—½") == ["café", "fine", "1", "2"]
    assert words("co\u00adoper\u200date") == ["cooperate"]
    assert words("\ud800a\udfff \0b") == ["a", "b"]


def test_endless_marks_take_no_endless_time() -> None:
    assert len(words("a" + "\u0301\u0323" * 200_000)[0]) <= MOST_MARKS + 1
    assert len(words("a" + "\u0301\u200d\u0323" * 200_000)[0]) <= MOST_MARKS + 1
    assert len(words("क\u093c" + "\u0941" * 20)[0]) == 22
