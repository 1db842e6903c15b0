"""A SQLite index over every run's records, for `list` and for estimates. Rebuilt from the records, never the truth."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hornbook.core.digest import digest_json
from hornbook.core.errors import DamagedError
from hornbook.pipeline.record import RECORD_NAME, Record

COLUMNS = "path, stamp, run, step, stage, size, config, identity, digest, started, seconds, peak_memory, bytes"


@dataclass(frozen=True)
class Row:
    """One artifact as the index knows it. `path` is relative to the runs folder; times in seconds, sizes in bytes."""

    path: str
    stamp: int
    run: str
    step: str
    stage: str
    size: str
    config: str
    identity: str
    digest: str
    started: str
    seconds: float
    peak_memory: int
    bytes: int


class Index:
    """The index of the runs in `folder`. It is brought up to date each time it is opened for reading."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._path = folder / "index.sqlite"

    def rows(self) -> list[Row]:
        """Every artifact, newest last."""
        with self._fresh() as database:
            return [Row(*row) for row in database.execute(f"SELECT {COLUMNS} FROM artifacts ORDER BY started, path")]

    def seconds(self, stage: str, size: str, config: str) -> float | None:
        """What the stage last took: with this configuration (its digest) if ever, else at this size."""
        rows = [row for row in self.rows() if row.stage == stage]
        for alike in ([r for r in rows if r.config == config], [r for r in rows if r.size == size]):
            if alike:
                return alike[-1].seconds
        return None

    @contextmanager
    def _fresh(self) -> Generator[sqlite3.Connection, None, None]:
        try:
            database = self._refreshed(self._path)
        except sqlite3.OperationalError:  # a full disk, a folder that cannot be written: the index can do without one
            database = self._refreshed(":memory:")
        except sqlite3.DatabaseError:  # not a database any more: the records are the truth
            self._path.unlink(missing_ok=True)
            database = self._refreshed(self._path)
        with closing(database):
            yield database

    def _refreshed(self, path: Path | str) -> sqlite3.Connection:
        database = sqlite3.connect(path)
        try:
            with database:
                database.execute(f"CREATE TABLE IF NOT EXISTS artifacts ({COLUMNS}, PRIMARY KEY (path))")
                known = dict(database.execute("SELECT path, stamp FROM artifacts"))
                there = {str(p.parent.relative_to(self._folder)): p.stat().st_mtime_ns for p in self._records()}
                gone = [(path,) for path, stamp in known.items() if there.get(path) != stamp]
                database.executemany("DELETE FROM artifacts WHERE path = ?", gone)
                for path, stamp in there.items():
                    if known.get(path) != stamp and (row := _row(self._folder, path, stamp)):
                        marks = ", ".join("?" * len(row))
                        database.execute(f"INSERT OR REPLACE INTO artifacts VALUES ({marks})", row)
        except BaseException:
            database.close()
            raise
        return database

    def _records(self) -> Iterator[Path]:
        return self._folder.glob(f"[!.]*/[!.]*/[!.]*/{RECORD_NAME}")


def _row(folder: Path, path: str, stamp: int) -> tuple[object, ...] | None:
    try:
        record = Record.read(folder / path)
    except DamagedError:
        return None  # plan and run say so; a list of what is whole leaves it out
    size = sum(entry.size for entry in record.files.values())
    return (
        path, stamp, Path(path).parts[0], record.step, record.stage, record.size, digest_json(record.config),
        record.identity, record.digest, record.started, record.seconds, record.peak_memory_bytes, size,
    )  # fmt: skip
