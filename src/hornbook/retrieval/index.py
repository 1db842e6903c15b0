"""A full-text index of passages in LanceDB: which page answers this question."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hornbook.core.errors import DamagedError, InputError
from hornbook.retrieval.passages import Passage

TABLE = "passages"
SPARE = 4  # hits asked for beyond k, so that equal scores at the border are put in order before the cut
AT_ONCE = 64  # searches under way together


@dataclass(frozen=True)
class Hit:
    """A passage found. `score` is BM25: it ranks the hits of one query and has no unit."""

    title: str
    url: str
    text: str
    score: float


class Index:
    """Passages searched by words: BM25 over title, heading and text, English stems, accents folded.

    Robertson and Zaragoza 2009 for BM25. Hits of equal score stand in the order in which the passages were given.
    """

    def __init__(self, folder: Path):
        """Open what `build` wrote. Raises InputError where nothing was, DamagedError where it cannot be opened."""
        self.folder = Path(folder)
        if not (self.folder / f"{TABLE}.lance").is_dir():
            raise InputError("there is no index of pages here", where=folder, fix="name one that Index.build wrote")
        try:
            self._table = _lancedb().connect(str(self.folder)).open_table(TABLE)
            self.size = self._table.count_rows()
        except (ValueError, RuntimeError, OSError) as error:
            reason = " ".join(str(error).split())[:160]
            raise DamagedError(f"not a whole index ({reason})", where=folder, fix="build it again") from None

    @classmethod
    def build(cls, folder: Path, passages: Iterable[Passage]) -> Index:
        """Index the passages in `folder`, which must not hold an index yet. Raises InputError when there are none."""
        import pyarrow

        rows = [
            {"number": number, **asdict(passage), "body": f"{passage.title}\n{passage.heading}\n{passage.text}"}
            for number, passage in enumerate(passages)
        ]
        if not rows:
            raise InputError("there is no page to index", where=folder, fix="bring a corpus with at least one document")
        lancedb = _lancedb()
        Path(folder).mkdir(parents=True, exist_ok=True)
        table = lancedb.connect(str(folder)).create_table(TABLE, pyarrow.Table.from_pylist(rows))
        table.create_index("body", config=lancedb.index.FTS(with_position=False))
        return cls(folder)

    def search(self, query: str, k: int = 3) -> list[Hit]:
        """The `k` best passages, best first; none when no word of the query is in any. Raises InputError for an
        empty query."""
        found = self._table.search(_words(query), query_type="fts").limit(k + SPARE)
        return _hits(found.to_arrow().to_pylist(), k)

    def search_many(self, queries: Sequence[str], k: int = 3) -> list[list[Hit]]:
        """`search` of each query, several at a time: for whole exams, at a third of the cost."""
        texts = [_words(query) for query in queries]
        # A thread of its own, because the caller may already be inside an event loop.
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(asyncio.run, self._search_all(texts, k + SPARE)).result()
        return [_hits(rows, k) for rows in found]

    async def _search_all(self, texts: list[str], limit: int) -> list[list[dict[str, Any]]]:
        connection = await _lancedb().connect_async(str(self.folder))
        table = await connection.open_table(TABLE)
        free = asyncio.Semaphore(AT_ONCE)

        async def one(text: str) -> list[dict[str, Any]]:
            async with free:
                return (await table.query().nearest_to_text(text, columns="body").limit(limit).to_arrow()).to_pylist()

        return await asyncio.gather(*map(one, texts))


def _hits(rows: list[dict[str, Any]], k: int) -> list[Hit]:
    rows.sort(key=lambda row: (-round(row["_score"], 4), row["number"]))
    return [Hit(row["title"], row["url"], row["text"], row["_score"]) for row in rows[:k]]


def _words(query: str) -> str:
    if not query.strip():
        raise InputError("the query is empty", where="search", fix="ask for at least one word")
    return query


def _lancedb() -> Any:
    """LanceDB, its warnings about its own future kept to itself. It sends no telemetry."""
    os.environ.setdefault("LANCE_LOG", "error")
    import lancedb
    import lancedb.index

    return lancedb
