"""The index follows the records and can be thrown away at any time."""

from __future__ import annotations

import shutil

from hornbook.pipeline.index import Index


def test_rebuilt_from_the_records(bench):
    bench.run()
    runs = bench.workspace.folder.parent
    rows = Index(runs).rows()
    assert [row.step for row in rows] == ["fetch", "words", "learn", "examine"]
    assert all(row.run == "isle" and row.bytes > 0 for row in rows)
    (runs / "index.sqlite").unlink()
    assert Index(runs).rows() == rows
    (runs / "index.sqlite").write_bytes(b"not a database at all, but as long as one would be" * 50)
    assert Index(runs).rows() == rows


def test_what_is_gone_is_gone(bench):
    bench.run()
    shutil.rmtree(bench.workspace.current("learn").path)
    assert [row.step for row in Index(bench.workspace.folder.parent).rows()] == ["fetch", "words", "examine"]


def test_a_folder_that_cannot_be_written_needs_none(bench, monkeypatch):
    bench.run()
    runs = bench.workspace.folder.parent
    (runs / "index.sqlite").unlink()
    (runs / "index.sqlite").mkdir()
    assert len(Index(runs).rows()) == 4
