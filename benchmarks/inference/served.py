"""A real `hornbook serve` on a deployment of a small random model."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.inference.shape import spread
from hornbook.models import Transformer, TransformerConfig, save_model
from hornbook.safety import DEFAULT
from hornbook.serving.settings import Settings
from hornbook.tokens.tokenizer import Tokenizer

NAME = "small"
TEXT = "the cat sat on a mat and dog ran to its own house where people lived in old times by sea mill"
WORDS = TEXT.split(" ")
START_SECONDS, STOP_SECONDS = 60, 40


@dataclass(frozen=True)
class Served:
    """A server under way."""

    base: str
    process: int

    @property
    def resident_mb(self) -> float:
        """Memory that the process holds now."""
        pages = int(Path(f"/proc/{self.process}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def served(folder: Path, *options: str) -> Iterator[Served]:
    """A server of a deployment that is made in the folder, until the block ends."""
    _deployment(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "hornbook.cli", "serve", str(folder), "--port", str(port), *options]
    environment = {key: value for key, value in os.environ.items() if key != "HORNBOOK_API_KEY"}
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment)
    base = f"http://127.0.0.1:{port}"
    try:
        _wait(base, process)
        yield Served(base, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def questions(count: int) -> list[str]:
    """So many different lines of words."""
    draw = random.Random(0)
    return [" ".join(draw.choices(WORDS, k=draw.randint(4, 24))) for _ in range(count)]


def _deployment(folder: Path) -> None:
    draw = random.Random(0)
    tokenizer = Tokenizer.train([" ".join(draw.choices(WORDS, k=20)) for _ in range(50)], 320, fill=False)
    config = TransformerConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=16, max_position_embeddings=1024,
    )  # fmt: skip
    save_model(spread(Transformer(config, seed=0)), folder / "model")
    tokenizer.save(folder / "model")
    (folder / "policy.toml").write_text(DEFAULT, encoding="utf-8")
    Settings(name=NAME, max_tokens=64).write(folder)


def _wait(base: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{base}/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        time.sleep(0.1)
    raise RuntimeError("hornbook serve did not start")
