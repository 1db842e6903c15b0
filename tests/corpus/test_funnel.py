from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from hornbook.corpus.funnel import (
    Change,
    Flow,
    Group,
    Rule,
    all_examples,
    changes,
    examples,
    flows,
    groups,
    kept,
    rules,
    shared,
)
from hornbook.corpus.tagging.filters import Threshold
from hornbook.corpus.tagging.spread import SHARES, spreads
from hornbook.corpus.tagging.tags import TAGS


def write(folder: Path, **tables: list[dict]) -> Path:
    """A corpus with these tables; `tags_0` is a file in its folder of tags."""
    for name, rows in tables.items():
        path = folder / f"{name.replace('tags_', 'tags/')}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=3)
    return folder


@pytest.fixture
def refused(tmp_path) -> Path:
    found = [("filter", "thin", 10)] * 25 + [("crawl", "robots", None)] * 2 + [
        ("filter", "spam", 5), ("extract", "empty", 1)]  # fmt: skip
    return write(tmp_path, refused=[
        {"url": f"https://a.example/{number:02d}", "step": step, "reason": reason, "detail": "d", "title": "t",
         "excerpt": f"e{number}", "bytes": size}
        for number, (step, reason, size) in enumerate(found)
    ])  # fmt: skip


def test_rules_by_step_with_pages_and_bytes(refused) -> None:
    assert rules(refused) == [
        Rule("crawl", "robots", 2, 0), Rule("extract", "empty", 1, 1), Rule("filter", "thin", 25, 250),
        Rule("filter", "spam", 1, 5),
    ]  # fmt: skip


def test_examples_are_taken_evenly(refused) -> None:
    found = examples(refused, "thin")
    assert [row["url"][-2:] for row in found] == [f"{place * 25 // 10:02d}" for place in range(10)]
    assert found[1] == {"url": "https://a.example/02", "detail": "d", "title": "t", "excerpt": "e2"}
    assert len(examples(refused, "robots")) == 2
    assert examples(refused, "no such") == []
    assert {rule: len(rows) for rule, rows in all_examples(refused, 3).items()} == {
        ("filter", "thin"): 3, ("crawl", "robots"): 2, ("filter", "spam"): 1, ("extract", "empty"): 1,
    }  # fmt: skip


def page(url: str, size: int, words: int | None, fault: str | None = None, **more) -> dict:
    characters = None if words is None else 5.0 * words
    number = None if words is None else float(words)
    return {"url": url, "site": "s", "bytes": size, "words": number, "characters": characters, "fault": fault,
            "language": "en"} | more  # fmt: skip


def test_what_goes_through_each_step(tmp_path) -> None:
    corpus = write(
        tmp_path,
        tags_0=[page("a", 10, 4), page("b", 20, 8), page("c", 30, None, "binary")],
        tags_1=[page("d", 40, 16, language="de"), page("e", 50, 32)],
        documents=[{"url": "a", "source": "s", "language": "en", "characters": 20.0, "words": 4.0}],
        heldout=[{"url": "e", "source": "s", "language": "en", "characters": 150.0, "words": 30.0}],
        refused=[{"url": url, "step": step, "reason": "r", "bytes": size} for url, step, size in
                 [("b", "deduplicate", 20), ("c", "extract", 30), ("d", "filter", 40), ("x", "crawl", None)]],
    )  # fmt: skip

    def of(pages: int, size: int, words: int) -> dict:
        return {"pages": pages, "bytes": size, "characters": 5 * words, "words": words}

    assert flows(corpus) == [
        Flow("crawl", {"pages": 6}, {"pages": 5}),
        Flow("extract", of(5, 150, 60), of(4, 120, 60)),
        Flow("filter", of(4, 120, 60), of(3, 80, 44)),
        Flow("deduplicate", of(3, 80, 44), of(2, 60, 34)),  # two words were cut out of "e" since
    ]
    assert kept(corpus) == (1, 1)
    assert groups(corpus, "source") == [Group("s", 5, 2, 170)]
    assert groups(corpus, "language") == [Group("en", 4, 2, 170), Group("de", 1, 0, 0)]


def test_a_corpus_without_tags_has_its_documents(tmp_path) -> None:
    corpus = write(tmp_path, documents=[{"url": "a"}, {"url": "b"}])
    assert flows(corpus) == []
    assert groups(corpus, "source") == [Group("?", 2, 2, 0)]
    assert spreads(corpus, []) == []


def test_changes_between_two_corpora(tmp_path) -> None:
    was = write(
        tmp_path / "was", documents=[{"url": url} for url in ("a", "b", "c")], heldout=[{"url": "new"}],
        refused=[{"url": "d", "reason": "thin"}, {"url": "e", "reason": "spam"}],
    )  # fmt: skip
    now = write(
        tmp_path / "now", documents=[{"url": "a"}, {"url": "d"}],
        refused=[{"url": "b", "reason": "thin"}, {"url": "c", "reason": "thin"}, {"url": "e", "reason": "near copy"}],
    )  # fmt: skip
    assert changes(was, now) == [
        Change("kept", "thin", 2, ("b", "c")), Change("spam", "near copy", 1, ("e",)),
        Change("thin", "kept", 1, ("d",)),
    ]  # fmt: skip
    assert changes(was, was) == []
    assert shared(was, now) == 5
    assert shared(was, write(tmp_path / "other", documents=[{"url": "z"}])) == 0


def test_the_spread_of_tags_and_what_a_threshold_refuses(tmp_path) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 500, 101).astype(float).tolist()
    rows = [dict.fromkeys(TAGS, 0.5) | page(str(i), 1, None) | {"words": value} for i, value in enumerate(values)]
    faulty = dict.fromkeys(TAGS, 9.0) | page("x", 1, None, "binary") | {"words": 9.0}
    corpus = write(tmp_path, tags_0=[*rows[:40], faulty], tags_1=rows[40:])
    found = {spread.tag: spread for spread in spreads(corpus, [
        Threshold("thin", "words", low=30), Threshold("long", "words", high=400), Threshold("spam", "spam", high=0.5)])}
    words = found["words"]
    assert list(found) == list(TAGS)
    assert words.pages == 101
    assert words.quantiles == tuple(sorted(values)[int(np.ceil(share * 101)) - 1] for share in SHARES)
    assert (words.low, words.high) == (30, 400)
    assert words.refused == round(sum(value < 30 or value > 400 for value in values) / 101, 6)
    assert (found["spam"].low, found["spam"].high, found["spam"].refused) == (None, 0.5, 0)
    assert (found["toxicity"].low, found["toxicity"].high, found["toxicity"].refused) == (None, None, 0)
