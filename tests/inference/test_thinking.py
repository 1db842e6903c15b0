"""Thoughts end where their budget does, whatever the model would like, and another guide takes over after them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hornbook.core.errors import InputError
from hornbook.inference import Engine, Request, Sampling, structured
from hornbook.inference.thinking import thinking
from hornbook.tokens.spoken import SpokenStream, thought_tokens
from hornbook.tokens.tokenizer import Tokenizer
from tests.inference.test_structured import PERSON

SAMPLING = Sampling(temperature=1.0, max_tokens=60)


@pytest.fixture(scope="module")
def engine(model, tokenizer):
    return Engine(model, tokenizer, slots=8)


def asked(engine, guide, *, eager: float = 0.0, **sampling) -> Request:
    """`eager` is how much the model would like to begin thinking."""
    bias = {engine.tokenizer.special["<think>"]: eager} if eager else {}
    return Request(ids=engine.tokenizer.encode("the cat"), guide=guide,
                   sampling=replace(SAMPLING, logit_bias=bias, **sampling))


@pytest.mark.parametrize("budget", [0, 1, 7])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_thoughts_are_closed_at_their_budget(engine, tokenizer, budget, temperature):
    close = [*tokenizer.encode("\n"), tokenizer.special["</think>"], *tokenizer.encode("\n\n")]
    request = asked(engine, thinking(tokenizer, budget), eager=100.0, temperature=temperature)
    for done in engine.generate(request.repeated(6)):
        assert done.ids[0] == tokenizer.special["<think>"]
        place = done.ids.index(tokenizer.special["</think>"])
        assert not set(done.ids[:place]) & set(tokenizer.ends)
        assert done.ids.count(tokenizer.special["<think>"]) == 1
        if place <= budget:  # it closed them by itself
            continue
        assert done.ids[budget + 1 :][: len(close)] == close
        if budget == 0:
            assert all(part.kind != "reasoning" for part in SpokenStream(calls=False).push(done.text))
    assert thought_tokens(tokenizer, done.ids) == place + 1


def test_a_guide_takes_over_after_thoughts(engine, tokenizer):
    guide = thinking(tokenizer, 5, structured.json_schema(tokenizer, PERSON))
    for eager, tagged in ((100.0, True), (-100.0, False)):
        for done in engine.generate(asked(engine, guide, eager=eager, max_tokens=120).repeated(6)):
            before, tag, after = done.text.rpartition("</think>")
            assert bool(tag) == tagged == before.startswith("<think>")
            assert set(json.loads(after)) == {"name", "age"}
            assert done.finish_reason == "stop"


def test_who_does_not_begin_with_thoughts_has_none(engine, tokenizer):
    done, = engine.generate([asked(engine, thinking(tokenizer, 50), eager=-100.0)])
    assert "<think>" not in done.text
    bias = {tokenizer.special["<think>"]: 1000.0, tokenizer.special["</think>"]: 1000.0}
    request = asked(engine, thinking(tokenizer, 50), max_tokens=30)
    done, = engine.generate([replace(request, sampling=replace(request.sampling, logit_bias=bias))])
    assert done.ids[:2] == list(bias)
    assert done.ids.count(tokenizer.special["<think>"]) == 1


@pytest.mark.parametrize("budget", [-1, 2.5, True, "many"])
def test_budgets_that_are_none(tokenizer, budget):
    with pytest.raises(InputError, match="must be a whole number of tokens"):
        thinking(tokenizer, budget)


def test_a_tokenizer_without_tags(tokenizer):
    bare = Tokenizer([bytes([byte]) for byte in range(256)], ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    with pytest.raises(InputError, match="no tokens for thoughts"):
        thinking(bare, 5)
