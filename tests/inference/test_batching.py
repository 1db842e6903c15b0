"""Continuous batching: prompts in portions, pages shared, texts put back and taken out, and the answers always those of
one request alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.errors import InputError
from hornbook.inference import Chunk, Engine, Request, Sampling, schedule
from tests.inference.conftest import varied


def request(index: int, *, shared: int = 0, length: int | None = None, most: int = 12) -> Request:
    draw = np.random.default_rng(index)
    ids = [*range(40, 40 + shared), *draw.integers(0, 256, length or int(draw.integers(1, 60))).tolist()]
    return Request(ids=ids, sampling=Sampling(max_tokens=most, temperature=0.8 * (index % 2), seed=index))


def alone(model, tokenizer, asked) -> list:
    return [Engine(model, tokenizer, slots=1, prefix_cache=False).generate([one])[0] for one in asked]


def same(found, expected) -> None:
    assert [one.ids for one in found] == [one.ids for one in expected]
    assert [one.text for one in found] == [one.text for one in expected]
    assert [one.finish_reason for one in found] == [one.finish_reason for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


@pytest.mark.parametrize("budget", [1, 7, 64])
def test_prompts_read_in_portions(model, tokenizer, budget, monkeypatch):
    monkeypatch.setattr(schedule, "BUDGET", budget)
    asked = [request(index, shared=33 * (index % 2), length=1 + 23 * index % 70) for index in range(8)]
    same(Engine(model, tokenizer, slots=4).generate(asked), alone(model, tokenizer, asked))


def test_texts_that_do_not_fit_are_put_back_and_read_again(model, tokenizer):
    asked = [request(index, length=30, most=50) for index in range(6)]
    engine = Engine(model, tokenizer, slots=6, tokens=200, keeps_memory=True)
    same(engine.generate(asked), alone(model, tokenizer, asked))
    assert engine.figures().preemptions > 0
    assert engine.figures().used == 0


def test_a_text_that_fills_all_pages_by_itself_ends(model, tokenizer):
    done = Engine(model, tokenizer, tokens=64).generate([request(0, length=20, most=500)])[0]
    assert done.finish_reason == "length"
    assert len(done.ids) == 45
    with pytest.raises(InputError, match="reads at most 63"):
        Engine(model, tokenizer, tokens=64).generate([request(0, length=64)])
    with pytest.raises(InputError, match="tokens: must be at least 32"):
        Engine(model, tokenizer, tokens=10)


def test_what_was_read_before_is_not_read_again(model, tokenizer):
    engine = Engine(model, tokenizer, frozen=True)
    first, second = request(1, shared=100, length=20), request(3, shared=100, length=20)
    engine.generate([first])
    found = engine.generate([second, first])
    same(found, alone(model, tokenizer, [second, first]))
    assert found[0].cached_tokens == 96
    assert found[1].cached_tokens == 112
    figures = engine.figures()
    assert (figures.prompt_tokens, figures.cached_tokens) == (360, 208)


def test_an_answer_is_a_beginning_too(model, tokenizer):
    """The next turn of a chat: what was said need not be read."""
    engine = Engine(model, tokenizer, frozen=True)
    first = engine.generate([request(0, length=20, most=40)])[0]
    ids = [*request(0, length=20).ids, *first.ids, 7, 8, 9]
    second = Request(ids=ids, sampling=Sampling(max_tokens=5))
    found = engine.generate([second])
    same(found, alone(model, tokenizer, [second]))
    assert found[0].cached_tokens == (len(ids) - 4) // 16 * 16


def test_beginnings_read_in_the_same_step_are_shared(model, tokenizer):
    asked = [request(index, shared=64, length=10) for index in range(5)]
    engine = Engine(model, tokenizer, slots=5, keeps_memory=True)
    same(engine.generate(asked), alone(model, tokenizer, asked))
    assert engine.figures().cached_tokens == 4 * 64


def test_equal_prompts_are_read_once(model, tokenizer):
    asked = request(4, length=37).repeated(6) + request(5, length=48).repeated(3)
    assert len({one.sampling.seed for one in asked[:6]}) == 6
    engine = Engine(model, tokenizer, slots=9, prefix_cache=False, keeps_memory=True)
    same(engine.generate(asked), alone(model, tokenizer, asked))
    assert engine.figures().cached_tokens == 5 * 37 + 2 * 48


def test_changed_weights_forget_what_was_read(tokenizer):
    model, other = varied(tokenizer.vocab_size), varied(tokenizer.vocab_size, seed=9)
    engine, asked = Engine(model, tokenizer, keeps_memory=True), [request(0, length=50)]
    engine.generate(asked)
    with torch.no_grad():
        for own, new in zip(model.parameters(), other.parameters(), strict=True):
            own.copy_(new)
    same(engine.generate(asked), alone(other, tokenizer, asked))


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=40))
def test_cancelled_anywhere(model, tokenizer, orders):
    """Requests come and are taken out at any step; who stays has the answer it has alone, and every page comes back."""
    engine = Engine(model, tokenizer, slots=3, tokens=160, frozen=True)
    expected = {index: done.ids for index, done in enumerate(EXPECTED.get(model, tokenizer))}
    tickets = {}
    for order, index in orders:
        if order < 2 and index not in tickets:
            tickets[index] = engine.ticket(request(index // 2, shared=20, length=13, most=20))
            engine.add(tickets[index])
        elif order == 2 and index in tickets:
            engine.cancel(tickets[index])
        else:
            engine.step()
    while engine.step():
        pass
    for index, ticket in tickets.items():
        done = ticket.completion
        whole = expected[index // 2]
        assert done.ids == whole if done.finish_reason != "cancelled" else done.ids == whole[: len(done.ids)]
    figures = engine.figures()
    assert (figures.used, figures.running, figures.waiting) == (0, 0, 0)


class _Expected:
    """The answers of the five requests alone, made once."""

    made: list | None = None

    def get(self, model, tokenizer) -> list:
        if self.made is None:
            asked = [request(index, shared=20, length=13, most=20) for index in range(5)]
            self.made = alone(model, tokenizer, asked)
        return self.made


EXPECTED = _Expected()


def test_a_step_that_fails_leaves_nothing_behind(model, tokenizer, monkeypatch):
    engine = Engine(model, tokenizer, frozen=True)
    asked = [request(0, length=50)]

    def broken(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(engine._batcher.reader), "read", broken)
        with pytest.raises(KeyboardInterrupt):
            engine.generate(asked)
    found = engine.generate(asked)
    same(found, alone(model, tokenizer, asked))
    assert found[0].cached_tokens == 0


@pytest.mark.parametrize("guessed", [1, 4, 9])
def test_guesses_change_no_answer(model, tokenizer, guessed):
    asked = [request(index, length=30 + index, most=60) for index in range(6)]
    asked += [Request(ids=[5, 6, 7] * 12, sampling=Sampling(max_tokens=60, temperature=0.3, seed=3))]
    engine = Engine(model, tokenizer, guessed=guessed, slots=3, keeps_memory=True)
    same(engine.generate(asked), alone(model, tokenizer, asked))


@pytest.mark.parametrize("seed", [3, 11])
def test_a_draft_changes_no_answer(model, tokenizer, seed):
    """Whether it is the model itself, whose guesses are all right, or another, whose are not."""
    draft = varied(tokenizer.vocab_size, seed=seed)
    asked = [request(index, length=30 + index, most=40) for index in range(6)]
    engine = Engine(model, tokenizer, draft=draft, guessed=3, slots=3, tokens=220)
    same(engine.generate(asked), alone(model, tokenizer, asked))
    with pytest.raises(InputError, match=r"the draft has 96 tokens and the model 300; use one trained with"):
        Engine(model, tokenizer, draft=varied(96))


def test_a_draft_that_is_right_saves_steps(model, tokenizer):
    engine, steps = Engine(model, tokenizer, draft=model, guessed=3), 0
    ticket = engine.ticket(Request(ids=[1, 2, 3], sampling=Sampling(max_tokens=101, ignore_end=True)))
    engine.add(ticket)
    while engine.step():
        steps += 1
    assert (steps, len(ticket.completion.ids)) == (26, 101)


def test_guesses_save_steps(tokenizer):
    """A model that says what it has said."""
    model = varied(tokenizer.vocab_size)
    asked = Request(ids=[1, 2, 3], sampling=Sampling(max_tokens=200, ignore_end=True))
    counted = []
    for guessed in (0, 4):
        engine, steps = Engine(model, tokenizer, guessed=guessed), 0
        ticket = engine.ticket(asked)
        engine.add(ticket)
        while engine.step():
            steps += 1
        counted.append((steps, ticket.completion.ids))
    assert counted[0][1] == counted[1][1]
    assert counted[1][0] < 0.85 * counted[0][0]


def test_chunks_carry_every_token_once(model, tokenizer):
    engine = Engine(model, tokenizer)
    asked = Request(ids=[3, 4, 5], sampling=Sampling(max_tokens=40, temperature=1.0, seed=5, top_logprobs=3))
    chunks: list[Chunk] = list(engine.stream(asked))
    done = chunks[-1].completion
    assert [token for chunk in chunks for token in chunk.ids] == done.ids
    assert [one for chunk in chunks for one in chunk.logprobs] == pytest.approx(done.logprobs)
    assert [top for chunk in chunks for top in chunk.top] == done.top
    assert "".join(chunk.text for chunk in chunks) == done.text
