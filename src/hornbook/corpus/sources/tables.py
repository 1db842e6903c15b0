"""Tables of texts as a source of pages: Parquet, Arrow, JSON lines plain, in gzip or in zstd."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from hornbook.core.errors import InputError
from hornbook.corpus.sources.intake import Found, Part, files_of, folder_url, page_url, refused, taken, too_big

ENDINGS = (".parquet", ".jsonl", ".jsonl.gz", ".jsonl.zst")
ROWS_AT_ONCE = 64
_PACKED = {".gz": "gzip", ".zst": "zstd"}
_BESIDE = ("url", "title")


def table_parts(source: Path, max_bytes: int, column: str) -> Iterator[Part]:
    """Every row of a Parquet or JSON lines file, or of all in a folder, as a text, a file a part."""
    return parts_of(files_of(source, ENDINGS), max_bytes, column)


def parts_of(files: Iterable[tuple[str, Path]], max_bytes: int, column: str) -> Iterator[Part]:
    """Every row of these files, each with its name: texts in `column` and, where there are any, `url` and `title`.

    A row that is no text, or damaged, is refused; so is the rest of a file that breaks off. Raises InputError, when it
    is read, for a file that has no such column.
    """
    for name, path in files:
        yield name, lambda name=name, path=path: _pages(name, path, max_bytes, column)


def _pages(name: str, path: Path, max_bytes: int, column: str) -> Iterator[Found]:
    import pyarrow

    read = {".parquet": _parquet_rows, ".arrow": _arrow_rows}.get(path.suffix, _json_rows)
    number = -1
    try:
        for number, row in enumerate(read(path, max_bytes, column)):
            yield _page(row, f"{folder_url(name)}#{number}", max_bytes, column)
    except (pyarrow.ArrowException, ValueError, EOFError, OSError) as error:
        yield refused(f"{folder_url(name)}#{number + 1}", "damaged", f"not readable from here ({str(error)[:100]})")


def _page(row: dict[str, Any] | str, place: str, max_bytes: int, column: str) -> Found:
    if isinstance(row, str):
        return too_big(place, max_bytes) if row == "too big" else refused(place, row, "no row that can be read")
    text, title = row.get(column), row.get("title")
    url = page_url(str(row.get("url") or ""), place)
    if not isinstance(text, str) or not text.strip():
        return refused(url, "empty", f"no text in its column {column}")
    if isinstance(title, str) and title.strip() and not text.lstrip().startswith("# "):
        text = f"# {title.strip()}\n\n{text}"
    body = text.encode("utf-8", "replace")
    if len(body) > max_bytes:
        return too_big(url, max_bytes, "text/markdown")
    return taken(url, "text/markdown; charset=utf-8", body, "conversion")


def _parquet_rows(path: Path, max_bytes: int, column: str) -> Iterator[dict[str, Any] | str]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path, memory_map=True) as table:
        columns = _columns(table.schema_arrow.names, path, column)
        for batch in table.iter_batches(ROWS_AT_ONCE, columns=columns):
            yield from _rows(batch)


def _arrow_rows(path: Path, max_bytes: int, column: str) -> Iterator[dict[str, Any] | str]:
    import pyarrow

    with pyarrow.memory_map(str(path)) as file, pyarrow.ipc.open_stream(file) as table:
        columns = _columns(table.schema.names, path, column)
        for batch in table:
            for start in range(0, batch.num_rows, ROWS_AT_ONCE):
                some = batch.slice(start, ROWS_AT_ONCE).select(columns)
                some.validate(full=True)  # what a damaged file says of where its texts lie is believed otherwise
                yield from _rows(some)


def _rows(batch: Any) -> list[dict[str, Any] | str]:
    """The rows of a batch, "damaged" for each with a value that is none of its type: bytes that are no UTF-8, a time
    beyond all years."""
    try:
        return batch.to_pylist()
    except (ValueError, OverflowError):
        if batch.num_rows == 1:
            return ["damaged"]
        return [row for index in range(batch.num_rows) for row in _rows(batch.slice(index, 1))]


def _columns(names: list[str], path: Path, column: str) -> list[str]:
    if column not in names:
        there = ", ".join(names[:20])
        raise InputError(f"there is no column {column}", where=path, fix=f"set text_column to one of: {there}")
    return [column, *(name for name in _BESIDE if name in names and name != column)]


def _json_rows(path: Path, max_bytes: int, column: str) -> Iterator[dict[str, Any] | str]:
    """Each line's object, "too big" for a line too long to be held, "damaged" for one that holds no object."""
    import pyarrow

    with pyarrow.input_stream(str(path), compression=_PACKED.get(path.suffix)) as file:
        for line in _lines(io.BufferedReader(file), 8 * max_bytes):  # a letter may be written in six bytes: \u00e9
            if line is None:
                yield "too big"
            elif line.strip():
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError):
                    row = None
                yield row if isinstance(row, dict) else "damaged"


def _lines(file: BinaryIO | io.BufferedReader, limit: int) -> Iterator[bytes | None]:
    """Lines, None for each longer than `limit` bytes."""
    while line := file.readline(limit):
        if len(line) == limit and not line.endswith(b"\n"):
            while (more := file.readline(limit)) and not more.endswith(b"\n"):
                pass
            yield None
        else:
            yield line
