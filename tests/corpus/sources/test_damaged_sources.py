"""Folders and tables as they should not be: what is damaged is a refused row, and what lies beside it is taken."""

from __future__ import annotations

import gzip
import io
import json
import os
import tempfile
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.errors import InputError
from hornbook.corpus.sources.folders import folder_parts
from hornbook.corpus.sources.tables import parts_of
from hornbook.corpus.store.warc import read_warc
from tests.corpus.sources.test_sources import body, lines, tables, take, zstd

ROWS = [{"text": f"text {number} é", "url": f"http://x.org/{number}", "title": None} for number in range(150)]


def test_links_in_a_circle_and_folders_nobody_may_list(tmp_path, monkeypatch) -> None:
    source = tmp_path / "docs"
    (source / "locked").mkdir(parents=True)
    (source / "open").mkdir()
    (source / "good.md").write_text("good")
    (source / "open" / "new\nline.md").write_text("good too")
    (source / "empty.md").touch()
    for name, target in (("self.md", "self.md"), ("a.md", "b.md"), ("b.md", "a.md"), ("gone.md", "nowhere.md"),
                         ("round", "."), ("out", tmp_path), ("zero.txt", "/dev/zero")):  # fmt: skip
        (source / name).symlink_to(target)
    scan = os.scandir

    def guarded(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", guarded)
    found = take(tmp_path / "out", folder_parts(source, 1000))
    assert {url.removeprefix("folder:///"): row.reason for url, row in found.items()} == {
        "good.md": None, "open/new%0Aline.md": None, "empty.md": None, "self.md": "unreadable", "a.md": "unreadable",
        "b.md": "unreadable", "gone.md": "unreadable", "round": "link", "out": "link", "zero.txt": "link outside",
        "locked": "unreadable",
    }  # fmt: skip
    assert found["folder:///locked"].detail == "Permission denied"
    assert not any(str(tmp_path) in f"{row.url} {row.detail}" for row in found.values())


@pytest.mark.parametrize(
    "url", ["x:\r\nWARC-Type: warcinfo\r\n\r\n", "urn:a\nb", "a\x00b", "a\x85b", "a\u2028b", "\x1b[2J"]
)
def test_an_address_that_would_break_its_line_is_none(url: str, tmp_path) -> None:
    (tmp_path / "t.jsonl").write_bytes(lines([{"text": "one", "url": url}, {"text": "two"}]))
    found = take(tmp_path / "out", tables(tmp_path / "t.jsonl"))
    assert set(found) == {"folder:///t.jsonl#0", "folder:///t.jsonl#1"}
    assert [stored.body for stored in read_warc(tmp_path / "out" / "pages-00000.warc.gz")] == [b"one", b"two"]


def test_a_value_that_is_none_of_its_type_costs_its_row_alone(tmp_path) -> None:
    texts = pyarrow.array([b"one", b"\xff\xfe", b"two"], pyarrow.binary()).view(pyarrow.string())
    titles = pyarrow.array([1, 2, 2**62]).view(pyarrow.duration("s"))
    pyarrow.parquet.write_table(pyarrow.table({"text": texts, "title": titles}), tmp_path / "t.parquet")
    found = take(tmp_path / "out", tables(tmp_path / "t.parquet"))
    assert [(row.outcome, row.reason) for row in found.values()] == [
        ("taken", None), ("refused", "damaged"), ("refused", "damaged")
    ]  # fmt: skip
    for name, values in (("int", [1, 2]), ("null", [None, None]), ("bytes", [b"\xff", b"x"]), ("list", [["a"], []])):
        pyarrow.parquet.write_table(pyarrow.table({"text": values}), tmp_path / f"{name}.parquet")
        with pytest.raises(InputError, match=r"none of its 2 pages can be read .empty: no text in its column text, 2"):
            take(tmp_path / f"out {name}", tables(tmp_path / f"{name}.parquet"))


def files() -> dict[str, bytes]:
    table, found = pyarrow.Table.from_pylist(ROWS), {}
    for codec in ("none", "snappy", "zstd"):
        file = io.BytesIO()
        pyarrow.parquet.write_table(table, file, compression=codec, row_group_size=50)
        found[f"{codec}.parquet"] = file.getvalue()
    file = io.BytesIO()
    with pyarrow.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=50)
    text = lines(ROWS)
    return found | {"t.arrow": file.getvalue(), "t.jsonl": text, "t.jsonl.gz": gzip.compress(text, mtime=0),
                    "t.jsonl.zst": zstd(text)}  # fmt: skip


FILES = files()


@settings(max_examples=50)
@given(data=st.data())
def test_mutated_tables_are_rows_and_the_next_file_is_read(data) -> None:
    name = data.draw(st.sampled_from(sorted(FILES)))
    changed = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "put", "end"])):
            case "flip":
                changed[at] ^= 1 << data.draw(st.integers(0, 7))
            case "cut":
                del changed[at : at + data.draw(st.integers(1, 60))]
            case "put":
                pieces = [b"\n", b"[" * 2000, b'"\\ud800', b"\xff\xff\xff\x7f", b"\0"]
                changed[at:at] = data.draw(st.sampled_from(pieces))
            case "end":
                del changed[at + 1 :]
        changed = changed or bytearray(b"x")
    with tempfile.TemporaryDirectory() as folder:
        path, beside = Path(folder, name), Path(folder, "z.jsonl")
        path.write_bytes(changed)
        beside.write_bytes(json.dumps({"text": "beside"}).encode())
        try:
            found = take(Path(folder, "out"), parts_of([(name, path), (beside.name, beside)], 100_000, "text"))
        except InputError as error:  # the name of the column itself was hit
            assert "there is no column text" in str(error)  # noqa: PT017
            return
        assert body(Path(folder, "out"), found["folder:///z.jsonl#0"]) == b"beside"
        for row in found.values():
            assert row.outcome == "refused" or body(Path(folder, "out"), row)
