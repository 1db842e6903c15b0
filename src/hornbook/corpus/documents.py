"""The tables of a corpus: documents kept, documents held out, documents refused with their reason."""

from __future__ import annotations

from pathlib import Path

import pyarrow
import pyarrow.parquet

from hornbook.core.digest import digest_bytes
from hornbook.core.files import atomic_writer
from hornbook.core.seeds import derive
from hornbook.corpus.tags import NUMBERS

EXCERPT = 400
ROW_GROUP = 4096
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


def write_documents(path: Path, table: pyarrow.Table) -> None:
    """Write kept or held-out documents: the named columns first, then every tag."""
    names = [*FIRST, *(name for name in NUMBERS if name not in FIRST)]
    write_table(path, table.select(names))


def write_table(path: Path, table: pyarrow.Table) -> None:
    """Write a Parquet file atomically."""
    with atomic_writer(path) as file:
        pyarrow.parquet.write_table(table, file, compression="zstd", row_group_size=ROW_GROUP)
