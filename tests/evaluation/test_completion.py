"""Completions of held-out text: the measures against their meaning, and against the engine's own answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.evaluation.completion import Completed, Item, complete, distance, measures, next_tokens, spans
from hornbook.inference.engine import Engine
from hornbook.inference.requests import Request, Sampling
from hornbook.models.config import TransformerConfig
from hornbook.models.transformer import Transformer
from hornbook.tokens.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def engine() -> Engine:
    tokenizer = Tokenizer.train(["the geese of Vell are sold at the fair"] * 3, 280)
    config = TransformerConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=1, num_key_value_heads=1, head_dim=32, max_position_embeddings=64,
    )  # fmt: skip
    return Engine(Transformer(config, seed=3), tokenizer)


def test_what_the_model_says_itself_is_right(engine: Engine) -> None:
    prompt = [5, 9, 13, 70]
    said = engine.generate([Request(ids=prompt, sampling=Sampling(max_tokens=6))])[0]
    wrong = [*said.ids[:3], said.ids[3] + 1, *said.ids[4:]]
    own, other = complete(engine, [Item(prompt, said.ids), Item(prompt, wrong)])
    assert (own.right, own.length, own.edits) == (6, 6, 0.0)
    assert own.logprob == pytest.approx(np.mean(said.logprobs), abs=1e-4)
    assert (other.right, other.edits) == (3, pytest.approx(1 / 6))
    assert measures([own, other])["exact"] == 0.5
    assert {name: measures([own, other])[name] for name in ("exact_1", "exact_2", "exact_4")} == {
        "exact_1": 1.0, "exact_2": 1.0, "exact_4": 0.5}
    assert "exact_8" not in measures([own, other])


def test_measures_are_means() -> None:
    found = measures([Completed(8, 8, 0.0, -1.0), Completed(8, 1, 0.75, -3.0)])
    assert found == {"exact": 0.5, "exact_1": 1.0, "exact_2": 0.5, "exact_4": 0.5, "exact_8": 0.5, "edits": 0.375,
                     "logprob": -2.0}


@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(2, 12), st.integers(1, 20), st.integers(0, 9))
def test_spans_are_stretches_of_documents_and_never_overlap(lengths: list[int], length: int, most: int, seed: int):
    documents = [1000 * index + np.arange(size) for index, size in enumerate(lengths)]
    found = spans(documents, length, most=most, seed=seed)
    assert len(found) == min(most, sum(size // length for size in lengths))
    places = np.concatenate([np.zeros(0, int), *found])
    assert len(set(places.tolist())) == len(places) == length * len(found)
    assert all((np.diff(span) == 1).all() for span in found)
    assert [*map(list, found)] == [*map(list, spans(documents, length, most=most, seed=seed))]
    for item, span in zip(next_tokens(found, 1), found, strict=True):
        assert [*item.prompt, *item.answer] == span.tolist()


@given(*[st.lists(st.integers(0, 3), max_size=8)] * 3)
def test_distance_is_a_distance(a: list[int], b: list[int], c: list[int]) -> None:
    assert distance(a, b) == distance(b, a)
    assert (distance(a, b) == 0) == (a == b)
    assert distance(a, c) <= distance(a, b) + distance(b, c)
    assert abs(len(a) - len(b)) <= distance(a, b) <= max(len(a), len(b))
