"""Pieces of text: whole characters, stop texts, cancelling, and what a listener hears."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.inference import Engine, Request, Sampling
from hornbook.inference.text import TextStream
from hornbook.tokens.tokenizer import Tokenizer
from tests.inference.test_engine import requests

BYTES = Tokenizer([bytes([byte]) for byte in range(256)])  # every token is one byte: every character can be cut


@given(st.text(max_size=40), st.lists(st.text(min_size=1, max_size=3), max_size=3))
@settings(max_examples=200)
def test_pieces_are_the_text_up_to_the_first_stop(text, stops):
    text = text.encode("utf-8", "replace").decode()
    stops = [stop.encode("utf-8", "replace").decode() for stop in stops]
    stream = TextStream(BYTES, stops)
    pieces = []
    for byte in text.encode():
        pieces.append(stream.push(byte))
        if stream.stopped:
            break
    pieces.append(stream.finish())
    assert "".join(pieces) == stream.text == _until_first(text, stops)
    assert all("�" not in piece for piece in pieces) or "�" in text


def _until_first(text: str, stops: list[str]) -> str:
    """The text before the stop that is complete first; of those complete at one time, the one that begins first."""
    for end in range(1, len(text) + 1):
        begins = [end - len(stop) for stop in stops if text[:end].endswith(stop)]
        if begins:
            return text[: min(begins)]
    return text


@given(st.binary(max_size=30))
@settings(max_examples=200)
def test_bytes_that_are_no_characters_come_out_as_a_decoder_has_them(data):
    stream = TextStream(BYTES)
    assert "".join([*(stream.push(byte) for byte in data), stream.finish()]) == data.decode("utf-8", "replace")


def test_stream_is_generate(model, tokenizer):
    engine = Engine(model, tokenizer)
    for request in requests(8):
        chunks = list(engine.stream(request))
        whole = engine.generate([request])[0]
        assert chunks[-1].completion == whole
        assert "".join(chunk.text for chunk in chunks) == whole.text


def test_a_stop_text_ends_the_answer(model, tokenizer):
    engine = Engine(model, tokenizer)
    plain = engine.generate([Request(ids=[1, 2, 3], sampling=Sampling(max_tokens=40))])[0]
    text = plain.text
    stop = text[len(text) // 2 : len(text) // 2 + 3]
    cut = engine.generate([Request(ids=[1, 2, 3], sampling=Sampling(max_tokens=40, stop=(stop,)))])[0]
    assert cut.finish_reason == "stop"
    assert cut.text == text[: text.index(stop)]
    assert cut.ids == plain.ids[: len(cut.ids)]


def test_requests_come_and_go_without_disturbing_each_other(model, tokenizer):
    """Tickets added and cancelled at random moments: those left give what they give alone."""
    engine, draw = Engine(model, tokenizer, slots=4), random.Random(0)
    asked = requests(30, most=25)
    tickets = [engine.ticket(request) for request in asked]
    waiting, cancelled = list(tickets), set()
    while waiting or engine.step():
        if waiting and draw.random() < 0.4:
            engine.add(waiting.pop(0))
        if draw.random() < 0.1:
            ticket = draw.choice(tickets)
            if ticket.completion is None and ticket not in waiting:
                engine.cancel(ticket)
                cancelled.add(ticket)
        engine.step()
    assert cancelled
    for request, ticket in zip(asked, tickets, strict=True):
        alone = Engine(model, tokenizer).generate([request])[0]
        assert ticket.completion is not None
        if ticket in cancelled:
            assert ticket.completion.finish_reason == "cancelled"
            assert ticket.completion.ids == alone.ids[: len(ticket.completion.ids)]
        else:
            assert ticket.completion.ids == alone.ids


def test_a_stream_that_is_dropped_leaves_the_engine_free(model, tokenizer):
    engine = Engine(model, tokenizer, slots=1)
    stream = engine.stream(Request(ids=[1, 2], sampling=Sampling(max_tokens=50)))
    next(stream)
    stream.close()
    assert not engine.step()
