"""Content digests by format: what a file says, without when it was written or in what pieces."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from hornbook.core.digest import digest_bytes, digest_file, digest_sorted
from hornbook.core.jsonl import read_jsonl

TIMES = frozenset({"time", "times", "seconds", "fetched_at", "written_at", "created", "tokens_per_second", "mfu"})
BLOCK_ROWS = 1024


def digest_content(files: list[Path], *, ordered: bool = True, without: frozenset[str] = TIMES) -> str:
    """One digest for the content of `files`: Parquet by rows, JSON and JSON lines by value, anything else by bytes.

    Columns and keys named in `without` are left out. `ordered=False` takes rows as a set, for what several workers
    write in the order in which they come. Neither the files' names nor how rows are divided among Parquet files bears.
    """
    rows: dict[str, list[str]] = {}  # rows of one family (all Parquet files called documents*) run on from file to file
    others: list[str] = []
    for path in sorted(files):
        if path.suffix == ".parquet":
            rows.setdefault(_family(path), []).extend(_row_digests(_parquet_rows(path), without))
        elif path.suffix == ".jsonl":
            rows.setdefault(_family(path), []).extend(_row_digests(read_jsonl(path), without))
        elif path.suffix == ".json":
            others.append(_row_digest(json.loads(path.read_bytes()), without))
        else:
            others.append(digest_file(path))
    for family in rows.values():
        others.append(digest_sorted(family) if not ordered else digest_bytes("\n".join(family).encode("ascii")))
    return digest_sorted(others)


def _family(path: Path) -> str:
    return f"{path.stem.rstrip('0123456789-_')}{path.suffix}"


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    from pyarrow import parquet  # pyright: ignore[reportMissingTypeStubs]

    table = cast(Any, parquet.ParquetFile(path))
    for batch in table.iter_batches(BLOCK_ROWS):
        yield from batch.to_pylist()


def _row_digests(rows: Iterator[dict[str, Any]], without: frozenset[str]) -> Iterator[str]:
    return (_row_digest(row, without) for row in rows)


def _row_digest(row: object, without: frozenset[str]) -> str:
    return digest_bytes(json.dumps(_kept(row, without), sort_keys=True, default=_encoded).encode("utf-8"))


def _kept(value: object, without: frozenset[str]) -> object:
    if isinstance(value, Mapping):
        items = cast(Mapping[str, object], value).items()
        return {key: _kept(part, without) for key, part in items if key not in without}
    if isinstance(value, list | tuple):
        return [_kept(part, without) for part in cast(list[object], value)]
    return value


def _encoded(value: object) -> str:
    return digest_bytes(value) if isinstance(value, bytes) else str(value)
