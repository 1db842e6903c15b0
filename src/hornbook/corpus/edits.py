"""Documents that lose a part: what is left of each is tagged, scored and sieved again, and kept where it is good.

The edits of a shard are a file beside its tags, which stay as they were read: `Shard.read` lays one over the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow
import pyarrow.parquet

from hornbook.corpus.copies.decontaminate import without
from hornbook.corpus.documents import write_table
from hornbook.corpus.scores import BENCHMARK, Scoring, Shard, benchmarks_of, scores
from hornbook.corpus.shards import processor_seconds
from hornbook.corpus.sieve import GOOD, Sieve, Verdict
from hornbook.corpus.tagging.tags import PERSONAL, tag

_NOTHING = Verdict("empty", "nothing is left that is worth keeping")
# What an edit says beside the columns of a page. Where there is a reason, what was left was not good: the page is
# refused, and its text stays as it was.
_TOLD = pyarrow.schema([
    ("edit_row", pyarrow.int64()), ("edit_step", pyarrow.string()), ("edit_reason", pyarrow.string()),
    ("edit_detail", pyarrow.string()), ("edit_benchmark", pyarrow.string()), ("edit_parts", pyarrow.int64()),
    ("edit_characters", pyarrow.int64()),
])  # fmt: skip


@dataclass(frozen=True)
class Cut:
    """What the page in `row` of a shard is to lose: so many `parts`, so that `text` is left; where that is not good,
    `refusal` is its verdict. `benchmark` names the one whose passages they are."""

    row: int
    text: str
    parts: int
    refusal: Verdict
    benchmark: str | None = None


@dataclass(frozen=True)
class Edit:
    """What became of a page that was to lose some `parts`, of so many `characters` together: its `verdict`."""

    row: int
    verdict: Verdict
    benchmark: str | None
    parts: int
    characters: int


def cut_benchmarks(path: Path, shard: Shard, sieve: Sieve, scoring: Scoring) -> float:
    """Write the edits of the pages that are refused for a benchmark's passages alone: these go, with their margins. The
    processor seconds it took."""
    started = processor_seconds()
    table = shard.read()
    verdicts = {row: verdict for row, verdict in enumerate(sieve(table)) if verdict.reason == BENCHMARK}
    texts = table.column("text").take(pyarrow.array(verdicts, pyarrow.int64())).to_pylist()
    overlaps = benchmarks_of(scoring.benchmarks).overlaps(texts)
    cuts = [
        Cut(row, without(text, overlap), len(overlap.passages), verdict, overlap.benchmark)
        for (row, verdict), text, overlap in zip(verdicts.items(), texts, overlaps, strict=True)
        if overlap is not None
    ]
    write_edits(path, table, cuts, sieve, scoring)
    return processor_seconds() - started


def write_edits(path: Path, table: pyarrow.Table, cuts: Sequence[Cut], sieve: Sieve, scoring: Scoring) -> None:
    """Write to `path` what becomes of some pages of a shard's `table`, by ascending row.

    Personal data stays counted as on the whole page, since it may be masked already.
    """
    before = table.take(pyarrow.array([cut.row for cut in cuts], pyarrow.int64()))
    after = _tagged_again(before, [cut.text for cut in cuts], scoring)
    rows = []
    for cut, found, text in zip(cuts, sieve(after), before.column("text").to_pylist(), strict=True):
        found = found if cut.text else _NOTHING
        why = f"{cut.refusal.detail}; the rest is {found.reason} ({found.detail})"
        verdict = (None, None, None) if found is GOOD else (cut.refusal.step, cut.refusal.reason, why)
        values = cut.row, *verdict, cut.benchmark, cut.parts, len(text) - len(cut.text)
        rows.append(dict(zip(_TOLD.names, values, strict=True)))
    for name, column in zip(_TOLD.names, pyarrow.Table.from_pylist(rows, schema=_TOLD).columns, strict=True):
        after = after.append_column(name, column)
    write_table(path, after)


def with_edits(shards: Sequence[Shard], paths: Sequence[Path | None]) -> list[Shard]:
    """The shards with a file of edits more where there is one, and any in it."""
    return [
        replace(shard, edits=(*shard.edits, path)) if path and pyarrow.parquet.read_metadata(path).num_rows else shard
        for shard, path in zip(shards, paths, strict=True)
    ]


def read_edits(path: Path) -> Iterator[Edit]:
    """What a file of edits says, by ascending row."""
    columns = pyarrow.parquet.read_table(path, columns=_TOLD.names).to_pydict()
    for row, step, reason, detail, *cut in zip(*(columns[name] for name in _TOLD.names), strict=True):
        yield Edit(row, GOOD if reason is None else Verdict(reason, detail, step), *cut)


def lost(shard: Shard) -> dict[int, Verdict]:
    """The pages of a shard of which too little was left, by row."""
    edits = (edit for path in shard.edits for edit in read_edits(path))
    return {edit.row: edit.verdict for edit in edits if edit.verdict is not GOOD}


def _tagged_again(table: pyarrow.Table, texts: list[str], scoring: Scoring) -> pyarrow.Table:
    tagged = tag(pyarrow.record_batch({"text": pyarrow.array(texts, pyarrow.string())})).drop_columns(list(PERSONAL))
    table = _with_columns(table, pyarrow.Table.from_batches([tagged]))
    return _with_columns(table, scores(table, scoring))


def _with_columns(table: pyarrow.Table, others: pyarrow.Table) -> pyarrow.Table:
    for name in others.column_names:
        table = table.set_column(table.column_names.index(name), name, others.column(name))
    return table
