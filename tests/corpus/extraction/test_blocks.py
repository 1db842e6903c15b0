"""Markdown read again: blocks, plain words, sentences."""

from __future__ import annotations

import time

import pytest

from hornbook.corpus.extraction.blocks import blocks, plain, sentences


@pytest.mark.parametrize(("text", "expected"), [
    ("Mr. Oake came. He sat.", ["Mr. Oake came.", "He sat."]),
    ("It costs 3.5 coins. 7 more follow! Why? So.", ["It costs 3.5 coins.", "7 more follow!", "Why?", "So."]),
    ("See e.g. Marby. Done", ["See e.g. Marby.", "Done"]),
    ('She said "Go." He went. (So he did.) Так. Вот.', ['She said "Go."', "He went.", "(So he did.)", "Так.", "Вот."]),
])  # fmt: skip
def test_sentences(text, expected):
    assert sentences(text) == expected


def test_plain_takes_marks_and_leaves_words():
    assert plain("**Bold** and _soft_ [link](http://x) `code` snake_case_name 2 * 3 * 4") == (
        "Bold and soft link code snake_case_name 2 * 3 * 4"
    )


def test_within_a_word_an_underscore_is_a_letter():
    assert plain("**Dr**Oake, __bold__ and snake__case__name") == (
        "DrOake, bold and snake__case__name"
    )


def test_a_line_drawn_across_the_page_is_no_block():
    text = "Marrow Point\n============\nOne.\n* * *\nTwo.\n---\n- three\n"
    assert [(block.kind, block.text) for block in blocks(text)] == [
        ("paragraph", "Marrow Point"), ("paragraph", "One."), ("paragraph", "Two."), ("item", "three"),
    ]  # fmt: skip


def test_blocks_keep_code_apart_even_unclosed():
    assert [block.kind for block in blocks("text\n```\n# a\n\n- b\n```\n# c")] == ["paragraph", "code", "heading"]
    assert [block.kind for block in blocks("```\n# a\n")] == ["code"]


@pytest.mark.parametrize(
    "piece", ["**a ", "*a ", "__a ", "`a ``b ", "[", "[a](", "A. ", "*", "( ", "a __ ", "![", "|", "# "]
)
def test_no_paragraph_takes_long(piece: str) -> None:
    text = piece * (30_000 // len(piece))
    started = time.process_time()
    for start in ("", "# ", "- ", "# a" + " " * 50_000):
        for block in blocks(f"{start}{text}x"):
            sentences(block.text)
    assert time.process_time() - started < 20


def test_marks_in_marks_and_links_in_words() -> None:
    assert plain("***`a`*** **b *c* d** [e](http://x.org/f) ![g](h.png \"i\")") == "a b c d e g"
    assert plain("**" + "word " * 100 + "end**") == "word " * 100 + "end"
    headings = blocks("# a # b ##\n\n## c #d\n\n### #\n\n#### e # ")
    assert [block.text for block in headings] == ["a # b", "c #d", "", "e #"]
