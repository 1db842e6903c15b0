"""Every kind: any text comes back, ids and text are those of tokenizers and transformers, chats are laid alike."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.errors import InputError
from hornbook.tokens.chat import render
from hornbook.tokens.giga import TRIAL
from hornbook.tokens.special import SPECIAL
from hornbook.tokens.tokenizer import Tokenizer
from hornbook.tokens.training import KINDS
from tests.tokens.conftest import PAGES

ROOT = Path(__file__).parents[2]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.text(
    st.sampled_from("aabbttth  \n\n\r\t\u00a0'sl12.,-é日🙂▁#<>|"), max_size=100)  # fmt: skip
TALK = [{"role": "user", "content": "Who keeps the ferry?"}, {"role": "assistant", "content": "Tomas Vell."}]


@pytest.fixture(scope="module", params=[kind for kind in KINDS if kind != "bpe"])
def made(request) -> Tokenizer:
    return Tokenizer.train(PAGES, 620, kind=request.param, fill=False)


@pytest.fixture(scope="module")
def folder(made, tmp_path_factory):
    path = tmp_path_factory.mktemp("kind")
    made.save(path)
    return path


@settings(max_examples=150)
@given(TEXTS)
def test_any_text_comes_back(made, text):
    ids = made.encode(text)
    assert made.decode(ids) == text
    assert not set(ids) & set(made.special.values())
    assert b"".join(made.pieces[token] for token in ids) == text.encode()


def test_reads_itself_back(made, folder):
    again = Tokenizer.load(folder)
    assert (again.special, again.pieces, again.vocab_size) == (made.special, made.pieces, made.vocab_size)
    assert again.lossless
    texts = [*TRIAL, *PAGES]
    for text, ids in zip(texts, again.encode_batch(texts), strict=True):
        assert ids.dtype == np.int32
        assert ids.tolist() == again.encode(text) == made.encode(text)


def test_transformers_reads_it_alike(made, folder):
    transformers = pytest.importorskip("transformers")
    peer = transformers.AutoTokenizer.from_pretrained(folder)
    assert len(peer) == made.vocab_size
    for text in (*TRIAL, *PAGES):
        if "<|" not in text:
            ids = peer.encode(text, add_special_tokens=False)
            assert (made.encode(text), peer.decode(ids)) == (ids, text)
    ids = peer.apply_chat_template(TALK, add_generation_prompt=True, tokenize=True, return_dict=False)
    assert render(made, TALK, for_answer=True).ids == ids
    assert made.decode(ids) == peer.decode(ids, skip_special_tokens=True)


def test_a_long_line_is_read_in_linear_time(made):
    for line in ("a" * 50_000, "日本" * 10_000, "." * 50_000, " " * 100_000 + "x"):
        assert made.decode(made.encode(line)) == line


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_texts_make_the_same_tokenizer(kind):
    program = (
        "import hashlib, json; from hornbook.tokens.tokenizer import Tokenizer; "
        "from tests.tokens.conftest import PAGES; "
        f"made = Tokenizer.train(PAGES, 620, kind={kind!r}, fill=False); "
        "print(hashlib.sha256(json.dumps(made.description).encode()).hexdigest())"
    )
    digests = {subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True, text=True,
                              ).stdout for _ in range(2)}  # fmt: skip
    assert len(digests) == 1


@pytest.mark.parametrize(("kind", "least"), [("wordpiece", 521), ("unigram", 265), ("characters", 265)])
def test_too_small_and_too_large_are_one_line(kind, least):
    with pytest.raises(InputError, match=f"at least {least}"):
        Tokenizer.train(PAGES, least - 1, kind=kind)
    with pytest.raises(InputError, match=r"it fills \d+; ask for at most \d+"):
        Tokenizer.train(["abc abc"], 900, kind=kind)


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_at_all(kind):
    empty = Tokenizer.train([], 600, kind=kind, fill=False)
    assert empty.decode(empty.encode("any \x00 日")) == "any \x00 日"


def test_bytes_are_the_bytes():
    made = Tokenizer.train(PAGES, 300, kind="bytes", fill=False)
    assert made.vocab_size == 256 + len(SPECIAL)
    assert bytes(made.encode("é\n")) == "é\n".encode()


def test_characters_are_the_most_frequent():
    made = Tokenizer.train(["aab", "日日日"], 265 + 2, kind="characters")
    assert [piece.decode() for piece in made.pieces[256:258]] == ["日", "a"]
    assert made.encode("a日b") == [257, 256, ord("b")]


def test_descriptions_are_json(made):
    assert json.loads(json.dumps(made.description)) == made.description
