"""Which of the good pages are copies of others: all are signed, some pairs compared, one of every group is left, unless
a document of an earlier corpus is of the group too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

from hornbook.corpus.copies.duplicates import Copy, find_signed_copies
from hornbook.corpus.copies.earlier import Kept, Origin, find_earlier_copies
from hornbook.corpus.copies.minhash import Signatures, bands_for, sign
from hornbook.corpus.documents import TableWriter, write_table
from hornbook.corpus.edits import lost
from hornbook.corpus.scores import Shard
from hornbook.corpus.shards import processor_seconds
from hornbook.corpus.sieve import GOOD, Sieve, Verdict

SEEN = "seen before"
ALIKE = 0.7  # from here on near copies are copies by anyone's threshold; below they may be pages of one template


@dataclass(frozen=True)
class Left:
    """What the search for copies left of the `shards`: the `good` rows of each; `copies` among them, by their place
    when all good rows are counted through; where each shard's begin (`starts`); the URL each copy is refused for; and
    of pages `seen` before the detail: the document of an earlier corpus."""

    shards: Sequence[Shard]
    good: Sequence[np.ndarray]
    starts: np.ndarray
    copies: dict[int, Copy] = field(default_factory=dict)
    urls: dict[int, str] = field(default_factory=dict)
    seen: dict[int, str] = field(default_factory=dict)

    @property
    def unlike(self) -> int:
        """How many near copies are less than `ALIKE` like the page they are refused for."""
        return sum(not copy.exact and copy.similarity < ALIKE for copy in self.copies.values())

    def of_shard(self, number: int) -> tuple[np.ndarray, dict[int, Verdict]]:
        """The rows of a shard to keep, and the verdicts of the copies, and of those that lost too much, by row."""
        rows, start = self.good[number], int(self.starts[number])
        found = lost(self.shards[number])
        for row, place in zip(rows.tolist(), range(start, start + len(rows)), strict=True):
            if place in self.copies or place in self.seen:
                found[row] = self._verdict(place)
        return np.array([row for row in rows.tolist() if row not in found], np.int64), found

    def _verdict(self, place: int) -> Verdict:
        if place in self.seen:
            return Verdict(SEEN, self.seen[place], "deduplicate")
        copy = self.copies[place]
        detail = f"of {self.urls[copy.of]}" + ("" if copy.exact else f", similarity {copy.similarity:.2f}")
        return Verdict("exact copy" if copy.exact else "near copy", detail, "deduplicate")


class GoodPages:
    """The good rows of tagged shards, counted through from 0, and what is read of them when it is asked for."""

    def __init__(self, shards: Sequence[Shard], good: Sequence[np.ndarray]):
        self.shards, self.good = shards, good
        self.starts = np.cumsum([0, *map(len, good)])

    def read(self, column: str, places: Sequence[int]) -> list[str]:
        """A text column of the pages at `places`."""
        wanted = np.asarray(places, np.int64)
        owners = np.searchsorted(self.starts, wanted, side="right") - 1
        found: dict[int, str] = {}
        for owner in np.unique(owners).tolist():
            own = np.unique(wanted[owners == owner])
            rows = pyarrow.array(self.good[owner][own - self.starts[owner]])
            values = self.shards[owner].read([column]).column(column).take(rows)
            found.update(zip(own.tolist(), values.to_pylist(), strict=True))
        return [found[place] for place in wanted.tolist()]

    def ranks(self) -> np.ndarray:
        """The rank of each page among its copies: the page that calls its URL its own comes first, then the one most
        pages link to, the nearest to the start, the one of the shortest URL, the first."""
        columns = ["url", "own", "inlinks", "depth"]
        pairs = zip(self.shards, self.good, strict=True)
        table = pyarrow.concat_tables([shard.read(columns).take(pyarrow.array(rows)) for shard, rows in pairs])
        keys = (
            np.array([len(url) for url in table.column("url").to_pylist()]), table.column("depth").to_numpy(),
            -table.column("inlinks").to_numpy().astype(np.int64), ~table.column("own").to_numpy(zero_copy_only=False),
        )  # fmt: skip
        ranks = np.empty(table.num_rows, np.int64)
        ranks[np.lexsort(keys)] = np.arange(table.num_rows)
        return ranks


def sign_shard(path: Path, shard: Shard, sieve: Sieve, threshold: float) -> float:
    """Sign the good pages of one shard for the search of copies; the processor seconds it took."""
    started = processor_seconds()
    table = shard.read()
    rows = pyarrow.array(np.flatnonzero([verdict is GOOD for verdict in sieve(table)]), pyarrow.int64())
    signatures = sign(table.column("text").take(rows).to_pylist(), *bands_for(threshold))
    write_table(path, signatures.table().append_column("row", rows))
    return processor_seconds() - started


def one_of_each(
    shards: Sequence[Shard], signed: Sequence[Path], threshold: float, earlier: Sequence[Path] = ()
) -> Left:
    """Compare the pages that the signatures propose as copies; of every group the first by rank is left, and not even
    that where one of the group is a copy of a document whose signature is in one of the files `earlier`."""
    good = [pyarrow.parquet.read_table(path, columns=["row"]).column("row").to_numpy() for path in signed]
    pages = GoodPages(shards, good)
    count = int(pages.starts[-1])
    if not count:
        return Left(shards, pages.good, pages.starts)
    ranks = pages.ranks()
    parts = (Signatures.from_table(pyarrow.parquet.read_table(path)) for path in signed)
    signatures = Signatures.joined(parts, count)
    found = find_signed_copies(
        signatures, lambda places: pages.read("text", places), lambda place: (int(ranks[place]),), threshold=threshold
    )
    kept = sorted({copy.of for copy in found})
    urls = dict(zip(kept, pages.read("url", kept), strict=True))
    copies = {copy.index: copy for copy in found}
    return Left(shards, pages.good, pages.starts, copies, urls, _seen(pages, signatures, copies, earlier))


def keep_signatures(path: Path, left: Left, signed: Sequence[Path], origin: Origin) -> None:
    """Write the signatures of the documents that are left to `path`, in their order, with their URLs, so that later
    crawls need not bring them again. They are of the texts that were compared, with all their paragraphs."""
    told = {"pages": origin.pages, "near_copy": str(origin.near_copy)}
    with TableWriter(path, use_dictionary=False) as writer:
        for number, (shard, own) in enumerate(zip(left.shards, signed, strict=True)):
            rows, table = left.of_shard(number)[0], pyarrow.parquet.read_table(own)
            table = table.filter(pyarrow.array(np.isin(table.column("row").to_numpy(), rows))).drop_columns(["row"])
            table = table.append_column("url", shard.read(["url"]).column("url").take(pyarrow.array(rows)))
            writer.write(table.replace_schema_metadata((table.schema.metadata or {}) | told))


def _seen(
    pages: GoodPages, signatures: Signatures, copies: dict[int, Copy], earlier: Sequence[Path]
) -> dict[int, str]:
    """For the pages that are left of their groups, or alone: the earlier document that one of the group is a copy of,
    the page itself rather than another."""
    found: dict[int, str] = {}
    for path in earlier:
        kept = Kept.read(path)
        again = find_earlier_copies(signatures, kept.signatures)
        for copy in sorted(again, key=lambda copy: copy.index in copies):
            first = copies[copy.index].of if copy.index in copies else copy.index
            if first not in found:
                found[first] = f"of {kept.urls[copy.of].as_py()}"
                found[first] += "" if copy.exact else f", similarity about {copy.similarity:.2f}"
                if first != copy.index:
                    found[first] += f", as is its copy {pages.read('url', [copy.index])[0]}"
    return found
