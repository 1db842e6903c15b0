"""The tables of a corpus: documents kept, documents held out, documents refused with their reason."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pyarrow
import pyarrow.parquet

from hornbook.core.digest import digest_bytes
from hornbook.core.files import atomic_writer
from hornbook.core.seeds import derive
from hornbook.corpus.tagging.tags import NUMBERS

EXCERPT = 400
ROW_GROUP, ROW_GROUP_BYTES = 4096, 16_000_000
FIRST = ("id", "url", "title", "text", "language", "language_score", "quality", "source", "license", "fetched_at")
REFUSED = pyarrow.schema([
    ("id", pyarrow.string()), ("url", pyarrow.string()), ("step", pyarrow.string()), ("reason", pyarrow.string()),
    ("detail", pyarrow.string()), ("title", pyarrow.string()), ("excerpt", pyarrow.string()),
    ("bytes", pyarrow.int64()),
])  # fmt: skip


def document_id(url: str) -> str:
    """Sixteen letters that name the document of a URL, the same in every run."""
    return digest_bytes(url.encode("utf-8", "replace"))[:16]


def is_held_out(document: str, share: float, seed: int) -> bool:
    """Whether a document is kept from training: by a keyed hash of its id, so that others' coming and going never
    changes it."""
    return derive(seed, "holdout", document) / (1 << 63) < share


def excerpt(text: str) -> str:
    """The beginning of a text, for a person to look at."""
    return text if len(text) <= EXCERPT else text[:EXCERPT] + " …"


DOCUMENTS = [*FIRST, *(name for name in NUMBERS if name not in FIRST)]


class TableWriter:
    """A Parquet file written piece by piece, in row groups of a fair size; it appears when the block ends well. Its
    columns are those of the first piece. A dictionary of the values of each column is left out where no value comes
    twice."""

    def __init__(self, path: Path, *, use_dictionary: bool = True):
        self.rows = 0
        self._path, self._use_dictionary = path, use_dictionary
        self._waiting: list[pyarrow.Table] = []
        self._writer: pyarrow.parquet.ParquetWriter | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._file = self._stack.enter_context(atomic_writer(self._path))
        return self

    def __exit__(self, *error: Any) -> None:
        if error[0] is None:
            self._flush()
        self._stack.__exit__(*error)

    def write(self, table: pyarrow.Table) -> None:
        """Add rows, in order."""
        self._waiting.append(table)
        self.rows += table.num_rows
        waiting = sum(part.num_rows for part in self._waiting), sum(part.nbytes for part in self._waiting)
        if waiting[0] >= ROW_GROUP or waiting[1] >= ROW_GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = pyarrow.concat_tables(self._waiting)
        if self._writer is None:
            self._writer = self._stack.enter_context(pyarrow.parquet.ParquetWriter(
                self._file, table.schema, compression="zstd", use_dictionary=self._use_dictionary
            ))  # fmt: skip
        self._writer.write_table(table, row_group_size=ROW_GROUP)
        self._waiting = []


def write_table(path: Path, table: pyarrow.Table) -> None:
    """Write a Parquet file atomically."""
    with atomic_writer(path) as file:
        pyarrow.parquet.write_table(table, file, compression="zstd", row_group_size=ROW_GROUP)
