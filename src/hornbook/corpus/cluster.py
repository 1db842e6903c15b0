"""The same shards on a Ray cluster: what `workers.Workers` does with processes of this machine, done with Ray's tasks.

Every node must see the runs folder under the same path (a shared file system) and have Hornbook installed. The files
that come out are the same to the byte: a step's result depends on its shard alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from hornbook.core.cluster import join
from hornbook.core.errors import MissingExtraError
from hornbook.corpus.shards import Task, died_twice, unfinished

IN_FLIGHT = 2  # tasks handed out for every processor of the cluster, so that none waits for the next


class RayWorkers:
    """Joins the cluster that RAY_ADDRESS names; starts one on this machine where it names none. Raises HornbookError
    where none answers."""

    def __init__(self) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray is imported: it would report home
        try:
            ray = import_module("ray")
            self._errors = import_module("ray.exceptions")
        except ImportError:
            raise MissingExtraError("engine = \"ray\" needs Ray", fix="run: pip install 'hornbook[ray]'") from None
        self._ray = ray
        self._joined = join(ray, log_to_driver=False)

    def map(self, work: Callable[..., float], tasks: Sequence[Task], on_done: Callable[[int], None]) -> float:
        """As `Workers.map`: `work(path, *arguments)` for each task whose file is not there yet."""
        ray, seconds = self._ray, 0.0
        remote: Any = ray.remote(max_retries=1)(work)
        most = max(1, int(IN_FLIGHT * ray.cluster_resources().get("CPU", 1)))
        pending: dict[Any, int] = {}
        for index in [*unfinished(tasks, on_done), None]:
            while pending and (index is None or len(pending) >= most):
                done, _ = ray.wait(list(pending), num_returns=1)
                seconds += self._result(done[0], tasks[pending[done[0]]])
                on_done(pending.pop(done[0]))
            if index is not None:
                pending[remote.remote(tasks[index][0], *tasks[index][1])] = index
        return seconds

    def close(self) -> None:
        """Leave the cluster, if it was joined here."""
        if self._joined:
            self._ray.shutdown()

    def _result(self, reference: Any, task: Task) -> float:
        errors = self._errors
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            raise error.cause from None
        except (errors.WorkerCrashedError, errors.OutOfMemoryError, errors.NodeDiedError):
            raise died_twice(task) from None
