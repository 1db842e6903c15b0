"""The frontier: every URL is a row before it is fetched, and its outcome is committed with it. SQLite, WAL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from hornbook.core.digest import digest_bytes
from hornbook.corpus.pages import PageRow

_COLUMNS = tuple(name for name in PageRow.__dataclass_fields__ if name not in ("url", "depth", "inlinks"))
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS pages (
    url TEXT PRIMARY KEY, depth INTEGER NOT NULL, hops INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0,
    inlinks INTEGER NOT NULL DEFAULT 0,
    {", ".join(_COLUMNS)}
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS waiting ON pages (done, depth, hops, url);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""


class Frontier:
    """The rows of one crawl. A level is (links from the start, redirects from there); levels are walked in order, so
    that depth is the shortest way and what a page limit leaves out does not depend on who answered first."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def add(self, urls: Iterable[str], depth: int, hops: int = 0) -> None:
        """Queue URLs that are not known yet; one that waits at a later level moves up to this one."""
        with self._db:
            self._db.execute("BEGIN")
            self._add(urls, depth, hops)

    def finish(self, row: PageRow, links: Sequence[str] = (), redirect: tuple[str, int] | None = None) -> None:
        """Commit a page's outcome together with where it leads: pages it links to, or the URL it redirects to."""
        values = [getattr(row, name) for name in _COLUMNS]
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute(
                f"UPDATE pages SET done = 1, {', '.join(f'{name} = ?' for name in _COLUMNS)} WHERE url = ?",
                [*values, row.url],
            )
            if redirect is not None:
                self._add([redirect[0]], row.depth, redirect[1])
            self._add(links, row.depth + 1, 0)
            counted = [(link,) for link in links if link != row.url]
            self._db.executemany("UPDATE pages SET inlinks = inlinks + 1 WHERE url = ?", counted)

    def level(self, max_depth: int) -> list[tuple[str, int, int]]:
        """The URLs that wait on the first level where any does, as `waiting` has them; none when all is done."""
        found = self._db.execute(
            "SELECT depth, hops FROM pages WHERE done = 0 AND depth <= ? ORDER BY depth, hops LIMIT 1", [max_depth]
        ).fetchone()
        if found is None:
            return []
        return self.waiting("depth = ? AND hops = ?", found)

    def waiting(self, where: str = "true", values: Sequence[object] = ()) -> list[tuple[str, int, int]]:
        """The URLs that wait, with depth and hops, in the order of their hashes: the same each time, and slow corners
        of a site lie scattered, so that they do not hold up all workers at once."""
        found = self._db.execute(f"SELECT url, depth, hops FROM pages WHERE done = 0 AND {where}", values)
        return sorted(found, key=lambda row: digest_bytes(row[0].encode("utf-8")))

    def rest(self) -> list[tuple[str, int]]:
        """The URLs that still wait, with their depth."""
        return self._db.execute("SELECT url, depth FROM pages WHERE done = 0 ORDER BY url").fetchall()

    def taken(self) -> int:
        """How many pages were taken."""
        return self._db.execute("SELECT count(*) FROM pages WHERE outcome = 'taken'").fetchone()[0]

    def rows(self, where: str = "done = 1", values: Sequence[object] = ()) -> list[PageRow]:
        """The finished rows, sorted by URL."""
        names = ("url", "depth", "inlinks", *_COLUMNS)
        found = self._db.execute(f"SELECT {', '.join(names)} FROM pages WHERE {where} ORDER BY url", values)
        return [PageRow(**dict(zip(names, row, strict=True))) for row in found]

    def written(self) -> dict[str, int]:
        """WARC file -> bytes of it that committed rows vouch for."""
        return dict(self._db.execute(
            "SELECT warc_file, max(warc_offset + warc_length) FROM pages WHERE warc_file IS NOT NULL GROUP BY warc_file"
        ).fetchall())

    def requeue(self, where: str, values: Sequence[object] = ()) -> None:
        """Let finished rows wait again."""
        empty = ", ".join(f"{name} = NULL" for name in _COLUMNS)
        self._db.execute(f"UPDATE pages SET done = 0, {empty} WHERE done = 1 AND ({where})", values)

    def mark(self, url: str, reason: str) -> None:
        """Give a finished row another reason."""
        self._db.execute("UPDATE pages SET reason = ? WHERE url = ?", [reason, url])

    def note(self, name: str, value: str | None = None) -> str | None:
        """Keep a value by name, or, with none given, read it."""
        if value is not None:
            self._db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", [name, value])
            return value
        found = self._db.execute("SELECT value FROM notes WHERE name = ?", [name]).fetchone()
        return found[0] if found else None

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def _add(self, urls: Iterable[str], depth: int, hops: int) -> None:
        self._db.executemany(
            "INSERT INTO pages (url, depth, hops) VALUES (?, ?, ?) ON CONFLICT (url) DO UPDATE SET "
            "depth = excluded.depth, hops = excluded.hops "
            "WHERE done = 0 AND (excluded.depth, excluded.hops) < (depth, hops)",
            [(url, depth, hops) for url in urls],
        )
