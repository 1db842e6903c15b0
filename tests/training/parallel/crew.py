"""Processes that train together in a test: forked from one server that has imported torch, so that each costs nothing
but its work."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import socket
import traceback
from collections.abc import Callable
from typing import Any

PATIENCE = 240  # seconds: the machine may be at work
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["torch", "torch.distributed.fsdp", "hornbook.training.parallel.tensor",
                                 "hornbook.training.parallel.shards", "hornbook.training.fit"])  # fmt: skip


def together(size: int, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What `work(*arguments)` gives in each of `size` processes; a process that was killed gives its exit status."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    pipes = [_context.Pipe(duplex=False) for _ in range(size)]
    crew = [
        _context.Process(target=_one, args=(rank, size, port, pipe[1], work, arguments), daemon=True)
        for rank, pipe in enumerate(pipes)
    ]
    for process, pipe in zip(crew, pipes, strict=True):
        process.start()
        pipe[1].close()
    said = [_heard(process, pipe[0]) for process, pipe in zip(crew, pipes, strict=True)]
    for process in crew:
        process.kill()
        process.join()
    failures = [word for word in said if isinstance(word, str) and word.startswith("Traceback")]
    assert not failures, failures[0]
    return said


def _heard(process: Any, pipe: Any) -> Any:
    try:
        return pickle.loads(pipe.recv_bytes()) if pipe.poll(PATIENCE) else "Traceback: it took too long"
    except EOFError:
        process.join(PATIENCE)
        return process.exitcode


def _one(rank: int, size: int, port: int, pipe: Any, work: Callable[..., Any], arguments: tuple) -> None:
    import torch

    torch.set_num_threads(1)
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()})
    try:
        pipe.send_bytes(pickle.dumps(work(*arguments)))
    except BaseException:
        pipe.send_bytes(pickle.dumps(traceback.format_exc()))
