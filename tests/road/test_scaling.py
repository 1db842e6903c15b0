"""A whole study on a tiny run: it goes on where it was stopped, trains nothing twice, and says what it foretold."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hornbook.cli.commands import app
from hornbook.core.errors import HornbookError, InputError
from hornbook.core.jsonl import read_jsonl
from hornbook.evaluation.scaling import findings, grid
from hornbook.road import runs, scaling, trials
from hornbook.road.trials import Bench

pytest.importorskip("scipy", reason="pip install 'hornbook[scaling]'")

FLOPS = 1.5e9
RECIPE = """size = "tiny"
[crawl]
docs = "pages"
[corpus]
holdout = 0.2
[tokenizer]
vocab_size = 300
[pretrain]
window = 48
rows = 1
tokens = 256
[evaluate]
shots = 0
exams = ["exam.jsonl"]
[run]
threads = 1
"""
BOOK = Path(__file__).parents[2] / "docs" / "book"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("scaling")
    patch = pytest.MonkeyPatch()
    patch.setenv("HORNBOOK_RUNS", str(folder / "runs"))
    patch.setattr(trials, "LOSS_TOKENS", 512)
    patch.setattr(trials, "ITEMS", 8)
    patch.setattr(scaling, "rate", lambda bench, trial: 1e6 / trial.shape.width)
    patch.setattr(findings, "DRAWS", 8)
    for name, value in (("ROWS", 3), ("SIZES", 3), ("SEEDS", 2)):
        patch.setattr(grid, name, value)
    (folder / "pages").mkdir()
    for chapter in sorted(BOOK.glob("*.md")):
        shutil.copy(chapter, folder / "pages")
    exam = {"id": "1", "kind": "qa", "question": "Who keeps geese in Vell?", "answers": ["Edda"]}
    (folder / "exam.jsonl").write_text(json.dumps(exam) + "\n")
    (folder / "geese.toml").write_text(RECIPE)
    runs.run(folder / "geese.toml", until="tokens")
    yield Bench(runs.open_recipe(folder / "geese.toml"))
    patch.undo()


def test_it_goes_on_where_it_was_stopped(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    study = scaling.planned(bench, flops=FLOPS)
    made = []
    whole = trials._trained

    def counted(*arguments):
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(arguments[1])
        return whole(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(trials, "_trained", counted)
        with pytest.raises(KeyboardInterrupt):
            scaling.studied(bench, study)
    assert len(list(read_jsonl(bench.folder / "trials.jsonl"))) == 3
    told = []
    found = scaling.studied(bench, study, told=lambda trial, row: told.append((trial, row)))
    rows = list(read_jsonl(bench.folder / "trials.jsonl"))
    assert len(rows) == len(study.trials) + 1 == len(told) == len(found["rows"])
    assert [trial for trial, _ in told[:-1]] == study.trials
    assert not list(bench.workspace.partial.glob("scaling~*"))
    largest = max(trial.shape.flops * trial.tokens for trial in study.trials)
    assert found["rows"][-1]["held_out"]
    assert found["rows"][-1]["flops"] > 2 * largest
    assert found["held_out"]["inside"] in (True, False)
    assert {"text", "questions", "loss"} <= found["rows"][0].keys()
    assert 0 <= found["rows"][0]["text"]["exact_8"] <= found["rows"][0]["text"]["exact_1"] <= 1

    monkeypatch.setattr(trials, "_trained", None)  # nothing is trained again, and the laws are the same
    assert scaling.studied(bench, study) == found
    assert sum(scaling.planned(bench, flops=FLOPS).seconds) == 0


def test_seeds_differ_and_the_same_seed_is_the_same(bench: Bench) -> None:
    rows = list(read_jsonl(bench.folder / "trials.jsonl"))
    assert len({row["identity"] for row in rows}) == len(rows)
    study = scaling.planned(bench, flops=FLOPS)
    again = next(trial for trial in study.trials if trial.seed == 1)
    row = trials._trained(bench, again, "again")
    kept = trials.kept(bench)[bench.identity(again)]
    assert row["loss"] == kept["loss"]
    same_shape = [each["loss"] for each in rows if (each["depth"], each["width"], each["tokens"]) ==
                  (row["depth"], row["width"], row["tokens"])]
    assert len(set(same_shape)) == len(same_shape) == 2


def test_the_command_says_it_and_draws_it(bench: Bench) -> None:
    called = CliRunner().invoke(app, ["scaling", str(bench.recipe.path), "--flops", str(FLOPS)])
    assert called.exit_code == 0, called.output
    assert "FLOPs, then one of four times that" in called.output
    assert "foretold" in called.output
    page = (bench.folder / "scaling.html").read_text("utf-8")
    assert page.count("<svg") >= 4
    assert "the next 8 all right" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    named = CliRunner().invoke(app, ["scaling", "geese", "--flops", str(FLOPS), "--json"])
    assert json.loads(named.output) == json.loads((bench.folder / "scaling.json").read_text("utf-8"))


def test_minutes_become_flops_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    study = scaling.planned(bench, minutes=5)
    assert 0.8 * 300 < study.all_seconds <= 300
    monkeypatch.setattr(scaling, "rate", lambda bench, trial: 1e3)
    assert scaling.planned(bench, minutes=5).trials == study.trials


def test_what_it_cannot_do_is_said(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--flops 1e\\+06: that is 3 models, and a law with its interval wants 8"):
        scaling.planned(bench, flops=1e6)
    recipe = tmp_path / "other.toml"
    recipe.write_text(RECIPE.replace("pages", str(bench.recipe.path.parent / "pages")).replace(
        "exam.jsonl", str(bench.recipe.path.parent / "exam.jsonl")))
    with pytest.raises(InputError, match="has made nothing yet"):
        scaling.planned(Bench(runs.open_recipe(recipe)), flops=FLOPS)
    recipe.write_text(recipe.read_text().replace("[pretrain]", f'[pretrain]\ninit = "{tmp_path}"'))
    with pytest.raises(HornbookError, match="goes on from a model"):
        _ = Bench(runs.open_recipe(recipe)).base
