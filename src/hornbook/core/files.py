"""Writing so that a file is whole or not there: temporary name, sync, rename."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from hornbook.core.errors import HornbookError


@contextmanager
def atomic_writer(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """A file that appears at `path` only when the block ends well. `mode` is "wb" or "w" (UTF-8).

    Raises HornbookError, and leaves what was at `path` as it was, when the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise explained(error, path) from error
    finally:
        with suppress(OSError):  # where the folder is none there is nothing to remove
            temporary.unlink()


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with atomic_writer(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, as UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    _sync(folder)


def sync_tree(folder: Path) -> None:
    """Sync every file and folder under `folder`, so that a rename of it commits all of it."""
    for parent, _, names in os.walk(folder):
        for name in names:
            _sync(Path(parent, name))
        _sync(Path(parent))


def explained(error: OSError, path: Path) -> Exception:
    """A full disk, a read-only folder or a quota in the user's words; any other error as it came."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return HornbookError("the disk is full", where=path, fix="free some space and run the same command again")
    if error.errno == errno.EFBIG:
        return HornbookError("no file may grow so large here", where=path, fix="raise `ulimit -f` and run again")
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EEXIST):
        return HornbookError("this place cannot be written", where=path, fix="choose another (for runs: HORNBOOK_RUNS)")
    return error


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
