"""Paragraphs that stand in several kept documents: each stays in the first, in the order of site and URL.

Only what is kept has a claim to a paragraph. Whether a document is kept may hang on the paragraphs it loses to those
before it, so the documents are gone through in turns: in each, those that fell in the turn before claim nothing, and
those whose paragraphs changed by that are judged again. The first document loses nothing, so the second is settled
after one turn, the third after two, and so on: the turns end, in practice after two or three, and in what going through
the documents one by one would have given.
"""

from __future__ import annotations

from collections.abc import Sequence
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
_PARTS = 16


def without_repeats(left: Left, work: Path, sieve: Sieve, scoring: Scoring, pool: Pool) -> tuple[Left, float]:
    """What is left when no kept document has a paragraph of an earlier one, and the processor seconds it took.

    Of paragraphs that stand but once nothing is held. Documents are not compared again for being copies of each other
    without what is cut.
    """
    kept = [left.of_shard(number)[0] for number in range(len(left.shards))]
    hashed = [work / f"paragraphs-{shard.tags.stem}.parquet" for shard in left.shards]
    given = zip(hashed, zip(left.shards, kept, strict=True), strict=True)
    seconds = pool.map(hash_shard, list(given), lambda index: None)
    hashes, places = _shared(hashed)
    borders = np.cumsum([0, *map(len, places)])
    claims = np.ones(len(hashes.counts), bool)
    edits: list[Path | None] = [None] * len(kept)
    shards, seen, turn, settled = left.shards, np.zeros(len(hashes.values), bool), 0, False
    while not settled:
        before, seen = seen, repeated(hashes, claims)
        tasks: list[Task] = []
        for number, shard in enumerate(left.shards):
            own = slice(borders[number], borders[number + 1])
            if not np.array_equal(seen[own], before[own]):
                edits[number] = path = work / f"repeats-{turn:03d}-{shard.tags.stem}.parquet"
                cut = places[number][seen[own]]
                tasks.append((path, (shard, kept[number], hashed[number], cut, sieve, scoring)))
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
    path: Path, shard: Shard, rows: np.ndarray, hashed: Path, places: np.ndarray, sieve: Sieve, scoring: Scoring
) -> float:
    """Take the paragraphs at some `places` out of a shard's `rows`, counted as `hashed` has them; the processor seconds
    it took."""
    started = processor_seconds()
    hashes, table = _read(hashed), shard.read()
    seen = np.zeros(len(hashes.values), bool)
    seen[places] = True
    cuts, texts = [], table.column("text")
    for row, own in zip(rows.tolist(), np.split(seen, hashes.ends[:-1]), strict=True):
        if own.any():
            text = texts[row].as_py()
            rest = without_repeated(text, own.tolist())
            many = int(np.count_nonzero(own))
            told = f"{many} of its paragraphs, {len(text) - len(rest):,} of {len(text):,} characters, stand in others"
            cuts.append(Cut(row, rest, many, Verdict(REASON, told, "deduplicate")))
    write_edits(path, table, cuts, sieve, scoring)
    return processor_seconds() - started


def _shared(paths: Sequence[Path]) -> tuple[Hashes, list[np.ndarray]]:
    """The hashes that stand more than once in some files, and their places in each file."""
    found: list[np.ndarray] = []
    for part in range(_PARTS):  # so that not all are held
        values = (_read(path).values for path in paths)
        ranked = np.sort(np.concatenate([own[own % np.uint64(_PARTS) == part] for own in values]))
        found.append(np.unique(ranked[1:][ranked[1:] == ranked[:-1]]))
    shared = np.concatenate(found)
    hashes, places = [], []
    for own in map(_read, paths):
        places.append(np.flatnonzero(np.isin(own.values, shared)))
        texts = np.searchsorted(own.ends, places[-1], side="right")
        hashes.append(Hashes(own.values[places[-1]], np.bincount(texts, minlength=len(own.counts))))
    return Hashes.joined(hashes), places


def _read(path: Path) -> Hashes:
    column = pyarrow.parquet.read_table(path).column("paragraphs").combine_chunks()
    counts = np.diff(column.offsets.to_numpy()).astype(np.int64)
    return Hashes(column.flatten().to_numpy(), counts)
