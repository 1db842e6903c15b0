from __future__ import annotations

import gzip
import json
import os
import tracemalloc
from pathlib import Path

import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import pytest

from hornbook.core.errors import DamagedError, InputError
from hornbook.corpus.sources.datasets import dataset_parts
from hornbook.corpus.sources.folders import folder_parts
from hornbook.corpus.sources.intake import Intake, Part, folder_url
from hornbook.corpus.sources.tables import table_parts
from hornbook.corpus.store.frontier import Frontier
from hornbook.corpus.store.pages import PageRow, read_pages
from hornbook.corpus.store.warc import Place, read_at

TABLE = [{"text": "one", "url": "http://x.org/1", "title": "One"}, {"text": "two"}, {"text": " "}]
CARD = """---
license: mit
configs:
- config_name: default
  data_files: data/train-*
- config_name: small
  data_files:
  - split: train
    path: small/a.jsonl
  - split: test
    path: [small/b.jsonl]
---
# A card
"""


def take(folder: Path, parts, *, source: object = "here") -> dict[str, PageRow]:
    """The rows, by URL, after `parts` were read into `folder`."""
    frontier = Frontier(folder / "frontier.sqlite")
    try:
        intake = Intake(folder, frontier)
        intake.read("source", source, parts, "bring some")
        intake.close()
    finally:
        frontier.close()
    return {row.url: row for row in read_pages(folder / "pages.parquet")}


def body(folder: Path, row: PageRow) -> bytes:
    return read_at(folder, Place(row.warc_file, row.warc_offset, row.warc_length)).body


def tables(source: Path, column: str = "text", max_bytes: int = 10_000_000):
    return table_parts(source, max_bytes, column)


def lines(rows) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


def zstd(content: bytes) -> bytes:
    return pyarrow.compress(content, codec="zstd", asbytes=True)


def test_a_folder(tmp_path) -> None:
    source, out = tmp_path / "docs", tmp_path / "out"
    (source / "sub dir").mkdir(parents=True)
    (source / ".git").mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    files = {
        "a.html": b"<p>a</p>", "sub dir/b.md": b"# b", "c.txt.gz": gzip.compress(b"c"), "d.rst": b"d",
        "e.pdf": b"%PDF-", "f.png": b"\x89PNG", "g": b"?", ".git/h.txt": b"h", "big.txt": b"x" * 3000,
        "bomb.txt.gz": gzip.compress(b"0" * 10**6), "torn.txt.gz": gzip.compress(b"x" * 100)[:15],
        "i.DOCX": b"PK", "j.epub": b"PK",
    }  # fmt: skip
    for name, content in files.items():
        (source / name).write_bytes(content)
    (source / "link.txt").symlink_to(tmp_path / "secret.txt")
    (source / "inner.txt").symlink_to(source / "a.html")
    os.mkfifo(source / "pipe.txt")
    found = take(out, folder_parts(source, 2000))
    assert {url: row.reason for url, row in found.items()} == {
        "folder:///a.html": None, "folder:///sub%20dir/b.md": None, "folder:///c.txt.gz": None, "folder:///d.rst": None,
        "folder:///e.pdf": None, "folder:///f.png": "type", "folder:///g": "type", "folder:///big.txt": "too big",
        "folder:///bomb.txt.gz": "too big", "folder:///torn.txt.gz": "unreadable", "folder:///link.txt": "link outside",
        "folder:///inner.txt": None, "folder:///i.DOCX": None, "folder:///j.epub": None,
        "folder:///pipe.txt": "unreadable",
    }  # fmt: skip
    assert body(out, found["folder:///c.txt.gz"]) == b"c"
    kinds = {name: found[f"folder:///{name}"].content_type for name in ("d.rst", "i.DOCX", "j.epub")}
    assert kinds == {
        "d.rst": "text/x-rst", "j.epub": "application/epub+zip",
        "i.DOCX": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    }  # fmt: skip
    assert found["folder:///sub%20dir/b.md"].content_type == "text/markdown"
    assert folder_url("a/b c?.html") == "folder:///a/b%20c%3F.html"
    assert set(take(tmp_path / "one", folder_parts(source / "a.html", 2000))) == {"folder:///a.html"}


def test_names_that_are_no_utf8(tmp_path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / os.fsdecode(b"caf\xe9.txt")).write_text("words")
    assert set(take(tmp_path / "out", folder_parts(tmp_path / "docs", 100))) == {"folder:///caf%E9.txt"}


@pytest.mark.parametrize("parts", [lambda path: folder_parts(path, 1), tables])
def test_an_empty_folder_is_one_line(tmp_path, parts) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="there is nothing here; bring some"):
        take(tmp_path / "out", parts(tmp_path / "empty"))


def test_a_folder_of_pictures_is_one_line(tmp_path) -> None:
    (tmp_path / "docs").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "docs" / name).write_bytes(b"x")
    with pytest.raises(InputError, match=r"none of its 2 pages can be read \(type: .png, 2 times\)"):
        take(tmp_path / "out", folder_parts(tmp_path / "docs", 10))


@pytest.mark.parametrize("name", ["t.parquet", "t.jsonl", "t.jsonl.gz", "t.jsonl.zst"])
def test_tables(tmp_path, name) -> None:
    write = {"t.jsonl": lines(TABLE), "t.jsonl.gz": gzip.compress(lines(TABLE)), "t.jsonl.zst": zstd(lines(TABLE))}
    if name in write:
        (tmp_path / name).write_bytes(write[name])
    else:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(TABLE), tmp_path / name)
    found = take(tmp_path / "out", tables(tmp_path / name))
    assert body(tmp_path / "out", found["http://x.org/1"]) == b"# One\n\none"
    assert body(tmp_path / "out", found[f"folder:///{name}#1"]) == b"two"
    assert found[f"folder:///{name}#2"].reason == "empty"


def test_zstd_as_its_own_tool_writes_it(tmp_path) -> None:
    """Several frames one after another, as pzstd and `cat` leave them, and a window that is long."""
    zstandard = pytest.importorskip("zstandard")
    packer = zstandard.ZstdCompressor(level=3, write_content_size=False)
    frames = b"".join(packer.compress(lines([row]) + b"\n") for row in TABLE)
    (tmp_path / "t.jsonl.zst").write_bytes(frames)
    assert len(take(tmp_path / "out", tables(tmp_path / "t.jsonl.zst"))) == 3


def test_a_column_by_another_name_and_files_of_one_name(tmp_path) -> None:
    for folder, text in (("a", "one"), ("b", "two")):
        (tmp_path / "in" / folder).mkdir(parents=True)
        (tmp_path / "in" / folder / "t.jsonl").write_bytes(lines([{"content": text}]))
    found = take(tmp_path / "out", tables(tmp_path / "in", "content"))
    assert set(found) == {"folder:///a/t.jsonl#0", "folder:///b/t.jsonl#0"}
    with pytest.raises(InputError, match=r"no text in its column text"):
        take(tmp_path / "other", tables(tmp_path / "in"))
    pyarrow.parquet.write_table(pyarrow.table({"words": ["x"], "more": [1]}), tmp_path / "c.parquet")
    with pytest.raises(InputError, match=r"no column text; set text_column to one of: words, more"):
        take(tmp_path / "none", tables(tmp_path / "c.parquet"))


def test_two_rows_of_one_url_and_odd_urls(tmp_path) -> None:
    rows = [{"text": "one", "url": "http://x.org/a?utm_source=y"}, {"text": "two", "url": "http://x.org/a"},
            {"text": "three", "url": "urn:\ud800:x"}, {"text": "four", "url": 7}, {"text": "five", "url": "x" * 5000},
            {"text": "\ud800 six"}, {"text": 7}, {"text": "", "url": "http://x.org/b"},
            {"text": "late", "url": "http://x.org/b"}, {"text": "nine", "url": "http://[oops"}]  # fmt: skip
    (tmp_path / "t.jsonl").write_bytes(lines(rows))
    found = take(tmp_path / "out", tables(tmp_path / "t.jsonl"))
    refused = {url: (row.reason, row.detail) for url, row in found.items() if row.reason}
    assert refused == {
        "folder:///t.jsonl#2": ("same url", "http://x.org/a"),
        "folder:///t.jsonl#6": ("empty", "no text in its column text"),
    }
    taken = {url for url in found if url not in refused}
    assert taken == {"http://x.org/a", "urn:?:x", "7", "folder:///t.jsonl#4", "folder:///t.jsonl#5", "http://x.org/b",
                     "folder:///t.jsonl#9"}  # fmt: skip
    assert body(tmp_path / "out", found["http://x.org/b"]) == b"late"  # what can be taken wins over what cannot


def test_damage_in_tables_costs_the_damaged_rows_alone(tmp_path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    good = lines([{"text": f"text {number} " * 50} for number in range(3000)])
    pyarrow.parquet.write_table(pyarrow.table({"text": ["x"]}), source / "whole.parquet")
    (source / "a.jsonl").write_bytes(b'{"text": "x"}\n{broken\n[1]\n' + b"[" * 100_000 + b'\n{"text": "y"}\n')
    (source / "b.parquet").write_bytes(b"PAR1 nonsense")
    (source / "c.jsonl.gz").write_bytes(gzip.compress(good)[:-100])
    (source / "d.jsonl.zst").write_bytes(zstd(good)[:-100])
    (source / "e.jsonl.gz").write_bytes(b"nonsense")
    (source / "f.jsonl").write_bytes(b"\xff\xfe\0\0" * 10)
    found = take(tmp_path / "out", tables(source))
    damaged = [url.removeprefix("folder:///") for url, row in found.items() if row.reason == "damaged"]
    assert {"a.jsonl#1", "a.jsonl#2", "a.jsonl#3", "b.parquet#0", "e.jsonl.gz#0", "f.jsonl#0"} <= set(damaged)
    taken = [url for url, row in found.items() if row.outcome == "taken"]
    assert {"folder:///a.jsonl#0", "folder:///a.jsonl#4", "folder:///whole.parquet#0"} <= set(taken)
    for name in ("c.jsonl.gz", "d.jsonl.zst"):
        assert sum(name in url for url in damaged) == 1
        assert sum(name in url for url in taken) > 1000
    with pytest.raises(InputError, match=r"none of its 1 pages can be read \(damaged: not readable"):
        take(tmp_path / "b", tables(source / "b.parquet"))


def test_lines_without_end_take_no_memory(tmp_path) -> None:
    with gzip.open(tmp_path / "t.jsonl.gz", "wb", compresslevel=1) as file:
        for _ in range(60):
            file.write(b"x" * 1_000_000)
        file.write(b'\n{"text": "after"}\n')
    tracemalloc.start()
    found = take(tmp_path / "out", tables(tmp_path / "t.jsonl.gz", max_bytes=100_000))
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()
    assert {url: row.reason for url, row in found.items()} == {
        "folder:///t.jsonl.gz#0": "too big", "folder:///t.jsonl.gz#1": None,
    }  # fmt: skip


class Stopped(Exception):
    pass


def test_what_was_read_is_not_read_again(tmp_path) -> None:
    """Stopped after any number of pages, and begun again: the same rows as at once."""
    source = tmp_path / "in"
    source.mkdir()
    for name in ("a", "b"):
        (source / f"{name}.jsonl").write_bytes(lines([{"text": f"{name} {number}"} for number in range(600)]))
    whole = take(tmp_path / "whole", tables(source))
    read: list[str] = []

    def stopping(after: int):
        def part(name: str, pages) -> Part:
            def counted():
                for number, found in enumerate(pages()):
                    if len(read) == after:
                        raise Stopped
                    read.append(f"{name}#{number}")
                    yield found

            return name, counted

        return (part(name, pages) for name, pages in tables(source))

    for after in (0, 100, 700, 900):
        with pytest.raises(Stopped):
            take(tmp_path / "stopped", stopping(after))
    rows = take(tmp_path / "stopped", stopping(10_000))
    assert read.count("a.jsonl#0") == 2  # a half-read part is passed over again, a whole one is not opened
    assert {url: row.sha256 for url, row in rows.items()} == {url: row.sha256 for url, row in whole.items()}
    assert all(body(tmp_path / "stopped", row) == body(tmp_path / "whole", whole[url]) for url, row in rows.items())


def datasets(source: Path, config: str = "", split: str = "train"):
    return dataset_parts(source, 10_000_000, "text", config, split)


def save(folder: Path, texts: list[str]) -> None:
    """As `datasets.Dataset.save_to_disk` lays it out: Arrow streams, and state.json with their order."""
    folder.mkdir(parents=True)
    names = [f"data-{number:05d}-of-{len(texts):05d}.arrow" for number in range(len(texts))]
    for name, text in zip(names, texts, strict=True):
        table = pyarrow.table({"text": [text, f"{text} more"], "label": [1, 2]})
        with pyarrow.ipc.new_stream(str(folder / name), table.schema) as writer:
            writer.write_table(table)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    (folder / "dataset_info.json").write_text("{}")


def test_a_data_set_saved_to_disk(tmp_path) -> None:
    save(tmp_path / "dict" / "train", ["one", "two"])
    save(tmp_path / "dict" / "test", ["three"])
    (tmp_path / "dict" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    found = take(tmp_path / "out", datasets(tmp_path / "dict"))
    assert sorted(body(tmp_path / "out", row) for row in found.values()) == [b"one", b"one more", b"two", b"two more"]
    assert len(take(tmp_path / "test", datasets(tmp_path / "dict", split="test"))) == 2
    assert len(take(tmp_path / "alone", datasets(tmp_path / "dict" / "test"))) == 2
    with pytest.raises(InputError, match=r"no split 'dev'.*test, train"):
        take(tmp_path / "none", datasets(tmp_path / "dict", split="dev"))
    (tmp_path / "dict" / "test" / "state.json").write_text("{")
    with pytest.raises(DamagedError, match=r"state.json cannot be read"):
        take(tmp_path / "bad", datasets(tmp_path / "dict", split="test"))


def test_what_the_library_itself_saves(tmp_path) -> None:
    datasets_library = pytest.importorskip("datasets")
    texts = [{"text": f"text {number}", "label": number} for number in range(2500)]
    table = datasets_library.Dataset.from_list(texts)
    table.save_to_disk(str(tmp_path / "one"), num_shards=3)
    whole = datasets_library.DatasetDict({"train": table, "test": table.select(range(5))})
    whole.save_to_disk(str(tmp_path / "dict"))
    for name, split, count in (("one", "train", 2500), ("dict", "train", 2500), ("dict", "test", 5)):
        out = tmp_path / "out" / name / split
        found = take(out, datasets(tmp_path / name, split=split))
        assert {body(out, row).decode() for row in found.values()} == {row["text"] for row in texts[:count]}


def test_a_clone_with_a_card(tmp_path) -> None:
    source = tmp_path / "clone"
    for name, text in (("data/train-00000-of-00001.jsonl", "big"), ("data/test-00000-of-00001.jsonl", "test"),
                       ("small/a.jsonl", "a"), ("small/b.jsonl", "b")):  # fmt: skip
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(lines([{"text": text}]))

    def texts(name: str, **chosen: str) -> list[bytes]:
        found = take(tmp_path / name, datasets(source, **chosen))
        return [body(tmp_path / name, row) for row in found.values()]

    assert texts("no card") == [b"big"]
    assert texts("no card, test", split="test") == [b"test"]
    (source / "README.md").write_text(CARD)
    assert texts("default") == [b"big"]
    assert texts("small", config="small") == [b"a"]
    assert texts("test", config="small", split="test") == [b"b"]
    for chosen, line in (({"config": "large"}, "no configuration 'large'.*default, small"),
                         ({"split": "test"}, "no split 'test'.*train")):  # fmt: skip
        with pytest.raises(InputError, match=line):
            texts("bad", **chosen)
    for number, header in enumerate(("- 1", "configs: 7", "configs: [7]", "configs: [{config_name: x}]")):
        (source / "README.md").write_text(f"---\n{header}\n---\n")
        assert texts(f"odd {number}") == [b"big"]
    (source / "README.md").write_text("---\n: [\n---\n")
    with pytest.raises(InputError, match="no YAML"):
        texts("yaml")
