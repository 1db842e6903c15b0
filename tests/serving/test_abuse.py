"""Bytes, bodies and peers of every bad kind on a real socket: a 4xx or a clean close, and nobody else notices."""

from __future__ import annotations

import contextlib
import json
import threading
import time

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.serving.test_api import expected
from tests.serving.test_chat import user
from tests.serving.test_guard import ask, connected, everything

POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
GOOD = json.dumps({"model": "isle", "messages": user("Hello."), "max_tokens": 2}).encode()
NO_HTTP = {
    "nothing like it": b"\x00\xff\xfe\x16\x03\x01" * 50,
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "a long line": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    "a header of bytes": POST + b"X: \x00\r\n\r\n",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a length of words": POST + b"Content-Length: many\r\n\r\n{}",
    "a negative length": POST + b"Content-Length: -5\r\n\r\n{}",
    "a length without end": POST + b"Content-Length: " + b"9" * 400 + b"\r\n\r\n{}",
    "a chunk of words": POST + b"Transfer-Encoding: chunked\r\n\r\nmany\r\n{}\r\n0\r\n\r\n",
    "an odd coding": POST + b"Transfer-Encoding: gzip\r\n\r\n{}",
    "no host": b"POST /v1/chat/completions HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("sent", NO_HTTP.values(), ids=NO_HTTP)
def test_what_is_no_http_is_refused_and_closed(base, sent):
    with connected(base) as peer:
        with contextlib.suppress(ConnectionError):
            peer.sendall(sent)
        told = everything(peer)
    assert told == b"" or told.startswith(b"HTTP/1.1 4")
    if told and b"application/json" in told:
        body, _ = json.JSONDecoder().raw_decode(told.partition(b"\r\n\r\n")[2].decode())
        assert body["error"]["message"]
    assert httpx.get(f"{base}/health").status_code == 200


@given(st.binary(max_size=200), st.booleans())
@settings(max_examples=40)
def test_any_bytes_at_all(base, noise, in_body):
    with connected(base) as peer:
        head = POST + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(noise)
        peer.sendall(head + noise if in_body else noise)
        peer.shutdown(1)
        told = everything(peer)
    assert told == b"" or told.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))


def test_requests_one_behind_the_other_are_answered_in_turn(base):
    whole = POST + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD
    last = whole.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
    with connected(base) as peer:
        peer.sendall(whole + whole + last)
        assert everything(peer).count(b"HTTP/1.1 200 OK") == 3


@pytest.mark.parametrize("body", [
    b'{"a":' * 100_000, b"[" * 1_000_000, b'{"model": "isle", "messages": ' + b'[{"role":"user","content":[' * 500,
    b'{"model": "\xff"}', b'{"model": "\\ud800"}', b"\xef\xbb\xbf{}", "{}".encode("utf-16"), b"NaN", b"1e999",
    b'{"model": "isle", "model": 3}', b'{"seed": ' + b"9" * 100_000 + b"}", b"{}" * 1000,
    json.dumps({"model": "isle", "messages": [{"role": "user", "content": 1}] * 100_000}).encode(),
    json.dumps({"model": "isle", "messages": user("a "), "logit_bias": {str(n): 1 for n in range(100_000)}}).encode(),
    json.dumps({f"wrong{n}": n for n in range(100_000)}).encode(),
    json.dumps({"model": "isle", "messages": user("the cat sat " * 300_000)}).encode(),
])  # fmt: skip
def test_bodies_built_to_hurt_are_refused_soon(base, body):
    began, headers = time.monotonic(), {"Content-Type": "application/json"}
    told = httpx.post(f"{base}/v1/chat/completions", content=body, headers=headers, timeout=30)
    assert told.status_code == 400
    assert len(told.json()["error"]["message"]) < 1000
    assert time.monotonic() - began < 5


def test_nobody_else_notices(base, chat):
    """Streams under way while all of it comes say what they say alone."""
    questions = [f"Tell me of house {number}." for number in range(6)]
    said: dict[str, str] = {}

    def listen(question: str) -> None:
        for _ in range(3):
            body = {"model": "isle", "messages": user(question), "max_tokens": 24, "stream": True}
            with httpx.stream("POST", f"{base}/v1/chat/completions", json=body, timeout=60) as stream:
                events = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: {")]
            said[question] = "".join(event["choices"][0]["delta"].get("content", "") for event in events)

    listeners = [threading.Thread(target=listen, args=(question,)) for question in questions]
    for listener in listeners:
        listener.start()
    while any(listener.is_alive() for listener in listeners):
        for sent in NO_HTTP.values():
            with connected(base) as peer, contextlib.suppress(ConnectionError):
                peer.sendall(sent)
        ask(base, messages=user("a" * 1_000_000))
        ask(base, model="gpt")
        with connected(base) as peer:  # asks, and goes
            peer.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD)
    assert said == {question: expected(chat, question)[0] for question in questions}
