"""One run at a time in one folder. The kernel frees the lock when its process dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from hornbook.core.errors import BusyError


@contextmanager
def lock(folder: Path) -> Generator[None, None, None]:
    """Hold the run's folder for the length of the block. Raises BusyError naming the process that has it.

    A POSIX record lock, not flock: a worker that was forked off and outlives us must not keep the folder locked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a+", encoding="ascii") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            fix = "wait for it, or stop it with Ctrl-C: what it has done is kept"
            raise BusyError(f"process {holder} is at work here", where=folder, fix=fix) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def holder(folder: Path) -> str | None:
    """The process that has the run's folder, or None."""
    try:
        with lock(folder):
            return None
    except BusyError:
        return (folder / ".lock").read_text(encoding="ascii").strip()
