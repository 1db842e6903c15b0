"""From a crawl to tagged texts, shard by shard: extract, take the site's own lines out, mask personal data, tag.

What is tagged once is kept: the filter and the search for copies work on the tags, so that changing a threshold never
reads a page again. Memory does not grow with the crawl but for a row of its table a page.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

from hornbook.core.files import atomic_writer, write_text
from hornbook.corpus.documents import write_table
from hornbook.corpus.extraction.boilerplate import frequent_lines, line_keys, without_lines
from hornbook.corpus.extraction.extract import Mode, extract
from hornbook.corpus.personal.data import find_personal, treat_personal
from hornbook.corpus.shards import Pool, Task, processor_seconds
from hornbook.corpus.store.urls import site_of
from hornbook.corpus.store.warc import Place, read_at
from hornbook.corpus.tagging.tags import tag

SHARD_PAGES = (64, 1024)  # the fewest and most pages of a shard: a kill loses a shard, a shard costs some milliseconds
SHARD_BYTES = 8_000_000  # of pages as they were fetched: what a worker holds of them, some ten times over
SHARDS = 64  # wanted, between those bounds
SITE_PAGES = 1000  # of a site, to tell its own lines by: they stand on a third of all pages
KEY = "reading.json"
CRAWLED = ("url", "depth", "canonical", "content_type", "bytes", "fetched_at", "inlinks", "source",
           "warc_file", "warc_offset", "warc_length")  # fmt: skip
EXTRACTED = pyarrow.schema([
    ("url", pyarrow.string()), ("site", pyarrow.string()), ("source", pyarrow.string()),
    ("title", pyarrow.string()), ("text", pyarrow.string()), ("fault", pyarrow.string()),
    ("detail", pyarrow.string()), ("license", pyarrow.string()),
    ("link_share", pyarrow.float64()), ("ended", pyarrow.bool_()), ("unclosed", pyarrow.bool_()),
    ("html", pyarrow.bool_()), ("own", pyarrow.bool_()), ("depth", pyarrow.int32()), ("inlinks", pyarrow.int32()),
    ("bytes", pyarrow.int64()), ("fetched_at", pyarrow.string()), ("lines", pyarrow.list_(pyarrow.uint64())),
])  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """How pages are read. `personal` data is masked, loses its lines or is kept (`personal.POLICIES`);
    `extraction` is extract's mode."""

    personal: str = "mask"
    extraction: Mode = "main"
    cpu_seconds: float = 10.0


class Seconds:
    """What the steps took: wall clock by name, and the workers' processor time."""

    def __init__(self) -> None:
        self.by_step: dict[str, float] = {}

    @contextmanager
    def of_this(self, name: str) -> Iterator[None]:
        """Note what the block takes."""
        started = time.perf_counter()
        yield
        self.by_step[name] = round(time.perf_counter() - started, 2)

    def of(
        self, name: str, workers: Pool, step: Callable[..., float], tasks: Iterable[Task],
        on_done: Callable[[int], None] = lambda index: None,
    ) -> None:
        """Map `step` over `tasks` and note both."""
        with self.of_this(name):
            processor = workers.map(step, list(tasks), on_done)
        self.by_step[f"{name}, processor"] = round(processor, 2)


def read_shards(
    pages: pyarrow.Table, warcs: Path, out: Path, work: Path, reading: Reading, key: dict, workers: Pool,
    seconds: Seconds, on_pages: Callable[[int], None],
) -> tuple[list[Path], int]:
    """The tagged shards, written to `out` beside their `key`, in the order of site and URL; and how many lines were
    found to be sites' own.

    `pages` are the rows of the crawl's table that were taken. Finished shards in `work` and `out` are kept from an
    earlier attempt. `on_pages` hears of pages done, twice each page.
    """
    cut = work / "pages.parquet"
    counts = _cut(pages, cut)
    drafts = [work / f"extract-{number:05d}.parquet" for number in range(len(counts))]
    given = [(cut, number, warcs, reading) for number in range(len(counts))]
    tasks = zip(drafts, given, strict=True)
    seconds.of("extract", workers, extract_shard, tasks, lambda index: on_pages(counts[index]))
    with seconds.of_this("lines of the sites"):
        frequent = dict(_frequent(drafts))
    tagged = [out / f"{number:05d}.parquet" for number in range(len(counts))]
    out.mkdir(parents=True, exist_ok=True)
    given = [(draft, _of_shard(frequent, draft), reading.personal) for draft in drafts]
    seconds.of("tag", workers, tag_shard, zip(tagged, given, strict=True), lambda index: on_pages(counts[index]))
    lines = sum(map(len, frequent.values()))
    write_text(out / KEY, json.dumps(key | {"boilerplate_lines": lines}, indent=1, sort_keys=True))
    return tagged, lines


def taken_over(previous: Path | None, out: Path, key: dict) -> tuple[list[Path], int] | None:
    """What `read_shards` gave for an earlier corpus in the folder `previous`, its shards linked to `out`, where they
    were read from the same pages in the same way, as `key` says; None where they were not."""
    if previous is None or not (previous / KEY).exists():
        return None
    said = json.loads((previous / KEY).read_bytes())
    if {name: said.get(name) for name in key} != key:
        return None
    out.mkdir(parents=True, exist_ok=True)
    shards = sorted(previous.glob("*.parquet"))
    for path in (*shards, previous / KEY):
        if not (out / path.name).exists():
            os.link(path, out / path.name)
    return [out / path.name for path in shards], said["boilerplate_lines"]


def reading_key(reading: Reading, source: str) -> dict:
    """What tagged shards depend on: the `source` of the pages, and how they were read."""
    return {"source": source, **asdict(reading)}


def extract_shard(path: Path, cut: Path, number: int, warcs: Path, reading: Reading) -> float:
    """Extract the pages of shard `number` of the table `cut` into `path`; the processor seconds it took."""
    started = processor_seconds()
    rows = pyarrow.parquet.ParquetFile(cut).read_row_group(number).to_pylist()
    found = [_document(row, warcs, reading) for row in rows]
    write_table(path, pyarrow.Table.from_pylist(found, schema=EXTRACTED))
    return processor_seconds() - started


def tag_shard(path: Path, draft: Path, frequent: dict[str, frozenset[int]], personal: str) -> float:
    """Take the sites' own lines out of one shard's pages, tag, mask personal data; the processor seconds it took."""
    started = processor_seconds()
    table = pyarrow.parquet.read_table(draft).drop_columns(["lines"])
    sites = table.column("site").to_pylist()
    texts = [
        without_lines(text or "", frequent.get(site, frozenset()))
        for site, text in zip(sites, table.column("text").to_pylist(), strict=True)
    ]
    table = _with(table, "text", texts)
    tagged = pyarrow.Table.from_batches([tag(batch) for batch in table.combine_chunks().to_batches()])
    for name in ("text", "title"):
        values = [value or "" for value in table.column(name).to_pylist()]
        tagged = _with(tagged, name, [treat_personal(value, find_personal(value), personal) or "" for value in values])
    write_table(path, tagged)
    return processor_seconds() - started


def _cut(pages: pyarrow.Table, path: Path) -> list[int]:
    """Write the pages in the order of site and URL, a row group a shard; the pages of each. Sites lie together, so that
    what is a site's own can be told without holding the others; the cut depends on the pages alone, so that after a
    kill every shard is found again."""
    sites = pyarrow.array([site_of_page(url) for url in pages.column("url").to_pylist()], pyarrow.string())
    pages = pages.select(list(CRAWLED)).append_column("site", sites)
    pages = pages.sort_by([("site", "ascending"), ("url", "ascending")]).combine_chunks()
    fewest, most = SHARD_PAGES
    wanted = max(fewest, min(most, -(-pages.num_rows // SHARDS)))
    starts, held = [], 0
    for index, size in enumerate(pages.column("bytes").fill_null(0).to_pylist()):
        if not starts or index - starts[-1] >= wanted or held + size > SHARD_BYTES:
            starts.append(index)
            held = 0
        held += size
    counts = np.diff([*starts, pages.num_rows]).tolist()
    with atomic_writer(path) as file, pyarrow.parquet.ParquetWriter(file, pages.schema, compression="zstd") as writer:
        for start, count in zip(starts, counts, strict=True):
            writer.write_table(pages.slice(start, count), row_group_size=max(count, 1))
    return counts


def _document(row: dict, warcs: Path, reading: Reading) -> dict:
    known = {name: row[name] for name in ("url", "site", "source", "depth", "inlinks", "bytes", "fetched_at")}
    known["own"] = (row["canonical"] or row["url"]) == row["url"]
    try:
        stored = read_at(warcs, Place(row["warc_file"], row["warc_offset"], row["warc_length"]))
        body, kind = _payload(stored.body, stored.headers), stored.content_type
    except (OSError, ValueError) as error:
        return known | {"fault": "damaged", "detail": f"the WARC record cannot be read ({error})"[:200]}
    page = extract(body, kind, row["url"], cpu_seconds=reading.cpu_seconds, mode=reading.extraction)
    return known | {
        "title": page.title, "text": page.text, "fault": page.fault, "detail": page.detail, "license": page.license,
        "link_share": page.link_share, "ended": page.ended, "unclosed": page.unclosed,
        "html": "html" in kind or (row["content_type"] or "html").endswith("html"),
        "lines": sorted(line_keys(page.text or "")),
    }  # fmt: skip


def _payload(body: bytes, headers: dict[str, str]) -> bytes:
    from hornbook.corpus.extraction.encodings import TooBig, unpacked

    try:
        return unpacked(body, headers.get("content-encoding", ""), 100_000_000)
    except TooBig:
        raise ValueError("it unpacks to more than it may") from None


def _frequent(drafts: Sequence[Path]) -> Iterator[tuple[str, frozenset[int]]]:
    """The sites with lines of their own, and these, told from at most `SITE_PAGES` pages of each, evenly taken."""
    totals: Counter[str] = Counter()
    for path in drafts:
        totals.update(pyarrow.parquet.read_table(path, columns=["site"]).column("site").to_pylist())
    current, seen, asked = "", 0, 0
    counts: Counter[int] = Counter()
    for path in drafts:
        table = pyarrow.parquet.read_table(path, columns=["site", "lines"])
        for own, lines in zip(table.column("site").to_pylist(), table.column("lines").to_pylist(), strict=True):
            if own != current:
                if found := frequent_lines(counts, asked):
                    yield current, found
                current, seen, asked = own, 0, 0
                counts.clear()
            if seen % -(-totals[own] // SITE_PAGES) == 0 and lines:
                counts.update(lines)
                asked += 1
            seen += 1
    if found := frequent_lines(counts, asked):
        yield current, found


def _of_shard(frequent: dict[str, frozenset[int]], draft: Path) -> dict[str, frozenset[int]]:
    sites = set(pyarrow.parquet.read_table(draft, columns=["site"]).column("site").to_pylist())
    return {own: lines for own, lines in frequent.items() if own in sites}


def _with(table: pyarrow.Table, name: str, values: list[str]) -> pyarrow.Table:
    return table.set_column(table.schema.get_field_index(name), name, pyarrow.array(values, pyarrow.string()))


def site_of_page(url: str) -> str:
    """The site of a page, or "folder"."""
    return site_of(url) or "folder"
