"""Scopes, rates, origins, the queue, draining and slow peers, on a real socket."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import httpx
import pytest

from hornbook.serving.app import create_app
from hornbook.serving.connection import Connection
from hornbook.serving.guard import Limits
from hornbook.serving.keys import Keys
from hornbook.serving.limits import Rates
from tests.serving.conftest import free_port, serving
from tests.serving.test_chat import user

ASKED = {"model": "isle", "messages": user("Hello."), "max_tokens": 2}


def ask(base: str, secret: str | None = None, **more) -> httpx.Response:
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    return httpx.post(f"{base}/v1/chat/completions", json={**ASKED, **more}, headers=headers, timeout=60)


def test_a_key_opens_what_its_scopes_name(chat, tmp_path):
    keys = Keys(tmp_path / "keys.toml")
    talks, watches = keys.add("talks", scopes=("chat",)), keys.add("watches", scopes=("metrics",))
    with serving(create_app(chat, keys=keys)) as base:
        assert ask(base, talks).status_code == 200
        refused = ask(base, watches)
        assert (refused.status_code, refused.json()["error"]["type"]) == (403, "permission_error")
        for secret, status in ((talks, 403), (watches, 200), (None, 401)):
            headers = {"Authorization": f"Bearer {secret}"}
            assert httpx.get(f"{base}/metrics", headers=headers).status_code == status
        for path in ("/health", "/ready", "/version", "/"):
            assert httpx.get(f"{base}{path}").status_code == 200
        keys.revoke("talks")
        refused = ask(base, talks)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")


def test_each_key_has_a_rate_of_its_own(chat, tmp_path):
    keys = Keys(tmp_path / "keys.toml")
    slow, quick = keys.add("slow", requests=2), keys.add("quick")
    with serving(create_app(chat, keys=keys)) as base:
        assert [ask(base, slow).status_code for _ in range(3)] == [200, 200, 429]
        told = ask(base, slow)
        assert told.json()["error"]["type"] == "rate_limit_error"
        assert 20 < int(told.headers["retry-after"]) <= 30
        assert ask(base, quick).status_code == 200


def test_tokens_are_counted_read_and_said(chat):
    with serving(create_app(chat, limits=Limits(rates=Rates(tokens=520)))) as base:
        assert 6 < ask(base).json()["usage"]["total_tokens"] < 100
        told = ask(base, max_tokens=200, n=2, messages=user("a " * 60))
        assert told.status_code == 429
        assert 0 < int(told.headers["retry-after"]) <= 60
        told = ask(base, max_tokens=200, n=4)
        assert (told.status_code, told.json()["error"]["param"]) == (400, "max_tokens")
        assert ask(base).status_code == 200  # what was refused took nothing


def test_when_too_many_wait_the_next_is_told_to_come_again(chat):
    with serving(create_app(chat, queue=1)) as base:
        with httpx.stream("POST", f"{base}/v1/chat/completions", timeout=60,
                          json={**ASKED, "stream": True, "max_tokens": 200, "ignore_eos": True}) as stream:
            lines = stream.iter_lines()
            next(lines)
            told = ask(base)
            assert (told.status_code, told.headers["retry-after"]) == (429, "1")
            assert list(lines)[-2] == "data: [DONE]"
        assert ask(base).status_code == 200


def test_an_answer_that_takes_too_long_is_given_up(chat):
    with serving(create_app(chat, seconds=0.0)) as base:
        assert ask(base).status_code == 504
        last = ask(base, stream=True).text.strip().split("\n\n")[-1]
        assert json.loads(last.removeprefix("data: "))["error"]["type"] == "server_error"


def test_only_named_origins_may_read(chat):
    def preflight(base: str, origin: str) -> httpx.Response:
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST",
                   "Access-Control-Request-Headers": "content-type, authorization"}
        return httpx.options(f"{base}/v1/chat/completions", headers=headers)

    with serving(create_app(chat, origins=("https://docs.example",))) as base:
        assert preflight(base, "https://docs.example").headers["access-control-allow-origin"] == "https://docs.example"
        assert preflight(base, "https://evil.example").status_code == 400
        told = httpx.get(f"{base}/v1/models", headers={"Origin": "https://docs.example"})
        assert told.headers["access-control-allow-origin"] == "https://docs.example"
    with serving(create_app(chat)) as base:
        assert "access-control-allow-origin" not in preflight(base, "https://docs.example").headers
        assert "access-control-allow-origin" not in httpx.get(f"{base}/health", headers={"Origin": "https://x.y"}).headers


def test_a_body_that_does_not_come_is_not_waited_for(chat):
    with serving(create_app(chat, limits=Limits(seconds=0.3))) as base, connected(base) as peer:
        peer.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                     b"Content-Length: 100\r\n\r\n{")
        assert everything(peer).startswith(b"HTTP/1.1 408 ")


def test_a_head_that_does_not_come_and_a_reader_who_does_not_read_are_let_go(chat, monkeypatch):
    monkeypatch.setattr(Connection, "head_seconds", 0.3)
    monkeypatch.setattr(Connection, "write_seconds", 0.3)
    with serving(create_app(chat)) as base:
        with connected(base) as peer:
            peer.sendall(b"GET /health HT")
            assert everything(peer) == b""
        with connected(base) as peer:  # nothing at all
            assert everything(peer) == b""
        with connected(base, received=2048) as peer, pytest.raises(OSError):
            ask_without_reading(peer)
        assert ask(base).status_code == 200


def test_a_flood_of_headers_is_refused(base):
    with connected(base) as peer:
        peer.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        try:
            for number in range(20_000):
                peer.sendall(b"X-%d: %s\r\n" % (number, b"y" * 40))
        except OSError:
            pass
        assert b"200 OK" not in everything(peer)
    assert httpx.get(f"{base}/health").status_code == 200


def test_half_a_socket_is_closed_cleanly(base, chat):
    with connected(base) as peer:
        body = json.dumps({**ASKED, "max_tokens": 200, "stream": True}).encode()
        peer.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                     b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        peer.recv(10)
        peer.shutdown(socket.SHUT_WR)
        everything(peer)
    deadline = time.monotonic() + 20
    while chat.engine.busy and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not chat.engine.busy
    assert ask(base).status_code == 200


def test_sigterm_lets_answers_end(folder, tmp_path):
    port = free_port()
    environment = {**os.environ, "HORNBOOK_KEYS": str(tmp_path / "none.toml")}
    environment.pop("HORNBOOK_API_KEY", None)
    command = [sys.executable, "-m", "hornbook.cli", "serve", str(folder), "--port", str(port)]
    base = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            wait_for(base)
            asked = {**ASKED, "stream": True, "max_tokens": 240, "ignore_eos": True, "n": 16, "temperature": 1}
            with httpx.stream("POST", f"{base}/v1/chat/completions", json=asked, timeout=60) as stream:
                lines = stream.iter_lines()
                next(lines)
                process.send_signal(signal.SIGTERM)
                time.sleep(0.2)
                assert httpx.get(f"{base}/ready").status_code == 503
                assert httpx.get(f"{base}/health").status_code == 200
                told = ask(base)
                assert (told.status_code, told.headers["retry-after"]) == (503, "5")
                assert list(lines)[-2] == "data: [DONE]"
            assert process.wait(30) in (0, -signal.SIGTERM)
            assert "Traceback" not in process.stderr.read()
        finally:
            process.kill()


def test_figures_for_prometheus(chat):
    with serving(create_app(chat)) as base:
        def figures() -> dict[str, float]:
            lines = httpx.get(f"{base}/metrics").text.splitlines()
            return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[0] != "#"}

        before, name = figures(), '{model_name="isle"}'
        done = [ask(base, max_tokens=5, ignore_eos=True).json() for _ in range(2)]
        after = figures()
        grown = {key: value - before.get(key, 0) for key, value in after.items()}
        assert grown[f"vllm:prompt_tokens_total{name}"] == sum(one["usage"]["prompt_tokens"] for one in done)
        assert grown[f"vllm:generation_tokens_total{name}"] == 10
        assert grown['vllm:request_success_total{finished_reason="length",model_name="isle"}'] == 2
        assert grown[f"vllm:time_to_first_token_seconds_count{name}"] == 2
        assert grown[f"vllm:inter_token_latency_seconds_count{name}"] == 8
        assert grown[f"vllm:e2e_request_latency_seconds_count{name}"] == 2
        assert grown[f"vllm:prefix_cache_queries_total{name}"] == grown[f"vllm:prompt_tokens_total{name}"]
        cached = sum(one["usage"]["prompt_tokens_details"]["cached_tokens"] for one in done)
        assert grown[f"vllm:prefix_cache_hits_total{name}"] == cached
        for gauge in ("num_requests_running", "num_requests_waiting"):
            assert after[f"vllm:{gauge}{name}"] == 0
        assert 0 <= after[f"vllm:kv_cache_usage_perc{name}"] <= 1
        assert f"vllm:num_preemptions_total{name}" in after


def connected(base: str, received: int | None = None) -> socket.socket:
    address = urlsplit(base)
    peer = socket.socket()
    peer.settimeout(20)
    if received is not None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, received)
    peer.connect((address.hostname, address.port))
    return peer


def ask_without_reading(peer: socket.socket) -> None:
    """On and on, for as long as it is let."""
    for number in range(5000):
        peer.sendall(b"GET /chat.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        time.sleep(0.1 if number > 4900 else 0)


def everything(peer: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    parts = []
    try:
        while part := peer.recv(65_536):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts)


def wait_for(base: str) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            assert httpx.get(f"{base}/ready").status_code == 200
            return
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
