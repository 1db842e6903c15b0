"""Tags that need more than the page: how surprising it is to a model of this corpus, what a person's judgements make of
it, whether it holds what a benchmark asks, whether a list names its address.

They are made of the tagged shards, after all of them, and again for every corpus: the pages are not read for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

from hornbook.corpus.copies.decontaminate import Benchmarks
from hornbook.corpus.documents import write_table
from hornbook.corpus.shards import processor_seconds
from hornbook.corpus.tagging.blocklist import Blocklist
from hornbook.corpus.tagging.judgements import load_judge
from hornbook.corpus.tagging.perplexity import PageModel
from hornbook.corpus.tagging.tags import SCORES

BENCHMARK = "benchmark"
NAMED = ("blocklist", BENCHMARK)  # columns that say what a page is refused for, where it is
READ = 500_000  # bytes of the plainest pages that the model of pages learns from
COLUMNS = dict.fromkeys(SCORES, pyarrow.float64()) | dict.fromkeys(NAMED, pyarrow.string())


@dataclass(frozen=True)
class Shard:
    """Some pages: the file of their tags, that of their scores, and files of pages that lost a part (`edits.py`)."""

    tags: Path
    scores: Path
    edits: tuple[Path, ...] = ()

    def read(self, columns: Sequence[str] | None = None) -> pyarrow.Table:
        """All columns of tags and scores, or some, as they are after the edits."""
        wanted = None if columns is None else set(columns)
        table = pyarrow.parquet.read_table(self.tags, columns=wanted and [*(wanted - COLUMNS.keys())])
        scores = pyarrow.parquet.read_table(self.scores, columns=wanted and [*(wanted & COLUMNS.keys())])
        for name, column in zip(scores.column_names, scores.columns, strict=True):
            table = table.append_column(name, column)
        for path in self.edits:
            table = _with_edits(table, path)
        return table


@dataclass(frozen=True)
class Scoring:
    """The files that scores are made with; each worker reads them for itself. `judge` is a folder `save_judge`
    wrote."""

    page_model: Path
    judge: Path | None
    benchmarks: tuple[Path, ...]
    blocklists: tuple[Path, ...]
    address_words: bool


def learn_pages(tagged: Sequence[Path], path: Path) -> None:
    """Write the model of the corpus's own plainest pages to `path`. What is there is left: it was made of the same."""
    if path.exists():
        return
    columns = [pyarrow.parquet.read_table(shard, columns=["form", "characters"]) for shard in tagged]
    owners = np.repeat(np.arange(len(columns)), [table.num_rows for table in columns])
    form, characters = (
        np.concatenate([table.column(name).to_numpy() for table in columns]) for name in ("form", "characters")
    )
    order = np.argsort(-form, kind="stable")
    chosen = np.sort(order[: np.searchsorted(np.cumsum(characters[order]), READ) + 1])
    starts = np.cumsum([0, *(table.num_rows for table in columns)])
    texts: list[str] = []
    for owner in np.unique(owners[chosen]).tolist():
        rows = pyarrow.array(chosen[owners[chosen] == owner] - starts[owner])
        texts += pyarrow.parquet.read_table(tagged[owner], columns=["text"]).column("text").take(rows).to_pylist()
    PageModel.trained(texts, form[chosen].tolist(), READ).save(path)


def score_shard(path: Path, tagged: Path, scoring: Scoring) -> float:
    """Score the pages of one shard into `path`; the processor seconds it took."""
    started = processor_seconds()
    table = pyarrow.parquet.read_table(tagged, columns=["url", "text", "form"])
    write_table(path, scores(table, scoring))
    return processor_seconds() - started


def scores(table: pyarrow.Table, scoring: Scoring) -> pyarrow.Table:
    """The columns `COLUMNS` for pages of which there are `url`, `text` and `form`."""
    urls, texts, form = (table.column(name).to_pylist() for name in ("url", "text", "form"))
    overlaps = benchmarks_of(scoring.benchmarks).overlaps(texts) if scoring.benchmarks else [None] * len(texts)
    blocklist = _blocklist(scoring.blocklists, scoring.address_words)
    return pyarrow.table({
        "bits_per_character": _page_model(scoring.page_model).bits_per_character(texts),
        "quality": form if scoring.judge is None else _judge(scoring.judge)(texts),
        "benchmark": [found and f"{found.benchmark}: {found.ngram}" for found in overlaps],
        "blocklist": [blocklist.refusal(url) for url in urls],
    }, schema=pyarrow.schema(COLUMNS))  # fmt: skip


@lru_cache(maxsize=1)
def benchmarks_of(paths: tuple[Path, ...]) -> Benchmarks:
    """The benchmarks of some files, read once a process."""
    return Benchmarks.read(paths)


def _with_edits(table: pyarrow.Table, path: Path) -> pyarrow.Table:
    edits = pyarrow.parquet.read_table(path, columns=[*table.column_names, "edit_row", "edit_reason"])
    edits = edits.filter(edits.column("edit_reason").is_null())
    places = np.arange(table.num_rows)
    places[edits.column("edit_row").to_numpy()] = table.num_rows + np.arange(edits.num_rows)
    return pyarrow.concat_tables([table, edits.select(table.column_names)]).take(pyarrow.array(places))


@lru_cache(maxsize=1)
def _page_model(path: Path) -> PageModel:
    return PageModel.load(path)


@lru_cache(maxsize=1)
def _judge(folder: Path):
    return load_judge(folder)


@lru_cache(maxsize=1)
def _blocklist(paths: tuple[Path, ...], words: bool) -> Blocklist:
    return Blocklist.read(paths, words)
