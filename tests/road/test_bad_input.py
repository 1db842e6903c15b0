"""Bad input from the first step to the fourth: good pages are kept, each bad one is refused with its reason, and the
run goes on."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import random
import time
import zipfile
import zlib
from pathlib import Path
from urllib.parse import quote

import pyarrow
import pyarrow.parquet
import pytest

from hornbook.core.errors import InputError
from hornbook.corpus.extraction.extract import EPUB
from hornbook.pipeline.run import Run
from hornbook.road.artifacts import Corpus, Pages
from hornbook.road.corpus import CorpusConfig, corpus
from hornbook.road.crawl import CrawlConfig, crawl
from hornbook.road.tokenizer import TokenizerConfig, tokenizer
from hornbook.road.tokens import TokensConfig, tokens
from tests.corpus.conftest import Site, site  # noqa: F401  (a fixture)
from tests.corpus.extraction.test_formats import book, document, zipped
from tests.corpus.extraction.test_hostile_documents import pdf
from tests.corpus.sources.test_archives import warc
from tests.corpus.sources.test_sources import lines, zstd
from tests.road.test_corpus import html, story

MOST = 2_000_000  # bytes of a page
ENTITY = "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>"
OUTSIDE = "<a><rootfile full-path='../../etc/passwd'/></a>"
LOCKED = f"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O({'o' * 32})/U({'u' * 32})>>"
SAY = "Ilm ʿarabī: \u202bעִבְרִית\u202c العَرَبِيَّة, e\u0301 and 👩\u200d👩\u200d👧 stand in this line as they were."


def good(number: int) -> str:
    return html(f"Story {number}", story(number))


def prose(number: int) -> str:
    return f"# Story {number}\n\n" + "\n\n".join(" ".join(story(number)[at : at + 4]) for at in (0, 4, 8))


def bomb(method: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("word/document.xml", b"\0" * 40_000_000, method)
    return packed.getvalue()


def docx(number: int) -> bytes:
    return document("".join(f"<w:p><w:r><w:t>{sentence}</w:t></w:r></w:p>" for sentence in story(number)))


def write_folder(folder: Path) -> dict[str, str | None]:
    """Files, and for each the reason that it is refused for in the end; None for one that is kept."""
    folder.mkdir(parents=True)
    whole = good(1).encode()
    files: dict[str, tuple[bytes, str | None]] = {
        "kept.html": (whole, None),
        "kept.docx": (docx(2), None),
        "kept.epub": (book(one=good(3).replace("<html>", '<html xmlns="http://www.w3.org/1999/xhtml">')), None),
        "kept.pdf": (pdf(*story(4)), None),
        "kept.rst": (prose(5).replace("# Story 5", "Story 5\n=======").encode(), None),
        "kept.md.gz": (gzip.compress(prose(6).encode()), None),
        "marks.md": (f"{prose(7)}\n\n{SAY}".encode(), None),
        "latin.html": (html("Ströme", [*story(8), "Größe und Maß."]).encode("cp1252"), None),
        "wrong.html": (b'<meta charset="utf-16">' + html("Wrong", story(9)).encode(), None),
        "utf16.txt": (prose(10).encode("utf-16"), None),
        "surrogates.rst": (prose(11).replace("# Story 11", ".. |u| unicode:: 0xD800\n\n|u|\n").encode(), None),
        "deep.html": (b"<p>text</p>" + b"<div>" * 200_000, "damaged"),
        "tags.html": (b"<p>text</p>" + b"<b>" * 600_000, "too big"),
        "line.html": (b"<p>" + b"word " * (MOST // 5), "too big"),  # the extra three bytes
        "line.md": (b"x" * 1_900_000, "thin"),
        "nul.html": (b"\0" * 5000, "binary"),
        "noise.txt": (random.Random(3).randbytes(5000), "binary"),
        "cut.html": (whole[:-300], "truncated"),
        "empty.html": (b"", "empty"),
        "torn.md.gz": (gzip.compress(prose(12).encode())[:-30], "unreadable"),
        "flipped.md.gz": (gzip.compress(prose(12).encode())[:40] + b"\0\0\0" * 9, "unreadable"),
        "bomb.md.gz": (gzip.compress(b"0" * 30_000_000), "too big"),
        "cut.docx": (docx(13)[:-200], "damaged"),
        "level.docx": (document('<w:p><w:pPr><w:outlineLvl w:val="\u00b2"/></w:pPr></w:p>'), "empty"),
        "bomb.docx": (bomb(zipfile.ZIP_DEFLATED), "too big"),
        "bzip2.docx": (bomb(zipfile.ZIP_BZIP2), "damaged"),
        "entity.docx": (zipped({"word/document.xml": ENTITY}), "empty"),
        "outside.epub": (zipped({"mimetype": EPUB, "META-INF/container.xml": OUTSIDE}), "damaged"),
        "cut.pdf": (pdf(*story(14))[:60], "damaged"),
        "locked.pdf": (pdf("x", more=LOCKED), "damaged"),
        "bomb.pdf": (pdf(packed=zlib.compress(zlib.compress(b" " * 400_000_000, 1)), filters=2), "empty"),
        "crash.pdf": (pdf(packed=zlib.compress(b"BT /F1 12 Tf (a) Tj ET\n" * 8_000_000, 1)), "damaged"),
        "include.rst": (b".. include:: /etc/passwd\n\n.. csv-table:: x\n   :file: /etc/passwd\n", "empty"),
        "line.rst": (b"x" * 20_000, "too big"),
        "archive.zip": (zipped({"kept.html": good(15)}), "type"),
        "archive.tar.gz": (gzip.compress(b"x"), "type"),
        "zip.html": (zipped({"kept.html": good(15)}), "binary"),
        "bz2.txt": (bz2.compress(prose(15).encode()), "binary"),
        "same.html": (whole, "exact copy"),
        "new\nline.md": (prose(16).encode(), None),
    }  # fmt: skip
    for name, (content, _) in files.items():
        (folder / name).write_bytes(content)
    (folder / os.fsdecode(b"caf\xe9.md")).write_text(prose(17))
    (folder / "self.md").symlink_to("self.md")
    (folder / "round").symlink_to(".")
    (folder / "dev.txt").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.txt")
    outcomes = {name: why for name, (_, why) in files.items()} | {
        "caf\udce9.md": None, "self.md": "unreadable", "round": "link", "dev.txt": "link outside",
        "pipe.txt": "unreadable",
    }  # fmt: skip
    return {f"folder:///docs/{quote(name, errors='surrogateescape')}": why for name, why in outcomes.items()}


def write_archives(folder: Path) -> None:
    folder.mkdir()
    records = [warc((f"http://w.org/{number}", good(100 + number).encode())) for number in range(6)]
    records[1] = records[1][:100] + b"\xff" + records[1][101:]
    plain = gzip.decompress(warc(("http://w.org/long", good(110).encode()), ("http://w.org/after", good(111).encode())))
    at = plain.index(b"Content-Length: ", plain.index(b"http://w.org/long")) + 16
    (folder / "flipped.warc.gz").write_bytes(b"".join(records)[:-40])
    (folder / "lying.warc").write_bytes(plain[:at] + b"9" + plain[at:])
    (folder / "noise.warc.gz").write_bytes(b"\x1f\x8b\x08" * 3000)
    (folder / "empty.warc").write_bytes(b"")


def write_tables(folder: Path) -> None:
    folder.mkdir()
    rows = [{"text": prose(200 + number), "url": f"http://t.org/{number}"} for number in range(6)]
    whole = lines(rows[:2])
    half = b'\n{"text": "half\n[1]\n' + b"[" * 100_000 + b"\n\xff\n"
    (folder / "a.jsonl").write_bytes(whole + half + lines(rows[2:3]))
    (folder / "b.jsonl.zst").write_bytes(zstd(lines(rows[3:4]) + b"\n" + b"x" * 60_000_000)[:-9])
    texts = [prose(210).encode(), b"\xff\xfe", prose(211).encode()]
    bad = pyarrow.array(texts, pyarrow.binary()).view(pyarrow.string())
    table = pyarrow.table({"text": bad, "url": ["http://t.org/10", "x:\r\n\r\ny", None]})
    pyarrow.parquet.write_table(table, folder / "c.parquet")
    pyarrow.parquet.write_table(pyarrow.table({"text": [prose(212)]}), folder / "d.parquet")
    (folder / "e.parquet").write_bytes((folder / "d.parquet").read_bytes()[:-20])
    (folder / "f.parquet").write_bytes(b"")
    pyarrow.parquet.write_table(pyarrow.table({"text": [1, None]}), folder / "g.parquet")


@pytest.fixture(scope="module")
def crawled(tmp_path_factory) -> tuple[Pages, dict[str, str | None]]:
    folder = tmp_path_factory.mktemp("bad")
    outcomes = write_folder(folder / "docs")
    write_archives(folder / "warcs")
    write_tables(folder / "tables")
    config = CrawlConfig(docs=folder / "docs", warc=folder / "warcs", table=folder / "tables", max_bytes=MOST)
    return crawl(config, Run(folder / "crawl")), outcomes


@pytest.fixture(scope="module")
def made(crawled, tmp_path_factory) -> Corpus:
    started = time.monotonic()
    run = Run(tmp_path_factory.mktemp("corpus"), threads=2)
    result = corpus(CorpusConfig(holdout=0, languages=()), crawled[0], run)
    assert time.monotonic() - started < 120
    return result


def test_every_file_is_kept_or_has_its_reason(crawled, made) -> None:
    _, outcomes = crawled
    found: dict[str, str | None] = {row["url"]: row["reason"] for row in made.refused().to_pylist()}
    found |= dict.fromkeys(made.documents().column("url").to_pylist())
    ours = {url: why for url, why in found.items() if url in outcomes}
    assert ours == outcomes
    kept = {url for url, why in found.items() if why is None} - outcomes.keys()
    assert kept == {
        *(f"http://w.org/{number}" for number in (0, 2, 3, 4)), "http://w.org/after",
        *(f"http://t.org/{number}" for number in (0, 1, 2, 3, 10)), "folder:///tables/c.parquet#2",
        "folder:///tables/d.parquet#0",
    }  # fmt: skip
    rest = {url: why for url, why in found.items() if why is not None and url not in outcomes}
    assert set(rest.values()) == {"damaged", "empty"}
    assert {url.partition("#")[0].removeprefix("folder:///") for url in rest} == {
        "warcs/flipped.warc.gz", "warcs/lying.warc", "warcs/noise.warc.gz", "tables/a.jsonl", "tables/b.jsonl.zst",
        "tables/c.parquet", "tables/e.parquet", "tables/f.parquet", "tables/g.parquet",
    }  # fmt: skip


def test_what_is_kept_is_whole_and_holds_nothing_of_this_machine(made) -> None:
    texts = dict(zip(*(made.documents().column(name).to_pylist() for name in ("url", "text")), strict=True))
    assert SAY in texts["folder:///docs/marks.md"]
    assert "Größe und Maß." in texts["folder:///docs/latin.html"]
    for text in texts.values():
        assert "root:x:0" not in text
        assert "\ufffd" not in text
        assert "\0" not in text
    for number, name in ((1, "kept.html"), (2, "kept.docx"), (4, "kept.pdf"), (9, "wrong.html"), (10, "utf16.txt")):
        assert all(sentence in texts[f"folder:///docs/{name}"].replace("\n", " ") for sentence in story(number))


@pytest.mark.parametrize("kind", ["bpe", "characters"])
def test_the_texts_become_tokens_and_come_back(made, tmp_path, kind) -> None:
    learnt = tokenizer(TokenizerConfig(kind=kind, at_most=400), made, Run(tmp_path / "tokenizer"))
    shards = tokens(TokensConfig(), made, learnt, Run(tmp_path / "tokens")).train()
    encoder = learnt.load()
    by_name = dict(zip(shards.names, map(encoder.decode, shards), strict=True))
    assert by_name == dict(zip(*(made.documents().column(name).to_pylist() for name in ("id", "text")), strict=True))


def test_a_vocabulary_larger_than_the_corpus_allows_is_told_of(made, tmp_path) -> None:
    with pytest.raises(InputError, match=r"too small for a vocabulary of 131,072 tokens: it fills [\d,]+; ask for at"):
        tokenizer(TokenizerConfig(vocab_size=1 << 17), made, Run(tmp_path))


def test_a_site_of_only_duplicates_and_one_of_only_damage(site, tmp_path) -> None:  # noqa: F811
    links = "".join(f"<a href='/{number}'>x</a>" for number in range(12))
    site.answers |= {f"/{number}": good(1).replace("</main>", f"</main>{links}") for number in range(12)}
    site.answers["/"] = site.answers["/0"]
    config = CrawlConfig(site=site.url, allow_private=("127.0.0.1",), delay=0)
    pages = crawl(config, Run(tmp_path / "crawl"))
    result = corpus(CorpusConfig(holdout=0), pages, Run(tmp_path / "corpus"))
    assert result.documents().num_rows == 1
    assert result.refused().column("reason").to_pylist() == ["exact copy"] * 12
    (tmp_path / "docs").mkdir()
    for number in range(5):
        (tmp_path / "docs" / f"{number}.html").write_bytes(b"\0" * 900)
    pages = crawl(CrawlConfig(docs=tmp_path / "docs"), Run(tmp_path / "nothing"))
    with pytest.raises(InputError, match=r"none of 5 pages gave a text to keep .most were refused for: binary"):
        corpus(CorpusConfig(), pages, Run(tmp_path / "none"))


@pytest.mark.parametrize("text", ["a", "\U0010ffff", "👩\u200d👩\u200d👧", "\u0301", "ก", "\n", "é" * 3000])
@pytest.mark.parametrize("kind", ["bpe", "wordpiece", "unigram", "characters"])
def test_a_tokenizer_of_next_to_nothing(kind, text, tmp_path) -> None:
    table = pyarrow.table({"id": ["0"], "text": [text], "source": ["all"]})
    pyarrow.parquet.write_table(table, tmp_path / "documents.parquet")
    pyarrow.parquet.write_table(table.slice(1), tmp_path / "heldout.parquet")
    learnt = tokenizer(TokenizerConfig(kind=kind, at_most=600), Corpus(tmp_path), Run(tmp_path / "tokenizer"))
    shards = tokens(TokensConfig(), Corpus(tmp_path), learnt, Run(tmp_path / "tokens")).train()
    assert learnt.load().decode(shards[0]) == text


@pytest.mark.parametrize("count", [3000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_an_archive_of_many_tiny_records(count, tmp_path) -> None:
    record = (b"WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: http://x.org/%06d\r\n"
              b"WARC-Date: 2026-01-01T00:00:00Z\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx\r\n"
              b"\r\n")  # fmt: skip
    (tmp_path / "x.warc.gz").write_bytes(b"".join(gzip.compress(record % number, 1) for number in range(count)))
    started = time.process_time()
    rows = crawl(CrawlConfig(warc=tmp_path / "x.warc.gz"), Run(tmp_path / "crawl")).rows()
    assert rows.column("outcome").to_pylist() == ["taken"] * count
    assert time.process_time() - started < 0.002 * count
