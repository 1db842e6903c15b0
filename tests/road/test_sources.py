"""What sources are called, and that several of a kind stay apart from the crawl to the documents."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from hornbook.pipeline.identity import OutsideDigests, encoded, paths_from_outside
from hornbook.pipeline.run import Run
from hornbook.road.corpus import CorpusConfig, corpus
from hornbook.road.crawl import CrawlConfig, crawl
from hornbook.road.sources import path_name, site_name
from tests.corpus.web.test_crawl import page
from tests.road.test_corpus import story
from tests.road.test_crawl import config, site  # noqa: F401


def folders(folder: Path, *names: str) -> list[Path]:
    """Folders of those names, each with a page of the same path."""
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        (folder / name / "a b.md").write_text(f"# A\n\n{' '.join(story(number))}")
    return [folder / name for name in names]


def identity_of(asked: CrawlConfig, memory: Path) -> str:
    return json.dumps(encoded(asked, OutsideDigests(memory).of(paths_from_outside(asked))), sort_keys=True)


def test_names(tmp_path) -> None:
    addresses = ("https://www.Example.org/docs/", "example.org:8000", "http://[::1]:1/")
    assert [site_name(address) for address in addresses] == ["example.org", "example.org:8000", "[::1]:1"]
    (tmp_path / "v1.2").mkdir()
    assert path_name(tmp_path / "v1.2") == path_name(tmp_path / "v1.2" / "x" / "..") == "v1.2"
    assert [path_name(Path(name)) for name in ("a.jsonl.zst", "b.parquet", "c", "d.WARC.GZ", "e.f.paths")] == \
        ["a", "b", "c", "d", "e.f"]


def test_one_path_a_list_and_a_table_are_the_same_request(tmp_path) -> None:
    one, two = folders(tmp_path, "one", "two")
    assert CrawlConfig(docs=one).docs == CrawlConfig(docs=[one]).docs == CrawlConfig(docs={"one": one}).docs
    memory = tmp_path / "memory.json"
    assert identity_of(CrawlConfig(docs=[one, two]), memory) == identity_of(CrawlConfig(docs=[two, one]), memory)
    before = identity_of(CrawlConfig(docs=[one, two]), memory)
    two.rename(tmp_path / "three")  # what it is called is in the documents, so it is another request
    assert identity_of(CrawlConfig(docs=[one, tmp_path / "three"]), memory) != before
    assert identity_of(CrawlConfig(docs={"one": one, "two": tmp_path / "three"}), memory) == before
    assert CrawlConfig.model_validate_json(CrawlConfig(docs=[one]).model_dump_json()) == CrawlConfig(docs=[one])


def test_a_path_that_is_the_recipes_own_folder_has_its_name(tmp_path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    assert list(CrawlConfig.model_validate({"docs": "."}, context={"folder": folder}).docs) == ["mine"]


@pytest.mark.parametrize(("asked", "says"), [
    ({"docs": ["a/x", "b/x"]}, r"two sources are called x: give one another name, such as docs = \{"),
    ({"docs": "a/x", "table": "x.jsonl"}, r"two sources are called x: give one another name, such as table = \{"),
    ({"site": "https://www.x/", "docs": "a/x"}, r"two sources are called x"),
    ({"docs": {"*": "a/x"}}, r"'\*' cannot name a source"),
    ({"docs": {"a/b": "a/x"}}, r"'a/b' cannot name a source"),
    ({"docs": 3}, "must be a path, a list of paths, or a table of names and paths"),
    ({"docs": ["a/x", 3]}, "must be a path, a list of paths, or a table of names and paths"),
    ({"docs": ["a/x", "gone"]}, "there is no .*gone"),
    ({"docs": []}, "name at least one of site, docs, warc, table, dataset"),
])
def test_what_cannot_be_named_is_one_line(tmp_path, asked, says) -> None:
    folders(tmp_path, "a/x", "b/x")
    (tmp_path / "x.jsonl").write_text('{"text": "t"}')
    with pytest.raises(ValidationError, match=says):
        CrawlConfig.model_validate(asked, context={"folder": tmp_path})


def test_the_same_path_in_two_folders_is_two_pages(tmp_path) -> None:
    one, two = folders(tmp_path, "one", "two & more")
    os.makedirs(tmp_path / "t")
    (tmp_path / "t" / "x.jsonl").write_text(json.dumps({"text": " ".join(story(2)), "url": "http://x.org/a"}))
    pages = crawl(CrawlConfig(docs=[one, two], table=tmp_path / "t"), Run(tmp_path / "crawl"))
    rows = pages.rows().select(["url", "canonical", "source", "outcome"]).to_pylist()
    assert rows == [
        {"url": url, "canonical": url, "source": source, "outcome": "taken"}
        for url, source in (("folder:///one/a%20b.md", "one"), ("folder:///two%20&%20more/a%20b.md", "two & more"),
                            ("http://x.org/a", "t"))
    ]
    kept = corpus(CorpusConfig(holdout=0.0), pages, Run(tmp_path / "corpus")).documents()
    assert dict(zip(kept.column("url").to_pylist(), kept.column("source").to_pylist(), strict=True)) == \
        {row["url"]: row["source"] for row in rows}


def test_rows_of_two_tables_that_have_one_name(tmp_path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.jsonl").write_text(f'{{"text": "{name}"}}\n{{"text": "{name}2", "url": "http://x.org/"}}')
    pages = crawl(CrawlConfig(table=[tmp_path / "a", tmp_path / "b"]), Run(tmp_path / "crawl"))
    assert {(row["url"], row["source"], row["reason"]) for row in pages.rows().to_pylist()} == {
        ("folder:///a/x.jsonl#0", "a", None), ("http://x.org/", "a", None), ("folder:///b/x.jsonl#0", "b", None),
        ("folder:///b/x.jsonl#2", "b", "same url"),
    }  # fmt: skip


def test_a_page_of_a_site_is_of_its_site_taken_or_not(site, tmp_path) -> None:  # noqa: F811
    site.answers |= {"/": page("start", "/a", "/gone"), "/a": page("a"), "/late": page("late")}
    (tmp_path / "t.jsonl").write_text(json.dumps({"text": "words", "url": f"{site.url}/gone"}))
    both = config(site.url).model_copy(update={"table": {"t": tmp_path / "t.jsonl"}})
    rows = crawl(both, Run(tmp_path / "run")).rows().to_pylist()
    found = {row["url"].removeprefix(site.url): (row["source"], row["outcome"]) for row in rows}
    host = site.url.removeprefix("http://")
    assert found == {"/": (host, "taken"), "/a": (host, "taken"), "/gone": ("t", "taken")}
