"""A full-text index of passages in LanceDB: which page answers this question."""

from __future__ import annotations

import asyncio
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hornbook.core.errors import DamagedError, InputError
from hornbook.retrieval.passages import Passage
from hornbook.retrieval.spelling import capitalised

TABLE = "passages"
COLUMNS = ["title", "url", "text"]
AMONG = 8  # hits of BM25 among which the best are chosen
NAMED, TITLED = 1.0, 0.5  # what it adds to a score that all names asked about are there; that the title is asked about
AT_ONCE = 64  # searches under way together

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Hit:
    """A passage found. `score` ranks the hits of one query; it has no unit."""

    title: str
    url: str
    text: str
    score: float


class Index:
    """Passages searched by words: BM25 over title, heading and text (Robertson and Zaragoza 2009), English stems,
    accents folded; the best ranked again by the names asked about. Equal scores stand in the order of the passages.
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
            {**asdict(passage), "body": f"{passage.title}\n{passage.heading}\n{passage.text}"} for passage in passages
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
        found = self._table.search(_words(query), query_type="fts").limit(max(k, AMONG))
        return ranked(query, found.select([*COLUMNS, "_score"]).with_row_id(True).to_arrow().to_pylist(), k)

    def search_many(self, queries: Sequence[str], k: int = 3) -> list[list[Hit]]:
        """`search` of each query, several at a time: for whole exams, at less than half the cost."""
        texts = [_words(query) for query in queries]
        # A thread of its own, because the caller may already be inside an event loop.
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(asyncio.run, self._search_all(texts, max(k, AMONG))).result()
        return [ranked(query, rows, k) for query, rows in zip(queries, found, strict=True)]

    async def _search_all(self, texts: list[str], limit: int) -> list[list[dict[str, Any]]]:
        """The rows of each search; the passages themselves are fetched once, however many searches found them."""
        connection = await _lancedb().connect_async(str(self.folder))
        table = await connection.open_table(TABLE)
        free = asyncio.Semaphore(AT_ONCE)

        async def one(text: str) -> list[dict[str, Any]]:
            async with free:
                query = table.query().nearest_to_text(text, columns="body").limit(limit)
                return (await query.select(["_score"]).with_row_id().to_arrow()).to_pylist()

        found = await asyncio.gather(*map(one, texts))
        numbers = sorted({row["_rowid"] for rows in found for row in rows})
        if not numbers:
            return found
        taken = (await table.take_row_ids(numbers).select(COLUMNS).with_row_id().to_arrow()).to_pylist()
        whole = {row["_rowid"]: row for row in taken}
        return [[{**whole[row["_rowid"]], **row} for row in rows] for rows in found]


def ranked(query: str, rows: list[dict[str, Any]], k: int) -> list[Hit]:
    """The rows as hits, best first: BM25, raised for a passage that holds the names asked about, and again for a page
    whose title the query spells out. Names are rare words to a reader and not always to an index."""
    asked, names = set(_folded(query)), _names(query)
    hits: list[tuple[float, int, Hit]] = []
    for row in rows:
        title = set(_folded(row["title"]))
        held = len(names & (title | set(_folded(row["text"])))) / len(names) if names else 0.0
        score = row["_score"] * (1 + NAMED * held + TITLED * bool(title and title <= asked))
        hits.append((-round(score, 4), row["_rowid"], Hit(row["title"], row["url"], row["text"], score)))
    return [hit for *_, hit in sorted(hits, key=lambda item: item[:2])[:k]]


def _names(query: str) -> set[str]:
    """The words of the query written with a capital though no sentence begins with them."""
    return {word for found in capitalised(query) for word in _folded(found)}


def _folded(text: str) -> list[str]:
    """The words, case and accents folded."""
    if not text.isascii():
        text = "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))
    return _WORD.findall(text.casefold())


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
