"""`hornbook show` of a corpus: its funnel, its refusals, its tags, another beside it; as lines and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hornbook.cli.show import show
from hornbook.core.errors import InputError
from hornbook.pipeline.record import Record
from hornbook.pipeline.run import Run
from hornbook.road.corpus import CorpusConfig, corpus
from hornbook.road.crawl import CrawlConfig, crawl
from tests.road.test_corpus import write_site


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, str]:
    """Two corpora of the same pages, the second with other thresholds: their folders."""
    folder = tmp_path_factory.mktemp("made")
    write_site(folder / "docs")
    pages = crawl(CrawlConfig(docs=folder / "docs"), Run(folder / "crawl"))
    changed = CorpusConfig(holdout=0.2, thresholds={"words": (100, None), "spam": (None, None)})
    return {name: str(_made(pages, config, folder / name))
            for name, config in (("first", CorpusConfig(holdout=0.2)), ("changed", changed))}  # fmt: skip


def _made(pages, config: CorpusConfig, folder: Path) -> Path:
    run = Run(folder)
    path = corpus(config, pages, run).path
    record = Record(
        step="corpus", stage="corpus", version=1, identity="1" * 64, digest="d" * 64, kind="Corpus", size="tiny",
        config=json.loads(config.model_dump_json()), seed=0, depth=2, started="2026-11-22T03:00:00+00:00", seconds=2.5,
        peak_memory_bytes=1, metrics=run.metrics,
    )  # fmt: skip
    (path / "record.json").write_text(record.model_dump_json())
    return path


def lines(capsys, *arguments, **options) -> str:
    show(*arguments, **options)
    return capsys.readouterr().out


def test_the_funnel_adds_up(made, capsys):
    told = json.loads(lines(capsys, made["first"], as_json=True))
    found = told["funnel"]
    assert told["kind"] == "Corpus", "the record is there as well"
    assert [(step["step"], step["before"]["pages"], step["after"]["pages"]) for step in found["steps"]] == [
        ("crawl", 31, 30), ("extract", 30, 27), ("filter", 27, 23), ("deduplicate", 23, 21),
    ]  # fmt: skip
    assert {name: found[name] for name in ("kept", "heldout")} == {
        name: told["metrics"]["funnel"][name] for name in ("kept", "heldout")
    }
    assert {rule["reason"]: rule["pages"] for rule in found["rules"]} == told["metrics"]["funnel"]["refused"]
    last = found["steps"][-1]["after"]
    sizes = {rule["reason"]: rule["bytes"] for rule in found["rules"]}
    before = found["steps"][-1]["before"]
    assert before["bytes"] - last["bytes"] == sizes["exact copy"] + sizes["near copy"]
    assert sum(group["characters"] for group in found["sources"]) == last["characters"]
    assert sum(group["kept"] for group in found["languages"]) == 21
    assert found["personal"]["email"] == 1

    text = lines(capsys, made["first"])
    assert "through deduplicate" in text
    assert "23 -> 21 pages" in text
    assert "refused by filter: spam" in text
    assert "language en" in text


def test_the_tags_and_what_thresholds_refuse(made, capsys):
    spam = next(tag for tag in json.loads(lines(capsys, made["first"], tags=True, as_json=True))["tags"]
                if tag["tag"] == "spam")  # fmt: skip
    assert (spam["low"], spam["high"], spam["pages"]) == (None, 0.5, 28)
    assert spam["refused"] == round(1 / 28, 6)
    text = lines(capsys, made["first"], tags=True)
    assert text.startswith("tag ")
    assert "50% below" in text


def test_another_corpus_beside_it(made, capsys):
    [told] = json.loads(lines(capsys, made["changed"], against=[made["first"]], as_json=True)).values()
    assert told["config"] == {"thresholds": [{}, {"words": [100, None], "spam": [None, None]}]}
    assert told["thresholds"] == {"spam": [[None, 0.5], None], "words": [[30, 200_000], [100, None]]}
    assert told["common"] == 31
    moved = {(change["was"], change["now"]) for change in told["changes"]}
    assert moved == {("spam", "repeated 10-grams"), ("language", "thin")}
    text = lines(capsys, made["changed"], against=[made["first"]])
    assert "threshold spam" in text
    assert "at most 0.5 -> any" in text
    assert "spam -> repeated 10-grams" in text
    assert "no difference" in lines(capsys, made["first"], against=[made["first"]])


def test_a_refusal(made, capsys):
    [row] = json.loads(lines(capsys, made["first"], refused="spam", as_json=True))["refused"]
    assert row["url"].endswith("spam.html")
    assert "spam" in row["detail"]
    with pytest.raises(InputError, match=r"ask for one of .*'exact copy'"):
        show(made["first"], refused="no such")
