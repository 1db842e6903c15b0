from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.retrieval import Passage, cut
from hornbook.retrieval.passages import passages

PAGE = """# Marrow Point

The **lighthouse** at [Marrow Point](https://isle.example/point) was built in 1823. It is still lit.

## Keepers

- Edda Rowan, from 1823
- Tomas Vell, from 1861

***

| year | height |
| 1823 | 41 m |
"""


def test_a_short_page_is_one_passage_without_marks():
    assert cut(PAGE, "Marrow Point", "u", 120) == [
        Passage("Marrow Point", "u", "The lighthouse at Marrow Point was built in 1823. It is still lit. "
                "Edda Rowan, from 1823 Tomas Vell, from 1861 | year | height | | 1823 | 41 m |", "Marrow Point")
    ]  # fmt: skip


def test_a_heading_begins_a_passage_once_there_is_enough_before_it():
    first, second = cut(PAGE, "t", "u", most_words=24)
    assert first.text.endswith("still lit.")
    assert (second.heading, second.text.split(",")[0]) == ("Keepers", "Edda Rowan")


@given(st.text(alphabet="ab .#\n*-|", max_size=300), st.integers(1, 20))
@settings(max_examples=200)
def test_no_passage_is_too_long_or_empty_and_no_word_is_lost(text, most_words):
    cuts = cut(text, "t", "u", most_words)
    assert all(0 < len(passage.text.split()) <= most_words for passage in cuts)
    letters = "".join(passage.text for passage in cuts) + "".join(line for line in text.splitlines() if "#" in line)
    for letter in "ab":
        assert letters.count(letter) >= sum(line.count(letter) for line in text.splitlines() if "#" not in line)


def test_documents_keep_title_and_url():
    documents = [{"url": "u1", "title": None, "text": "One."}, {"url": "u2", "title": "Two", "text": "Two."}]
    assert [(passage.title, passage.url) for passage in passages(documents, 120)] == [("", "u1"), ("Two", "u2")]
