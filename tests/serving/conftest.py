"""A deployment of a small random model, and a real server for it on loopback."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from hornbook.inference import Engine
from hornbook.models import save_model
from hornbook.retrieval import Index, Passage
from hornbook.safety import DEFAULT
from hornbook.serving.app import create_app
from hornbook.serving.chat import Chat
from hornbook.serving.server import Server
from hornbook.serving.settings import Settings
from tests.inference.conftest import tokenizer, varied

__all__ = ["tokenizer"]  # the fixture of the engine's tests

PASSAGE = Passage("Mara Tolly", "https://isle.example/mara", "Mara Tolly lives in Port Ellery. She keeps bees.", "Life")


@pytest.fixture(scope="session")
def folder(tokenizer, tmp_path_factory):
    """A whole deployment."""
    path = tmp_path_factory.mktemp("deployment")
    save_model(varied(tokenizer.vocab_size), path / "model")
    tokenizer.save(path / "model")
    Index.build(path / "index", [PASSAGE, Passage("Saltmere", "https://isle.example/saltmere", "Saltmere has a mill.")])
    (path / "policy.toml").write_text(DEFAULT.replace('injection = "flag"', 'injection = "refuse"', 1))
    Settings(name="isle", index="index", max_tokens=24).write(path)
    return path


@pytest.fixture(scope="session")
def chat(folder, tokenizer) -> Chat:
    """The deployment, its model in fp32 so that answers can be compared."""
    loaded = Chat.load(folder)
    engine = Engine(varied(tokenizer.vocab_size), tokenizer, slots=8, frozen=True)
    return Chat(engine, loaded.settings, gate=loaded.gate, index=loaded.index)


@pytest.fixture(scope="session")
def base(chat) -> Iterator[str]:
    """The server's address."""
    with serving(create_app(chat)) as address:
        yield address


@contextlib.contextmanager
def serving(app) -> Iterator[str]:
    """The app behind uvicorn on a free port of loopback."""
    port = free_port()
    server = Server(app, host="127.0.0.1", port=port)
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
