"""Longer texts: bits by place against the sum of all bits, and needles against a model that was made to find them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from hornbook.core.errors import InputError
from hornbook.evaluation.by_position import bits_per_byte_by_position
from hornbook.evaluation.needle import CHOICES, Found, needle
from hornbook.inference.engine import Engine
from hornbook.models.config import TransformerConfig
from hornbook.models.induction import lay_induction
from hornbook.models.transformer import Transformer
from hornbook.tokens.tokenizer import Tokenizer

TEXT = "The geese of Vell and Skerry are sold at the fair, and nobody asks what the fair is paid with. "


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train([TEXT, "The watchword of Babado fengilka."] * 3, 300)


def engine_of(tokenizer: Tokenizer, *, induction: bool, window: int = 128) -> Engine:
    config = TransformerConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=128, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, head_dim=64, max_position_embeddings=window, rope_theta=1000.0,
    )  # fmt: skip
    model = Transformer(config, seed=1)
    if induction:
        lay_induction(model, 1)
    return Engine(model, tokenizer)


@pytest.fixture(scope="module")
def documents(tokenizer: Tokenizer) -> list[np.ndarray]:
    words = TEXT.split()
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(words, 400)) for _ in range(6)]
    return [np.array(tokenizer.encode(text)) for text in texts]


def test_bits_by_place_are_all_the_bits(tokenizer: Tokenizer, documents: list[np.ndarray]) -> None:
    engine = engine_of(tokenizer, induction=True)
    one = documents[0][:128]
    found = bits_per_byte_by_position(engine, [one], length=128, edges=(16, 100))
    assert list(found) == [(1, 16), (16, 100), (100, 128)]
    with torch.no_grad():
        logits = engine.model(torch.tensor(one)[None])[0].double().log_softmax(-1)
    bits = -logits[torch.arange(127), torch.tensor(one[1:])].numpy() / math.log(2)
    sizes = [len(tokenizer.decode_bytes([token])) for token in one[1:].tolist()]
    for (begin, end), value in found.items():
        assert value == pytest.approx(bits[begin - 1 : end - 1].sum() / sum(sizes[begin - 1 : end - 1]), rel=1e-4)
    assert list(bits_per_byte_by_position(engine, documents, length=128)) == [(1, 64), (64, 128)]


def test_a_model_that_copies_finds_the_needle(tokenizer: Tokenizer, documents: list[np.ndarray]) -> None:
    copying = needle(engine_of(tokenizer, induction=True), documents, lengths=(96,), depths=(0.0, 0.5, 1.0), n=8)
    blind = needle(engine_of(tokenizer, induction=False), documents, lengths=(96,), depths=(0.0, 0.5, 1.0), n=8)
    assert [(each.length, each.depth, each.n) for each in copying] == [(96, 0.0, 8), (96, 0.5, 8), (96, 1.0, 8)]
    assert sum(each.right for each in copying) >= 12
    assert sum(each.right for each in blind) <= 9
    assert copying == needle(
        engine_of(tokenizer, induction=True), documents, lengths=(96,), depths=(0.0, 0.5, 1.0), n=8)
    low, high = Found(96, 0.5, 4, 8).interval
    assert low < Found(96, 0.5, 4, 8).share == 0.5 < high


def test_a_needle_stands_once_where_it_is_said(
    tokenizer: Tokenizer, documents: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, asked = engine_of(tokenizer, induction=False), []
    score = engine.score
    monkeypatch.setattr(engine, "score", lambda sequences, last: asked.extend(sequences) or score(sequences, last))
    needle(engine, documents, lengths=(96,), depths=(0.0, 1.0), n=2)
    assert len(asked) == 2 * 2 * CHOICES
    assert max(map(len, asked)) == 96
    texts = [tokenizer.decode(ids) for ids in asked]
    for item in range(4):
        eight = texts[item * CHOICES : (item + 1) * CHOICES]
        value = eight[0].split()[-1]
        assert all(text.count(value) == 1 for text in eight[1:])
        assert eight[0].count(value) == 2
        assert len({text.split()[-1] for text in eight}) == CHOICES
        at = eight[0].index("The watchword")
        assert (at < 5) if item < 2 else (at > len(eight[0]) / 2)


def test_texts_that_are_too_short_are_said_to_be(tokenizer: Tokenizer) -> None:
    engine = engine_of(tokenizer, induction=False)
    with pytest.raises(InputError, match="no document has 128 tokens"):
        bits_per_byte_by_position(engine, [np.arange(20)], length=128)
    with pytest.raises(InputError, match="no document has 96 tokens"):
        needle(engine, [np.arange(20)], lengths=(96,))
