from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.tagging import words as module
from hornbook.corpus.tagging.punctuation import SYMBOLS, TERMINAL
from hornbook.corpus.tagging.words import REGEX, sentences

TEXTS = st.text(max_size=200) | st.text("aé.'-3_ \n\t\u0301\u200d中文かกิ့๋။។।…", max_size=60)


@pytest.mark.parametrize(("text", "expected"), [
    ("Don't pay 3.50, e.g. well-known fees…", ["Don't", "pay", "3.50", ",", "e.g", ".", "well-known", "fees", "…"]),
    ("a_b (c) -- d", ["a_b", "(", "c", ")", "-", "-", "d"]),
    ("हिन्दी में लिखा है।", ["हिन्दी", "में", "लिखा", "है", "।"]),
    ("می‌خواهم soft\xadhyphen", ["می‌خواهم", "soft\xadhyphen"]),
    ("我们学习中文。", ["我们", "学习", "中文", "。"]),
    ("カタカナ語です", ["カタカナ", "語", "です"]),
    ("สวัสดีครับ", ["สวัสดี", "ครับ"]),
    ("한국어 단어", ["한국어", "단어"]),
])  # fmt: skip
def test_words_of_every_script(text: str, expected: list[str]) -> None:
    assert REGEX.split(text) == expected


@given(TEXTS)
def test_words_are_the_text_without_its_white_space(text: str) -> None:
    assert "".join(REGEX.split(text)) == re.sub(r"\s", "", text)


@given(TEXTS, TEXTS)
def test_words_do_not_depend_on_what_lies_beyond_white_space(one: str, other: str) -> None:
    assert REGEX.split(f"{one}\n{other}") == [*REGEX.split(one), *REGEX.split(other)]


@given(TEXTS)
def test_the_quick_pattern_finds_the_same_words_where_it_is_used(text: str) -> None:
    assert REGEX.split(text) == module._every_script().findall(text)


@pytest.mark.parametrize(("text", "count"), [
    ("", 1), ("One. Two! Three?", 3), ("He said “stop.” And went on.", 2), ("Wait... what?", 2), ("3.5 of 4", 1),
    ("一句话。又一句。", 2),
])  # fmt: skip
def test_sentences(text: str, count: int) -> None:
    assert sentences(REGEX.split(text)) == count


def test_the_signs_are_those_of_datatrove() -> None:
    peer = pytest.importorskip("datatrove.utils.text")
    assert peer.TERMINAL_PUNCTUATION == TERMINAL
    assert peer.PUNCTUATION_SET == SYMBOLS
