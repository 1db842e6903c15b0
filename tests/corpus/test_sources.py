from __future__ import annotations

import gzip
import json

import pyarrow
import pyarrow.parquet
import pytest

from hornbook.core.errors import InputError
from hornbook.corpus.pages import read_pages
from hornbook.corpus.sources import folder_url, read_folder, read_table, read_warcs
from hornbook.corpus.warc import Place, read_at


def rows(folder):
    return {row.url: row for row in read_pages(folder / "pages.parquet")}


def body(folder, row) -> bytes:
    return read_at(folder, Place(row.warc_file, row.warc_offset, row.warc_length)).body


def test_a_folder(tmp_path) -> None:
    source, out = tmp_path / "docs", tmp_path / "out"
    (source / "sub dir").mkdir(parents=True)
    (source / ".git").mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    files = {
        "a.html": b"<p>a</p>", "sub dir/b.md": b"# b", "c.txt.gz": gzip.compress(b"c"), "d.rst": b"d",
        "e.pdf": b"%PDF-", "f.png": b"\x89PNG", "g": b"?", ".git/h.txt": b"h", "big.txt": b"x" * 3000,
        "bomb.txt.gz": gzip.compress(b"0" * 10**6), "torn.txt.gz": gzip.compress(b"x" * 100)[:15],
    }  # fmt: skip
    for name, content in files.items():
        (source / name).write_bytes(content)
    (source / "link.txt").symlink_to(tmp_path / "secret.txt")
    (source / "inner.txt").symlink_to(source / "a.html")
    read_folder(source, out, max_bytes=2000)
    found = rows(out)
    assert {url: row.reason for url, row in found.items()} == {
        "folder:///a.html": None, "folder:///sub%20dir/b.md": None, "folder:///c.txt.gz": None, "folder:///d.rst": None,
        "folder:///e.pdf": None, "folder:///f.png": "type", "folder:///g": "type", "folder:///big.txt": "too big",
        "folder:///bomb.txt.gz": "too big", "folder:///torn.txt.gz": "unreadable", "folder:///link.txt": "link outside",
        "folder:///inner.txt": None,
    }  # fmt: skip
    assert body(out, found["folder:///c.txt.gz"]) == b"c"
    assert found["folder:///sub%20dir/b.md"].content_type == "text/markdown"
    assert folder_url("a/b c?.html") == "folder:///a/b%20c%3F.html"


@pytest.mark.parametrize("read", [read_folder, read_warcs, read_table])
def test_an_empty_folder_is_one_line(tmp_path, read) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="there is nothing here"):
        read(tmp_path / "empty", tmp_path / "out")


def test_a_folder_of_pictures_is_one_line(tmp_path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.png").write_bytes(b"x")
    with pytest.raises(InputError, match="none of its 1 files"):
        read_folder(tmp_path / "docs", tmp_path / "out")


def test_warc_files_of_others(tmp_path) -> None:
    from warcio.statusandheaders import StatusAndHeaders
    from warcio.warcwriter import WARCWriter

    source = tmp_path / "in"
    source.mkdir()

    def http(status: str, *headers: tuple[str, str]) -> StatusAndHeaders:
        return StatusAndHeaders(status, list(headers), protocol="HTTP/1.1")

    import io

    with open(source / "x.warc.gz", "wb") as file:
        writer = WARCWriter(file, gzip=True)
        for url, headers, content in (
            ("http://X.org/a?utm_source=y", http("200 OK", ("Content-Type", "text/html")), b"<p>a</p>"),
            ("http://x.org/b", http("404 Not Found", ("Content-Type", "text/html")), b"gone"),
            ("http://x.org/c", http("200 OK", ("Content-Type", "image/png")), b"x"),
            ("http://x.org/d", http("200 OK", ("Content-Type", "text/html")), b"<meta name=robots content=noindex>"),
            ("http://x.org/a", http("200 OK", ("Content-Type", "text/html")), b"<p>the same again</p>"),
        ):
            payload = io.BytesIO(content)
            writer.write_record(writer.create_warc_record(url, "response", payload=payload, http_headers=headers))
    with open(source / "y.wet.gz", "wb") as file:
        writer = WARCWriter(file, gzip=True)
        writer.write_record(writer.create_warc_record(
            "http://x.org/e", "conversion", payload=io.BytesIO(b"words"), warc_content_type="text/plain"))
    read_warcs(source, tmp_path / "out")
    found = rows(tmp_path / "out")
    assert {url: row.reason for url, row in found.items()} == {
        "http://x.org/a": None, "http://x.org/b": "status", "http://x.org/c": "type", "http://x.org/d": "noindex",
        "http://x.org/e": None,
    }  # fmt: skip
    assert body(tmp_path / "out", found["http://x.org/a"]) == b"<p>a</p>"
    assert found["http://x.org/e"].content_type == "text/plain"


def test_tables(tmp_path) -> None:
    table = [{"text": "one", "url": "http://x.org/1", "title": "One"}, {"text": "two"}, {"text": " "}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(table), tmp_path / "t.parquet")
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, table)))
    for name in ("t.parquet", "t.jsonl"):
        read_table(tmp_path / name, tmp_path / name[2:])
        found = rows(tmp_path / name[2:])
        assert body(tmp_path / name[2:], found["http://x.org/1"]) == b"# One\n\none"
        assert body(tmp_path / name[2:], found[f"folder:///{name}#1"]) == b"two"
        assert found[f"folder:///{name}#2"].reason == "empty"


def test_damaged_tables_are_one_line(tmp_path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n{broken')
    (tmp_path / "b.parquet").write_bytes(b"PAR1 nonsense")
    pyarrow.parquet.write_table(pyarrow.table({"words": ["x"]}), tmp_path / "c.parquet")
    (tmp_path / "d.jsonl.gz").write_bytes(b"nonsense")
    for name, line in (("a.jsonl", "not JSON lines"), ("b.parquet", "not readable"), ("c.parquet", "no column text"),
                       ("d.jsonl.gz", "not JSON lines")):  # fmt: skip
        with pytest.raises(InputError, match=line):
            read_table(tmp_path / name, tmp_path / "out")
