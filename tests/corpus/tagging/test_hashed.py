from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.errors import DamagedError, InputError
from hornbook.corpus.tagging.hashed import BYTES, Hashes, LinearModel, features, learn, mixed

GOOD = "the river runs to the sea and the boats come home with fish"
BAD = "buy cheap pills now and win a free casino bonus today"


def texts(words: list[str], count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(words.split(), k=30)) for _ in range(count)]


@settings(max_examples=60)
@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(min_size=1, max_size=20))
def test_a_piece_has_one_hash_wherever_it_stands(before: bytes, after: bytes, piece: bytes) -> None:
    def of(whole: bytes, start: int) -> int:
        data = np.frombuffer(whole, np.uint8)
        return int(Hashes(data).of(np.array([start]), np.array([start + len(piece)]))[0])

    def plain(data: bytes) -> int:
        return sum((byte + 1) * pow(0x9E3779B97F4A7C15, index, 2**64) for index, byte in enumerate(data)) % 2**64

    assert of(before + piece + after, len(before)) == of(piece, 0) == plain(piece)


def test_hashes_are_those_of_every_machine() -> None:
    assert mixed(np.array([0, 1, 2**63], np.uint64)).tolist() == [0, 6238072747940578789, 2720858781877447050]
    places, values = features("The river, the SEA, and 12 boats", 16)
    again, _ = features("the  river,\nthe sea, and 99 boats", 16)
    assert places.tolist() == again.tolist()  # case, blanks and digits make no difference
    assert np.isclose(values @ values, 1)
    assert (np.diff(places) > 0).all()
    assert 0 <= places[0] <= places[-1] < 2**16


def test_words_pairs_and_pieces_are_counted() -> None:
    text = "ab cd ab"
    places, _ = features(text, 22)
    assert len(places) == len({"ab", "cd"}) + len({"ab cd", "cd ab"}) + len({text[at : at + 5] for at in range(4)})


@settings(max_examples=60)
@given(st.text(max_size=300))
def test_any_text_has_features(text: str) -> None:
    places, values = features(text + "\ud800", 16)
    assert len(places) == len(values)


def test_only_the_beginning_counts() -> None:
    text = "word " * BYTES
    assert features(text, 16)[0].tolist() == features(text + "more and other words", 16)[0].tolist()
    assert features("", 16)[0].tolist() == []


def test_it_learns_and_learns_the_same_again() -> None:
    learnt = texts(GOOD, 60, 1) + texts(BAD, 60, 2)
    examples, targets = [features(text, 16) for text in learnt], [0.0] * 60 + [1.0] * 60
    model = learn(examples, targets, bits=16)
    scores = model.scores(texts(GOOD, 40, 3) + texts(BAD, 40, 4))
    assert max(scores[:40]) < 0.5 < min(scores[40:])
    assert all(0 <= score <= 1 for score in scores)
    again = learn(examples, targets, bits=16)
    assert (again.weights == model.weights).all()
    assert again.bias == model.bias


def test_weights_of_examples_move_the_middle() -> None:
    same = [features("the same text", 12)] * 20
    often = learn(same, [1.0] * 15 + [0.0] * 5, bits=12)
    evened = learn(same, [1.0] * 15 + [0.0] * 5, bits=12, weights=[1 / 3] * 15 + [1.0] * 5)
    assert often.scores(["the same text"])[0] == pytest.approx(0.75, abs=0.05)
    assert evened.scores(["the same text"])[0] == pytest.approx(0.5, abs=0.05)


def test_a_model_comes_back_from_its_file(tmp_path) -> None:
    words = [*GOOD.split(), *BAD.split()]
    model = learn([features(text, 12) for text in words], [0.0] * 13 + [1.0] * 11, bits=12)
    model.save(tmp_path / "a.safetensors", source="words")
    model.save(tmp_path / "b.safetensors", source="words")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert (tmp_path / "a.safetensors").stat().st_size < 2**12 + 400
    loaded = LinearModel.load(tmp_path / "a.safetensors")
    assert loaded.bits == 12
    assert loaded.scores(words) == pytest.approx(model.scores(words), abs=0.01)
    with pytest.raises(InputError, match="no model here"):
        LinearModel.load(tmp_path / "none")
    (tmp_path / "a.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0damaged")
    with pytest.raises(DamagedError, match="not a linear model"):
        LinearModel.load(tmp_path / "a.safetensors")
