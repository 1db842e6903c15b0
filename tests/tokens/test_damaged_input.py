"""What the tokens stage is given may be damaged or odd: one line says so; a line of one letter takes no hours."""

from __future__ import annotations

import copy
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hornbook.core.errors import DamagedError, HornbookError, InputError
from hornbook.tokens.imported import import_tokenizer
from hornbook.tokens.shards import Encoded, TokenShards, write_tokens
from hornbook.tokens.tokenizer import Tokenizer
from hornbook.tokens.training import KINDS
from hornbook.tokens.vocabulary import byte_pairs

TEXTS = ["The harbour was built in 1843 of grey stone. ", "Größe und Maß 12 34 "] * 8
JUNK: list[object] = [
    None, 0, -1, 1.5, True, "", "a", "\0", "\ud800", [], {}, [[]], {"a": 1}, 10**10, 10**30, "<|im_end|>", "(?=(",
    "(a+)+$",
]  # fmt: skip
ONCE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


@pytest.fixture(scope="module")
def descriptions() -> list[dict]:
    return [Tokenizer.train(TEXTS, 560 if kind != "bytes" else 265, kind=kind, fill=False).description
            for kind in KINDS]  # fmt: skip


def places(value: object, place: tuple = ()) -> Iterator[tuple]:
    """Where something stands in a description, no more than a few of a list's or a vocabulary's."""
    if place:
        yield place
    if isinstance(value, (dict, list)):
        keys = list(value)[:12] if isinstance(value, dict) else range(min(len(value), 6))
        for key in keys:
            yield from places(value[key], (*place, key))


@ONCE
@given(data=st.data())
def test_mutated_tokenizers_are_read_or_refused_in_one_line(descriptions, tmp_path, data) -> None:
    description = copy.deepcopy(data.draw(st.sampled_from(descriptions)))
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(list(places(description))))
        at = description
        for key in way:
            at = at[key]
        if data.draw(st.booleans()):
            at[last] = data.draw(st.sampled_from(JUNK))
        else:
            del at[last]
    text = json.dumps(description)
    if data.draw(st.integers(0, 4)) == 0:
        cut = data.draw(st.integers(0, len(text)))
        text = text[:cut] + data.draw(st.sampled_from(["", "[" * 20_000, '"', "\\ud800", "NaN"])) + text[cut + 1 :]
    (tmp_path / "tokenizer.json").write_text(text)
    for read in (lambda: import_tokenizer(tmp_path)[0], lambda: Tokenizer.load(tmp_path)):
        try:
            made = read()
            made.decode(made.encode("The harbour é \ud800 12"))
            [made.decode(ids) for ids in made.encode_batch(["a", "b c"])]
        except HornbookError as error:
            assert isinstance(error, (InputError, DamagedError))  # noqa: PT017
            assert "tokenizer" in str(error)  # noqa: PT017


def test_ids_without_end_and_texts_that_cannot_be_written(descriptions, tmp_path) -> None:
    far = copy.deepcopy(descriptions[list(KINDS).index("wordpiece")])
    far["added_tokens"][-1]["id"] = 10**9
    (tmp_path / "tokenizer.json").write_text(json.dumps(far))
    with pytest.raises(DamagedError, match="its ids go from 0 to 1,000,000,000"):
        Tokenizer.load(tmp_path)
    with pytest.raises(DamagedError, match="its ids go from 0 to 1,000,000,000"):
        import_tokenizer(tmp_path)
    mute = copy.deepcopy(descriptions[list(KINDS).index("unigram")])
    mute["pre_tokenizer"] = None  # no letters for bytes are made, and none of the pieces is a blank
    (tmp_path / "tokenizer.json").write_text(json.dumps(mute))
    with pytest.raises(InputError, match=r"no way to write a text .*unk_id"):
        import_tokenizer(tmp_path)


@ONCE
@given(data=st.data())
def test_mutated_shards_are_read_or_refused_in_one_line(tmp_path, data) -> None:
    documents = [Encoded(f"d{number}", np.arange(number % 50), "all") for number in range(60)]
    write_tokens(tmp_path, documents, shard_tokens=1024)
    path = data.draw(st.sampled_from(sorted(tmp_path.iterdir())))
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    pieces = [b"", b"-1", b"1e400", b"null", b'"../../etc/passwd"', b"\xff\xff", b"\n"]
    changed = whole[:at] + data.draw(st.sampled_from(pieces)) + whole[at + data.draw(st.integers(0, 9)) :]
    path.write_bytes(changed)
    for verify in (True, False):
        try:
            shards = TokenShards(tmp_path, verify=verify)
            assert sum(map(len, shards)) == shards.total
            assert not verify or changed == whole or path.suffix == ".json"
        except DamagedError as error:
            assert str(tmp_path) in str(error)  # noqa: PT017
    path.unlink()
    for left in Path(tmp_path).iterdir():
        left.unlink()


@pytest.mark.parametrize("letter", ["a", "─", "é", "人", "\u0301", " ", "👩\u200d"])
def test_a_line_of_one_letter_makes_a_tokenizer_in_no_time(letter: str) -> None:
    text = letter * (30_000 // len(letter))
    started = time.process_time()
    made = Tokenizer.train([text, *TEXTS], 600, fill=False)
    assert made.description["model"]["merges"]
    assert made.decode(made.encode(text)) == text
    assert time.process_time() - started < 15


def plain_pairs(pieces: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    rank = {piece: index for index, piece in enumerate(pieces)}
    for own in range(256, len(pieces)):
        parts = [bytes([byte]) for byte in pieces[own]]
        while len(parts) > 2:
            ranks = [rank.get(left + right, own) for left, right in itertools.pairwise(parts)]
            at = min(range(len(ranks)), key=ranks.__getitem__)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        yield parts[0], parts[1]


@settings(max_examples=50)
@given(st.lists(st.text("ab é\n", min_size=1, max_size=200), min_size=1, max_size=6), st.integers(265, 500))
def test_the_parts_of_tokens_are_those_of_the_plain_form(texts: list[str], size: int) -> None:
    pieces = Tokenizer.train([*texts, texts[0] * 9], size, fill=False)._ordinary
    assert list(byte_pairs(pieces)) == list(plain_pairs(pieces))
