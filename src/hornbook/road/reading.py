"""A corpus read a few documents at a time, in memory that does not grow with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.core.errors import DamagedError
from hornbook.pipeline.record import REBUILD
from hornbook.road.artifacts import Corpus

if TYPE_CHECKING:
    import pyarrow

DOCUMENTS, HELDOUT = "documents*.parquet", "heldout*.parquet"
ROWS = 512


def batches(corpus: Corpus, pattern: str, columns: Sequence[str], *, skip: int = 0) -> Iterator[pyarrow.RecordBatch]:
    """At most ROWS documents each of the files that match, in order, after the first `skip`. Raises DamagedError for a
    file that is no Parquet."""
    for path in _files(corpus, pattern):
        file = _opened(path)
        if skip >= file.metadata.num_rows:
            skip -= file.metadata.num_rows
            continue
        for batch in file.iter_batches(ROWS, columns=list(columns)):
            kept, skip = batch.slice(skip), max(0, skip - batch.num_rows)
            if kept.num_rows:
                yield kept


def count(corpus: Corpus, pattern: str) -> int:
    """How many documents the files that match hold, by their footers. Raises DamagedError as `batches` does."""
    return sum(_opened(path).metadata.num_rows for path in _files(corpus, pattern))


def texts(corpus: Corpus) -> Iterator[str]:
    """The text of every document to train on, in order."""
    for batch in batches(corpus, DOCUMENTS, ["text"]):
        yield from batch.column(0).to_pylist()


def _files(corpus: Corpus, pattern: str) -> list[Path]:
    files = corpus.files(pattern)
    if not files:
        raise DamagedError(f"there is no {pattern} here", where=corpus.path, fix=REBUILD)
    return files


def _opened(path: Path) -> Any:
    import pyarrow
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(path)
    except (OSError, pyarrow.ArrowException) as error:
        said = str(error).splitlines()[0]
        raise DamagedError(f"the documents cannot be read ({said})", where=path, fix=REBUILD) from None
