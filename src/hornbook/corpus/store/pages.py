"""A crawl's table: one row a URL, taken or not, with the reason and the place of its record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path

from hornbook.core.files import atomic_writer

ROWS_AT_ONCE = 10_000


@dataclass(frozen=True)
class PageRow:
    """`outcome` is "taken" or "refused"; `reason` one of a few words, `detail` the rest of the story.

    `bytes` and `sha256` are of the payload, content encoding undone; `fetched_at` is ISO 8601, UTC.
    `inlinks` is how many pages of the crawl link to this one, `source` what the recipe had it from: a site, or the name
    of a folder, a file.
    """

    url: str
    depth: int
    outcome: str
    reason: str | None = None
    detail: str | None = None
    canonical: str | None = None
    status: int | None = None
    content_type: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    fetched_at: str | None = None
    warc_file: str | None = None
    warc_offset: int | None = None
    warc_length: int | None = None
    inlinks: int = 0
    source: str = ""


def write_pages(path: Path, rows: Iterable[PageRow]) -> None:
    """Write the table atomically, in the order given, a few thousand rows at a time."""
    import pyarrow
    import pyarrow.parquet

    numbers = {"depth": pyarrow.int32(), "status": pyarrow.int32(), "bytes": pyarrow.int64(),
               "inlinks": pyarrow.int32(),
               "warc_offset": pyarrow.int64(), "warc_length": pyarrow.int64()}  # fmt: skip
    schema = pyarrow.schema([(each.name, numbers.get(each.name, pyarrow.string())) for each in fields(PageRow)])
    waiting = iter(rows)
    with atomic_writer(path) as file, pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while some := [vars(row) for row in islice(waiting, ROWS_AT_ONCE)]:
            writer.write_table(pyarrow.Table.from_pylist(some, schema=schema))


def read_pages(path: Path) -> list[PageRow]:
    """The rows of a table."""
    import pyarrow.parquet

    return [PageRow(**row) for row in pyarrow.parquet.read_table(path).to_pylist()]
