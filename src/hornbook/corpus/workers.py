"""Who works on the shards: processes of this machine, or a Ray cluster."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait as wait_for

import pyarrow

from hornbook.core.processes import release_memory
from hornbook.corpus.cluster import RayWorkers
from hornbook.corpus.shards import Pool, Task, died_twice, unfinished


@contextmanager
def workers(count: int, preload: Sequence[str] = (), *, engine: str = "local") -> Iterator[Pool]:
    """`count` worker processes for the length of the block; the modules `preload` are imported once for all of them.
    With the engine "ray", a cluster's workers instead."""
    if engine == "ray":
        pool: Pool = RayWorkers()
    else:
        pool = Workers(count, preload)
    try:
        yield pool
    finally:
        pool.close()


class Workers:
    """A pool of processes that end when this one does, however it ends."""

    def __init__(self, count: int, preload: Sequence[str] = ()):
        self.count = count
        self._context = get_context("forkserver")
        self._context.set_forkserver_preload(list(preload))
        self._started_pool: ProcessPoolExecutor | None = None

    def map(self, work: Callable[..., float], tasks: Sequence[Task], on_done: Callable[[int], None]) -> float:
        """Call `work(path, *arguments)` for each task whose file is not there yet; the processor seconds they took.

        `on_done` gets the index of each finished task, at once for those found finished. A worker that dies (a parser
        that crashes on one page) has its shard tried once more, alone, before the error is raised. A single task, or
        all of them where one process is asked for, are done in this one: starting others would take longer.
        """
        seconds = 0.0
        waiting = list(unfinished(tasks, on_done))
        if self.count == 1 or len(waiting) == 1:
            for index in waiting:
                seconds += work(tasks[index][0], *tasks[index][1])
                on_done(index)
            return seconds
        again: list[int] = []
        for index, future in self._finished(work, tasks, waiting):
            try:
                seconds += future.result()
                on_done(index)
            except BrokenProcessPool:
                again.append(index)
        for index in again:
            try:
                seconds += self._fresh().submit(_worked, work, tasks[index]).result()
            except BrokenProcessPool:
                raise died_twice(tasks[index]) from None
            on_done(index)
        return seconds

    def close(self) -> None:
        """End the processes."""
        if self._started_pool is not None:
            self._started_pool.shutdown(wait=True, cancel_futures=True)
            self._started_pool = None

    def _pool(self) -> ProcessPoolExecutor:
        return self._started_pool or self._fresh()

    def _fresh(self) -> ProcessPoolExecutor:
        """New processes in the place of those there are."""
        self.close()
        self._started_pool = ProcessPoolExecutor(self.count, mp_context=self._context, initializer=_prepare)
        return self._started_pool

    def _finished(
        self, work: Callable[..., float], tasks: Sequence[Task], waiting: Sequence[int]
    ) -> Iterator[tuple[int, Future[float]]]:
        """Futures as they finish, with no more than two shards a worker handed out at a time."""
        pending: dict[Future[float], int] = {}
        queue = iter(waiting)
        while True:
            for index in queue:
                try:
                    pending[self._pool().submit(_worked, work, tasks[index])] = index
                except BrokenProcessPool:
                    pending[self._fresh().submit(_worked, work, tasks[index])] = index
                if len(pending) >= 2 * self.count:
                    break
            if not pending:
                return
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                yield pending.pop(future), future


def _worked(work: Callable[..., float], task: Task) -> float:
    """Do one task. What it held is given back: the next may be another step, and others need the memory."""
    seconds = work(task[0], *task[1])
    pyarrow.default_memory_pool().release_unused()
    release_memory()
    return seconds


def _prepare() -> None:
    """A worker whose parent was killed would wait for work for ever: it watches the parent and goes with it."""
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_go_with, args=(parent.sentinel,), daemon=True).start()


def _go_with(sentinel: int) -> None:
    wait_for([sentinel])
    os._exit(1)
