"""The frontier: every URL is a row before it is fetched, and its outcome is committed with it. SQLite, WAL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from hornbook.core.digest import digest_bytes
from hornbook.corpus.store.pages import PageRow
from hornbook.corpus.store.urls import site_of

_KNOWN = ("url", "depth", "inlinks", "source")  # before anything became of it
_COLUMNS = tuple(name for name in PageRow.__dataclass_fields__ if name not in _KNOWN)
_NAMES = (*_KNOWN, *_COLUMNS)
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS pages (
    url TEXT PRIMARY KEY, depth INTEGER NOT NULL, hops INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0,
    inlinks INTEGER NOT NULL DEFAULT 0, source TEXT NOT NULL,
    {", ".join(_COLUMNS)}
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS waiting ON pages (done, depth, hops, url);
CREATE INDEX IF NOT EXISTS payloads ON pages (sha256) WHERE sha256 IS NOT NULL;
CREATE TABLE IF NOT EXISTS warcs (file TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS robots (origin TEXT PRIMARY KEY, asked_at REAL NOT NULL, status INTEGER, body BLOB);
CREATE TABLE IF NOT EXISTS sitemaps (url TEXT PRIMARY KEY, done INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS spent (host TEXT PRIMARY KEY, seconds REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""
Tail = tuple[str, int]  # a WARC file and how many bytes of it hold whole records


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

    def finish(
        self, row: PageRow, links: Sequence[str] = (), redirect: tuple[str, int] | None = None, tail: Tail | None = None
    ) -> None:
        """Commit a page's outcome together with where it leads, pages it links to or the URL it redirects to, and with
        how far the WARC file is written."""
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
            self._written(tail)

    def put(self, rows: Iterable[PageRow], tail: Tail | None, note: tuple[str, str]) -> None:
        """Commit finished rows of a source that needs no fetching, with a note of how far it is read. Of two rows of
        one URL the first stands, unless it was refused and the second taken."""
        places = ", ".join("?" * (len(_NAMES) + 2))
        newer = ", ".join(f"{name} = excluded.{name}" for name in ("source", *_COLUMNS))
        with self._db:
            self._db.execute("BEGIN")
            self._db.executemany(
                f"INSERT INTO pages ({', '.join(_NAMES)}, hops, done) VALUES ({places}) "
                f"ON CONFLICT (url) DO UPDATE SET {newer} "
                "WHERE outcome = 'refused' AND excluded.outcome = 'taken'",
                [(*(getattr(row, name) for name in _NAMES), 0, 1) for row in rows],
            )
            self._written(tail)
            self._note(*note)

    def refuse(self, urls: Iterable[str], reason: str, detail: str | None = None) -> None:
        """Commit that these, which wait, are not fetched."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.executemany(
                "UPDATE pages SET done = 1, outcome = 'refused', reason = ?, detail = ? WHERE url = ?",
                [(reason, detail, url) for url in urls],
            )

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

    def close_rest(self, max_depth: int, reason: str) -> None:
        """Refuse all that still waits: for its depth, or for `reason`."""
        self._db.execute(
            "UPDATE pages SET done = 1, outcome = 'refused', reason = iif(depth > ?, 'depth', ?) WHERE done = 0",
            [max_depth, reason],
        )

    def taken(self) -> Iterator[str]:
        """The URLs of the pages taken."""
        return (url for (url,) in self._db.execute("SELECT url FROM pages WHERE outcome = 'taken'"))

    def outcome(self, url: str) -> str | None:
        """What became of a URL, None where nothing has yet."""
        found = self._db.execute("SELECT outcome FROM pages WHERE url = ?", [url]).fetchone()
        return found[0] if found else None

    def rows(self, where: str = "done = 1", values: Sequence[object] = ()) -> Iterator[PageRow]:
        """The finished rows, sorted by URL, a few at a time."""
        found = self._db.execute(f"SELECT {', '.join(_NAMES)} FROM pages WHERE {where} ORDER BY url", values)
        return (PageRow(**dict(zip(_NAMES, row, strict=True))) for row in found)

    def twin(self, sha256: str) -> PageRow | None:
        """A page taken whose payload has this digest."""
        found = list(self.rows("url = (SELECT min(url) FROM pages WHERE sha256 = ? AND outcome = 'taken')", [sha256]))
        return found[0] if found else None

    def written(self) -> dict[str, int]:
        """WARC file -> bytes of it that committed rows vouch for."""
        return dict(self._db.execute("SELECT file, bytes FROM warcs").fetchall())

    def cut(self, file: str, size: int) -> None:
        """A WARC file lost its end, in a power cut: let what lay beyond `size` bytes wait again."""
        self.requeue("warc_file = ? AND warc_offset + warc_length > ?", [file, size])
        self._written((file, size))

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
            self._note(name, value)
            return value
        found = self._db.execute("SELECT value FROM notes WHERE name = ?", [name]).fetchone()
        return found[0] if found else None

    def robots(self, origin: str) -> tuple[float, int | None, bytes] | None:
        """When robots.txt of an origin was asked for, in seconds of the epoch, and what it answered: status, body."""
        return self._db.execute("SELECT asked_at, status, body FROM robots WHERE origin = ?", [origin]).fetchone()

    def keep_robots(self, origin: str, asked_at: float, status: int | None, body: bytes) -> None:
        """Keep that for the next attempt."""
        self._db.execute("INSERT OR REPLACE INTO robots VALUES (?, ?, ?, ?)", [origin, asked_at, status, body])

    def seconds(self) -> dict[str, float]:
        """The seconds spent on each host, and under "" on the whole crawl."""
        return dict(self._db.execute("SELECT host, seconds FROM spent").fetchall())

    def keep_seconds(self, seconds: Mapping[str, float]) -> None:
        """Keep those for the next attempt."""
        self._db.executemany("INSERT OR REPLACE INTO spent VALUES (?, ?)", seconds.items())

    def sitemaps(self) -> dict[str, bool]:
        """The sitemaps known, in the order in which they became so, and whether each is read."""
        return {url: bool(done) for url, done in self._db.execute("SELECT url, done FROM sitemaps ORDER BY rowid")}

    def add_sitemaps(self, urls: Iterable[str], *, read: str | None = None, pages: Iterable[str] = ()) -> None:
        """Queue sitemaps; they were found in the one that is `read` now, beside `pages`. Level 1, as if the start page
        linked to all of them."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.executemany("INSERT OR IGNORE INTO sitemaps (url) VALUES (?)", [(url,) for url in urls])
            self._db.execute("UPDATE sitemaps SET done = 1 WHERE url = ?", [read])
            self._add(pages, 1, 0)

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def _add(self, urls: Iterable[str], depth: int, hops: int) -> None:
        self._db.executemany(
            "INSERT INTO pages (url, depth, hops, source) VALUES (?, ?, ?, ?) ON CONFLICT (url) DO UPDATE SET "
            "depth = excluded.depth, hops = excluded.hops "
            "WHERE done = 0 AND (excluded.depth, excluded.hops) < (depth, hops)",
            [(url, depth, hops, site_of(url)) for url in urls],
        )

    def _written(self, tail: Tail | None) -> None:
        if tail is not None:
            self._db.execute("INSERT OR REPLACE INTO warcs VALUES (?, ?)", tail)

    def _note(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", [name, value])
