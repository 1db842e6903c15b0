from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.retrieval.spelling import as_written

TITLES = ["Mara Tolly", "The Trade of Glass", "NASA"]
TEXTS = ["Mara Tolly lives in Port Ellery. Bees are kept in the mill.", "The trade of glass is old; NASA buys it."]


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("where does mara tolly live?", "Where does Mara Tolly live?"),
        ("is port ellery far", "Is Port Ellery far"),
        ("tell me of the trade of glass", "Tell me of the trade of glass"),  # the texts write it small
        ("are bees kept?", "Are bees kept?"),  # a sentence begins with it, which says nothing
        ("what does nasa buy", "What does NASA buy"),
        ("who is mara quill", "Who is Mara quill"),
        ("Who is mara tolly?", "Who is mara tolly?"),
        ("", ""),
    ],
)
def test_small_letters(typed, written):
    assert as_written(typed, TITLES, TEXTS) == written


@given(st.text(), st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_only_case_changes(question, titles, texts):
    assert as_written(question, titles, texts).upper().lower() == question.upper().lower()
