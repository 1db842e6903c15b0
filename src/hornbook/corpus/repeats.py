"""Paragraphs that stand in several kept documents: each stays in the first, in the order of site and URL.

Only what is kept has a claim to a paragraph. Whether a document is kept may hang on the paragraphs it loses to those
before it, so the documents are gone through in turns: in each, those that fell in the turn before claim nothing, and
those whose paragraphs changed by that are judged again. The first document loses nothing, so the second is settled
after one turn, the third after two, and so on: the turns end, in practice after two or three, and in what going through
the documents one by one would have given.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

from hornbook.corpus.copies.paragraphs import hash_paragraphs, repeated, without_repeated
from hornbook.corpus.copies.shingles import Hashes
from hornbook.corpus.deduplicate import Left
from hornbook.corpus.documents import write_table
from hornbook.corpus.edits import Cut, lost, with_edits, write_edits
from hornbook.corpus.scores import Scoring, Shard
from hornbook.corpus.shards import Pool, Task, processor_seconds
from hornbook.corpus.sieve import Sieve, Verdict

REASON = "shared paragraphs"


def without_repeats(left: Left, work: Path, sieve: Sieve, scoring: Scoring, pool: Pool) -> tuple[Left, float]:
    """What is left when no kept document has a paragraph of an earlier one, and the processor seconds it took.

    Eight bytes a paragraph are held, and a few more for each while they are compared. Documents are not compared again
    for being copies of each other without these paragraphs.
    """
    kept = [left.of_shard(number)[0] for number in range(len(left.shards))]
    hashed = [work / f"paragraphs-{shard.tags.stem}.parquet" for shard in left.shards]
    given = zip(hashed, zip(left.shards, kept, strict=True), strict=True)
    seconds = pool.map(hash_shard, list(given), lambda index: None)
    hashes = Hashes.joined([_read(path) for path in hashed])
    starts = np.cumsum([0, *map(len, kept)])
    ends = np.cumsum([0, *hashes.counts])
    claims = np.ones(len(hashes.counts), bool)
    edits: list[Path | None] = [None] * len(kept)
    seen, turn, settled = np.zeros(len(hashes.values), bool), 0, False
    shards = left.shards
    while not settled:
        before, seen = seen, repeated(hashes, claims)
        tasks: list[Task] = []
        for number, shard in enumerate(left.shards):
            texts = slice(starts[number], starts[number + 1])
            own = slice(ends[texts.start], ends[texts.stop])
            if not np.array_equal(seen[own], before[own]):
                edits[number] = path = work / f"repeats-{turn:03d}-{shard.tags.stem}.parquet"
                tasks.append((path, (shard, kept[number], seen[own], hashes.counts[texts], sieve, scoring)))
        seconds += pool.map(cut_shard, tasks, lambda index: None)
        shards = with_edits(left.shards, edits)
        stay = [~np.isin(rows, [*lost(shard)]) for rows, shard in zip(kept, shards, strict=True)]
        settled, claims = np.array_equal(np.concatenate(stay), claims), np.concatenate(stay)
        turn += 1
    return replace(left, shards=shards), seconds


def hash_shard(path: Path, shard: Shard, rows: np.ndarray) -> float:
    """Hash the paragraphs of some rows of a shard; the processor seconds it took."""
    started = processor_seconds()
    hashes = hash_paragraphs(shard.read(["text"]).column("text").take(pyarrow.array(rows)).to_pylist())
    offsets = np.concatenate([[0], hashes.ends]).astype(np.int32)
    column = pyarrow.ListArray.from_arrays(offsets, pyarrow.array(hashes.values, pyarrow.uint64()))
    write_table(path, pyarrow.table({"paragraphs": column}))
    return processor_seconds() - started


def cut_shard(
    path: Path, shard: Shard, rows: np.ndarray, seen: np.ndarray, counts: np.ndarray, sieve: Sieve, scoring: Scoring
) -> float:
    """Take the paragraphs that were `seen` out of some rows of a shard: one truth for each, of which each row has as
    many as `counts` says. The processor seconds it took."""
    started = processor_seconds()
    table = shard.read()
    cuts, texts = [], table.column("text")
    for row, own in zip(rows.tolist(), np.split(seen, np.cumsum(counts)[:-1]), strict=True):
        if own.any():
            text = texts[row].as_py()
            rest = without_repeated(text, own.tolist())
            many = int(np.count_nonzero(own))
            told = f"{many} of its paragraphs, {len(text) - len(rest):,} of {len(text):,} characters, stand in others"
            cuts.append(Cut(row, rest, many, Verdict(REASON, told, "deduplicate")))
    write_edits(path, table, cuts, sieve, scoring)
    return processor_seconds() - started


def _read(path: Path) -> Hashes:
    column = pyarrow.parquet.read_table(path).column("paragraphs").combine_chunks()
    counts = np.diff(column.offsets.to_numpy()).astype(np.int64)
    return Hashes(column.flatten().to_numpy(), counts)
