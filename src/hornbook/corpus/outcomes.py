"""What became of every page, written down: documents kept, documents held out, pages refused with their reason."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyarrow

from hornbook.corpus.deduplicate import Left
from hornbook.corpus.documents import DOCUMENTS, REFUSED, TableWriter, document_id, excerpt, is_held_out
from hornbook.corpus.edits import read_edits
from hornbook.corpus.reading import site_of_page
from hornbook.corpus.scores import BENCHMARK, Shard
from hornbook.corpus.sieve import Sieve
from hornbook.corpus.tagging.tags import PERSONAL

CHUNK = 1024


class Outcomes:
    """Goes through the tagged shards once more. `held` is the share to hold out, by a hash that `seed` keys.

    `cut` counts what the documents kept have lost: to the passages of each benchmark, and to paragraphs of others
    (under None).
    """

    def __init__(self, sieve: Sieve, left: Left, held: float, seed: int):
        self.sieve, self.left, self.held, self.seed = sieve, left, held, seed
        self.kept = self.heldout = 0
        self.refused: Counter[str] = Counter()
        self.personal: Counter[str] = Counter()
        self.refused_for: Counter[str] = Counter()  # each benchmark
        self.cut: dict[str | None, Counter[str]] = defaultdict(Counter)
        self._first_stays = all(is_held_out(document_id(url), held, seed) for url in self._kept_urls())

    def write(self, out: Path, pages: pyarrow.Table) -> None:
        """Write the three tables, in the order of site and URL; what the crawl refused of `pages` is among them."""
        with ExitStack() as stack:
            writers = [stack.enter_context(TableWriter(out / f"{name}.parquet")) for name in ("documents", "heldout")]
            refused = stack.enter_context(TableWriter(out / "refused.parquet"))
            refused.write(REFUSED.empty_table())
            rows = heapq.merge(_crawl_refusals(pages), self._judged(writers), key=itemgetter("site", "url"))
            while chunk := list(islice(rows, CHUNK)):
                self.refused.update(row["reason"] for row in chunk)
                refused.write(pyarrow.Table.from_pylist(chunk, schema=REFUSED))
        self.kept, self.heldout = (writer.rows for writer in writers)

    def _judged(self, writers: Sequence[TableWriter]) -> Iterator[dict]:
        """The refused pages of the shards; the others go to the writers on the way."""
        for number, shard in enumerate(self.left.shards):
            table = shard.read()
            kept, copies = self.left.of_shard(number)
            self._keep(table.take(pyarrow.array(kept)), writers)
            self._count_cut(shard, {*kept.tolist()})
            columns = (table.column(name).to_pylist() for name in ("site", "url", "title", "text", "bytes"))
            rows = zip(self.sieve(table), *columns, strict=True)
            for row, (verdict, site, url, title, text, size) in enumerate(rows):
                verdict = copies.get(row) or verdict
                if verdict.reason == BENCHMARK:
                    self.refused_for[verdict.detail.partition(": ")[0]] += 1
                if verdict.reason is not None:
                    yield {"id": document_id(url), "url": url, "step": verdict.step, "reason": verdict.reason,
                           "detail": verdict.detail, "title": title, "excerpt": excerpt(text or ""), "bytes": size,
                           "site": site}  # fmt: skip

    def _keep(self, table: pyarrow.Table, writers: Sequence[TableWriter]) -> None:
        ids = [document_id(url) for url in table.column("url").to_pylist()]
        table = table.append_column("id", pyarrow.array(ids, pyarrow.string()))
        held = np.array([is_held_out(document, self.held, self.seed) for document in ids], bool)
        if self._first_stays and len(held):
            held[0], self._first_stays = False, False
        for name in PERSONAL:
            self.personal[name.removeprefix("personal_")] += sum(table.column(name).to_pylist())
        table = table.select(DOCUMENTS)
        for writer, mask in zip(writers, (~held, held), strict=True):
            writer.write(table.filter(pyarrow.array(mask)))

    def _count_cut(self, shard: Shard, kept: set[int]) -> None:
        for edit in (edit for path in shard.edits for edit in read_edits(path)):
            if edit.row in kept:
                own = {"documents": 1, "parts": edit.parts, "characters": edit.characters}
                self.cut[edit.benchmark].update(own)

    def _kept_urls(self) -> Iterator[str]:
        for number, shard in enumerate(self.left.shards):
            kept, _ = self.left.of_shard(number)
            yield from shard.read(["url"]).column("url").take(pyarrow.array(kept)).to_pylist()


def _crawl_refusals(pages: pyarrow.Table) -> Iterator[dict]:
    refused = pages.filter(pyarrow.array([outcome != "taken" for outcome in pages.column("outcome").to_pylist()]))
    sites = pyarrow.array([site_of_page(url) for url in refused.column("url").to_pylist()], pyarrow.string())
    refused = refused.append_column("site", sites).sort_by([("site", "ascending"), ("url", "ascending")])
    for batch in refused.select(["url", "site", "reason", "detail", "bytes"]).to_batches(CHUNK):
        for row in batch.to_pylist():
            yield row | {"id": document_id(row["url"]), "step": "crawl", "title": None, "excerpt": None}
