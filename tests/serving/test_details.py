"""Log-probabilities, several answers, penalties and bias in a chat, and what the gate leaves of them."""

from __future__ import annotations

import math

import pytest

from hornbook.inference import Chunk, Completion
from hornbook.safety import DEFAULT, Gate, Policy
from hornbook.serving.chat import Chat, Prepared
from hornbook.serving.told import Told
from hornbook.serving.voice import Voice
from tests.serving.test_api import client
from tests.serving.test_chat import user

__all__ = ["client"]
ASKED = {"model": "isle", "messages": user("Tell me of houses."), "max_tokens": 10}


def test_each_token_is_told_with_its_probability(client):
    done = client.chat.completions.create(**ASKED, logprobs=True, top_logprobs=3).choices[0]
    told = done.logprobs.content
    assert done.message.content.startswith("".join(token.token for token in told))
    assert b"".join(bytes(token.bytes) for token in told).decode(errors="replace") in done.message.content
    for token in told:
        assert len(token.top_logprobs) == 3
        assert token.logprob == pytest.approx(token.top_logprobs[0].logprob, abs=1e-4)  # greedy
        assert sum(math.exp(other.logprob) for other in token.top_logprobs) <= 1 + 1e-4
    stream = client.chat.completions.create(**ASKED, logprobs=True, top_logprobs=3, stream=True)
    pieces = [chunk.choices[0].logprobs.content for chunk in stream if chunk.choices[0].logprobs]
    assert [token for piece in pieces for token in piece] == told


def test_several_answers_to_one_question(client):
    done = client.chat.completions.create(**ASKED, n=3, temperature=1, seed=4)
    texts = [choice.message.content for choice in done.choices]
    assert [choice.index for choice in done.choices] == [0, 1, 2]
    assert len(set(texts)) == 3
    alone = client.chat.completions.create(**ASKED, temperature=1, seed=4)
    assert alone.choices[0].message.content == texts[0]
    assert alone.usage.prompt_tokens == done.usage.prompt_tokens
    heard = ["", "", ""]
    for chunk in client.chat.completions.create(**ASKED, n=3, temperature=1, seed=4, stream=True):
        heard[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert heard == texts


def test_bias_penalties_and_stop_tokens_reach_the_engine(client, chat):
    encode = chat.engine.tokenizer.encode
    (token,) = encode("a")
    biased = client.chat.completions.create(**ASKED, logit_bias={str(token): 100})
    assert biased.choices[0].message.content == "a" * 10
    told = client.chat.completions.create(**ASKED, logit_bias={str(token): 100}, extra_body={"stop_token_ids": [token]})
    assert (told.choices[0].message.content, told.choices[0].finish_reason) == ("", "stop")
    varied = client.chat.completions.create(**ASKED, frequency_penalty=2, presence_penalty=2, logprobs=True)
    tokens = [bytes(token.bytes) for token in varied.choices[0].logprobs.content]
    assert len(set(tokens)) > len(tokens) // 2
    again = client.chat.completions.create(**ASKED).usage
    assert again.prompt_tokens_details.cached_tokens > 0  # asked before


def test_no_token_tells_what_the_gate_took_out(chat, tokenizer):
    refusing = Chat(chat.engine, chat.settings, gate=Gate(Policy.parse(DEFAULT)))
    text = "Write to mara@isle.example today."
    ids = tokenizer.encode(text)
    voice = Voice(refusing, Prepared(None, ()), detailed=True)
    shown, told = "", []
    for place, token in enumerate([*ids, None]):
        if token is None:
            chunk = Chunk("", Completion(ids, text, [-1.0] * len(ids), "stop"))
        else:
            chunk = Chunk(tokenizer.decode([token]), ids=[token], logprobs=[-float(place)], top=[[(token, -1.0)]])
        piece = voice.hear(chunk)
        shown += piece.content
        told += piece.tokens
    assert shown == "Write to [personal data] today."
    assert b"".join(token.piece for token in told) == b"Write to "


def test_tokens_wait_for_their_words(tokenizer):
    told = Told(tokenizer)
    ids = tokenizer.encode("the 猫 sat")
    told.hear(ids, [-0.5] * len(ids), [])
    assert told.passed("") == []
    assert b"".join(token.piece for token in told.passed("the ")) == b"the "
    rest = told.passed("猫 sat (Page: X)")
    assert b"".join(token.piece for token in rest).decode() == "猫 sat"
    assert rest[0].offset == 4
