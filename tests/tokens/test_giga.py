"""gigatoken gives the same ids as tiktoken, whatever the text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.tokens import giga
from hornbook.tokens.tokenizer import Tokenizer
from tests.tokens.conftest import PAGES

pytest.importorskip("gigatoken")

ODD = "aabbttth  \n\n\r\t\u00a0\u2028''sSdlvLLre12.,!-_é日🙂\x00\x1c\x85\u0301\ud800<|>"


@settings(max_examples=500)
@given(st.text(st.sampled_from(ODD), max_size=150) | st.text(max_size=80))
def test_ids_are_equal(tokenizer, text):
    assert tokenizer.encoder == "gigatoken"
    [ids] = tokenizer.encode_batch([text])
    assert ids.tolist() == tokenizer.encode(text)
    assert ids.dtype == "int32"


@pytest.mark.parametrize("text", ["a" * 300_000, " " * 100_000 + "b", "\n " * 50_000, "-" * 200_000, "日" * 100_000])
def test_long_runs_are_equal(tokenizer, text):
    assert tokenizer.encode_batch([text])[0].tolist() == tokenizer.encode(text)


def test_what_it_forgets_changes_nothing(tokenizer, monkeypatch):
    monkeypatch.setattr(giga, "FORGET", 300)
    encode = giga.gigatoken(tokenizer.description, tokenizer.encode)
    assert encode is not None
    assert [encode(page).tolist() for page in PAGES] == [tokenizer.encode(page) for page in PAGES]


def test_it_is_not_asked_for_what_it_cannot_read_or_reads_otherwise(tokenizer):
    assert Tokenizer.train(PAGES, 600, kind="wordpiece", fill=False).encoder == "tokenizers"
    assert giga.gigatoken(tokenizer.description, lambda text: [*tokenizer.encode(text), 0]) is None
