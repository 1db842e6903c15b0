"""Processes that train together on this machine: forked from one server that has imported torch, so that each costs
nothing but its work, and started so quickly that they can be killed again and again."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import socket
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # DDP's advice, once a process
PATIENCE = 240  # seconds: the machine may be at work
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([
    "torch", "torch.distributed.fsdp", "hornbook.training.parallel.tensor", "hornbook.training.parallel.shards",
    "hornbook.training.fit", "benchmarks.pretrain.tiny",
])  # fmt: skip


def together(size: int, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What `work(*arguments)` gives in each of `size` processes. Raises RuntimeError with what one of them raised."""
    crew, pipes = started(size, work, *arguments)
    try:
        said = [_heard(pipe) for pipe in pipes]
    finally:
        dismissed(crew)
    for word in said:
        if isinstance(word, _Failure):
            raise RuntimeError(word)
    return said


def started(size: int, work: Callable[..., Any], *arguments: Any) -> tuple[list[BaseProcess], list[Connection]]:
    """The processes at their work, and where each will say what came of it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    pipes = [_context.Pipe(duplex=False) for _ in range(size)]
    crew: list[BaseProcess] = [
        _context.Process(target=_one, args=(rank, size, port, sender, work, arguments), daemon=True)
        for rank, (_, sender) in enumerate(pipes)
    ]
    for process, (_, sender) in zip(crew, pipes, strict=True):
        process.start()
        sender.close()
    return crew, [receiver for receiver, _ in pipes]


def dismissed(crew: list[BaseProcess]) -> None:
    """Kill those that are still there."""
    for process in crew:
        process.kill()
        process.join()


class _Failure(str):
    """A traceback."""


def _heard(pipe: Connection) -> Any:
    if not pipe.poll(PATIENCE):
        return _Failure(f"nothing was heard for {PATIENCE} seconds")
    try:
        return pickle.loads(pipe.recv_bytes())
    except EOFError:
        return _Failure("it was killed")


def _one(rank: int, size: int, port: int, pipe: Connection, work: Callable[..., Any], arguments: tuple) -> None:
    import torch

    torch.set_num_threads(1)
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()})
    try:
        pipe.send_bytes(pickle.dumps(work(*arguments)))
    except BaseException:
        pipe.send_bytes(pickle.dumps(_Failure(traceback.format_exc())))
