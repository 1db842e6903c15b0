"""What a stage says it will take here: measured once, kept with its threads, and refused before anything is begun."""

from __future__ import annotations

import json

import pytest

from hornbook.core.errors import InputError, RecipeError
from hornbook.pipeline.plan import estimated
from hornbook.pipeline.record import Record


def estimate(bench, *settings: str):
    recipe = bench.recipe(*settings)
    return estimated(recipe, bench.plan(*settings)["learn"], bench.workspace, thorough=True)


def test_it_is_measured_once_and_kept(bench):
    first = estimate(bench)
    assert (first.seconds, first.estimate.threads, first.estimate.memory) == (2.5, 3, {"weights": 1024})
    assert estimate(bench, "learn.steps=8").seconds == 4.0
    assert bench.noted().count("measure") == 1
    bench.plan("seed=3")
    assert bench.workspace.plan()["measured"] == {"rate": 2.0}


def test_a_run_does_not_measure_but_uses_the_threads_that_were_found(bench):
    bench.run()
    assert "measure" not in bench.noted()
    estimate(bench, "seed=1")
    bench.run("seed=1")
    assert bench.workspace.current("learn").record.machine["threads"] == 3
    bench.run("seed=2", "run.threads=1")
    assert bench.workspace.current("learn").record.machine["threads"] == 1


def test_a_stopped_attempt_goes_on_with_its_own_threads(bench, monkeypatch: pytest.MonkeyPatch):
    import toys

    estimate(bench)
    def killed(what: str) -> None:
        if what == "learn 3":
            raise KeyboardInterrupt

    monkeypatch.setattr(toys, "note", killed)
    with pytest.raises(Exception, match="stopped in the step learn"):
        bench.run()
    monkeypatch.undo()
    memory = bench.workspace.plan()
    bench.workspace.write_plan({**memory, "measured": {}})
    bench.run()
    assert bench.workspace.current("learn").record.machine["threads"] == 3


def test_what_cannot_fit_is_refused_before_anything_is_begun(bench):
    with pytest.raises(InputError, match="too wide for this machine; lower width"):
        bench.run("learn.width=704")
    assert bench.noted() == []
    assert bench.did("learn.width=704", until="words") == ["fetch", "words"]


def test_of_keys_that_say_one_thing_one_is_given(bench):
    bench.write('size = "tiny"\n[fetch]\ndocs = "docs"\n[learn]\nsteps = 3\nminutes = 1\n')
    with pytest.raises(RecipeError, match="steps and minutes say the same thing in different ways; leave out all but"):
        bench.recipe()
    with pytest.raises(RecipeError, match="steps and minutes say"):
        bench.recipe("learn.minutes=2", "learn.steps=4")
    assert bench.recipe("learn.minutes=2").configs["learn"].minutes == 2
    bench.write('size = "tiny"\n[fetch]\ndocs = "docs"\n[learn]\nminutes = 1\n')
    config = bench.recipe("learn.steps=4").configs["learn"]
    assert (config.steps, config.minutes) == (4, None)


def test_the_plan_that_was_kept_before_there_were_measurements_is_read(bench):
    bench.run()
    path = bench.workspace.folder / "plan.json"
    old = json.loads(path.read_text())
    del old["measured"]
    path.write_text(json.dumps(old))
    assert bench.did() == []
    assert Record.read(bench.workspace.current("learn").path).identity
