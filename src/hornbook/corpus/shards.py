"""Work over pages in shards: each is written whole or not at all, so a kill loses at most the shards under way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from hornbook.core.errors import HornbookError

Task = tuple[Path, tuple[Any, ...]]  # the file a shard ends in, and what the worker is given besides


class Pool(Protocol):
    """Where shards are worked on."""

    def map(self, work: Callable[..., float], tasks: Sequence[Task], on_done: Callable[[int], None]) -> float: ...

    def close(self) -> None: ...


def unfinished(tasks: Sequence[Task], on_done: Callable[[int], None]) -> Iterator[int]:
    """The tasks whose files are not there yet; `on_done` hears of the others."""
    for index, (path, _) in enumerate(tasks):
        if path.exists():
            on_done(index)
        else:
            yield index


def died_twice(task: Task) -> HornbookError:
    """What to say when a worker dies at a shard again."""
    return HornbookError(
        "a worker process died twice at the same pages", where=task[0].name,
        fix="free some memory, or report these pages if there is plenty",
    )


def processor_seconds() -> float:
    """Processor time of this process so far."""
    return time.process_time()
