"""Tagged shards of texts made up for a test, without a crawl."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow

from hornbook.corpus.deduplicate import Left
from hornbook.corpus.documents import write_table
from hornbook.corpus.reading import EXTRACTED
from hornbook.corpus.scores import Scoring, Shard, learn_pages, score_shard
from hornbook.corpus.sieve import GOOD, Sieve
from hornbook.corpus.tagging.filters import Threshold
from hornbook.corpus.tagging.tags import tag


def sieve(words: int) -> Sieve:
    """Keeps texts of so many words."""
    return Sieve((Threshold("thin", "words", low=words),), frozenset(), 0.0, False, frozenset())


def scoring(folder: Path, *benchmarks: Path) -> Scoring:
    """With a model of pages that has read one."""
    text = "The harbour wall was built of granite that came by boat from the northern quarries."
    learn_pages([tagged(folder / "learnt.parquet", [text])], folder / "pages.safetensors")
    return Scoring(folder / "pages.safetensors", None, benchmarks, (), False)


def tagged(path: Path, texts: Sequence[str], first: int = 0) -> Path:
    """One shard of pages, called by their number."""
    rows = [
        {"url": f"https://made.example/{first + place:05d}", "site": "made.example", "text": text, "link_share": 0.0,
         "ended": True, "unclosed": False, "html": True, "own": True, "depth": 1, "inlinks": 1, "bytes": len(text)}
        for place, text in enumerate(texts)
    ]  # fmt: skip
    table = pyarrow.Table.from_pylist(rows, schema=EXTRACTED).drop_columns(["lines"]).combine_chunks()
    write_table(path, pyarrow.Table.from_batches([tag(batch) for batch in table.to_batches()]))
    return path


def shards(folder: Path, texts: Sequence[str], size: int, scores: Scoring) -> list[Shard]:
    """The texts in shards of `size`, tagged and scored."""
    made = []
    for number, start in enumerate(range(0, len(texts), size)):
        path = tagged(folder / f"{number:05d}.parquet", texts[start : start + size], start)
        made.append(Shard(path, folder / f"scores-{number:05d}.parquet"))
        score_shard(made[-1].scores, path, scores)
    return made


def left(made: Sequence[Shard], keep: Sieve) -> Left:
    """All good pages, none of them compared with another."""
    good = [np.flatnonzero([verdict is GOOD for verdict in keep(shard.read())]) for shard in made]
    return Left(made, good, np.cumsum([0, *map(len, good)]))


def kept(found: Left) -> dict[int, str]:
    """The texts that are kept, by the pages' numbers."""
    texts = {}
    for number, shard in enumerate(found.shards):
        table = shard.read(["url", "text"]).take(pyarrow.array(found.of_shard(number)[0]))
        urls, own = (table.column(name).to_pylist() for name in ("url", "text"))
        texts |= {int(url.rpartition("/")[2]): text for url, text in zip(urls, own, strict=True)}
    return texts
