"""A run does each step once, and a second run does none."""

from __future__ import annotations

import json
import os

import pytest
import toys

from hornbook.core.errors import InputError
from hornbook.core.files import write_text
from hornbook.pipeline.record import Record
from hornbook.pipeline.run import Run
from hornbook.pipeline.stage import Step, stage


def test_a_stage_is_a_function_that_a_test_can_call(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("one")
    fetched = toys.fetch(toys.FetchConfig(docs=tmp_path / "docs"), Run(tmp_path / "one"))
    counted = toys.words(toys.WordsConfig(), fetched, Run(tmp_path / "two"))
    assert (counted.path / "words.jsonl").read_text().startswith('{"word": "one"')


def test_the_road_is_walked_once(bench):
    assert bench.did() == ["fetch", "words", "learn", "examine"]
    noted = bench.noted()
    assert bench.did() == []
    assert bench.noted() == noted
    assert len(noted) == 3 + 1 + 5 + 1


def test_the_record_says_how_it_came_to_be(bench):
    bench.run()
    artifact = bench.workspace.current("learn", toys.State)
    record = artifact.record
    assert artifact.path.parent.name == "learn"
    assert artifact.path.name == f"w128-{artifact.identity[:6]}"
    assert record.config == {"steps": 5, "width": 128, "minutes": None}
    assert record.inputs["words"].digest == bench.workspace.current("words").digest
    assert record.digest == artifact.content_digest()
    assert record.metrics["final"] == json.loads((artifact.path / "state.json").read_text())["state"][:4]
    assert set(record.files) == {"state.json", "metrics.jsonl"}
    assert record.seconds >= 0
    assert record.attempts == 1
    assert record.peak_memory_bytes > 1_000_000
    assert record.versions["python"]
    assert bench.workspace.current("examine").record.warnings == ["the toys are simulated"]
    assert not list(bench.workspace.partial.iterdir())
    assert Record.model_validate_json(record.model_dump_json()) == record


def test_times_bear_no_digest(bench, tmp_path):
    bench.run()
    first = bench.digests()
    bench.run(start="fetch")
    assert bench.digests() == first


def test_an_input_that_a_step_leaves_out(bench, monkeypatch):
    @stage(version=1)
    def compare(
        config: toys.ExamineConfig, model: toys.State, other: toys.State | None = None, *, run: Run
    ) -> toys.Figures:
        write_text(run.out / "figures.json", json.dumps(other is None))
        return toys.Figures(run.out)

    steps = [Step("alone", compare, {"model": "learn"}), Step("both", compare, {"model": "learn", "other": "learn"})]
    monkeypatch.setattr(toys, "ROAD", [*toys.ROAD, *steps])
    assert bench.did()[-2:] == ["alone", "both"]
    alone, both = (bench.workspace.current(name) for name in ("alone", "both"))
    assert list(alone.record.inputs) == ["model"]
    assert list(both.record.inputs) == ["model", "other"]
    assert [json.loads((made.path / "figures.json").read_text()) for made in (alone, both)] == [True, False]
    assert bench.did() == []


def test_until_and_from(bench):
    assert bench.did(until="words") == ["fetch", "words"]
    assert bench.did() == ["learn", "examine"]
    assert bench.did(start="learn") == ["learn", "examine"]
    assert bench.did(start="words", until="learn") == ["words", "learn"]
    assert bench.did() == []


def test_one_step_alone_needs_its_inputs(bench):
    with pytest.raises(InputError, match=r"words reads what fetch makes, which is not there; run: .*fetch"):
        bench.run(only="words")
    assert bench.did(only="fetch") == ["fetch"]
    assert bench.did(only="fetch") == []
    assert bench.did(only="fetch", again=True) == ["fetch"]
    assert bench.did(only="words") == ["words"]


def test_what_came_out_different_is_read_again(bench):
    bench.run()
    (bench.folder / "docs" / "3.txt").write_text("blue fish")
    assert bench.plan()["fetch"].reason == "docs holds something else"
    assert bench.did() == ["fetch", "words", "learn", "examine"]


def test_same_request_other_content_does_what_follows_again(bench, monkeypatch):
    bench.run()
    plain = toys.words.function
    doubled = lambda config, fetch, run: plain(config, fetch, run) if not _double(fetch, run) else toys.Words(run.out)  # noqa: E731

    def _double(fetch, run) -> bool:
        (run.out / "words.jsonl").write_text('{"word": "blue"}\n')
        return True

    object.__setattr__(toys.words, "function", doubled)
    try:
        assert bench.did(only="words", again=True) == ["words"]
        planned = bench.plan()
        assert planned["learn"].reason == "words came out different"
        assert bench.did() == ["learn", "examine"]
    finally:
        object.__setattr__(toys.words, "function", plain)


def test_content_not_path_of_what_is_outside_bears_identity(bench):
    bench.run()
    os.rename(bench.folder / "docs", bench.folder / "elsewhere")
    bench.write('size = "tiny"\n[fetch]\ndocs = "elsewhere"\n')
    assert bench.did() == []


def test_a_stage_that_fails_keeps_what_was_done(bench):
    with pytest.raises(InputError, match="nothing to examine"):
        bench.run("examine.fail=true")
    assert list(bench.workspace.steps()) == ["fetch", "words", "learn"]
    assert bench.did() == ["examine"]


def test_previous_is_what_the_step_made_last(bench, monkeypatch):
    bench.run()
    seen = []
    plain = toys.fetch.function
    object.__setattr__(toys.fetch, "function", lambda config, run: seen.append(run.previous) or plain(config, run))
    try:
        last = bench.workspace.current("fetch").path
        bench.run("fetch.letters=xyz")
    finally:
        object.__setattr__(toys.fetch, "function", plain)
    assert seen == [last]
