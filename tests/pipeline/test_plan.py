"""The plan says what would run, why, and about how long; a horizon is settled once."""

from __future__ import annotations

import toys


def test_before_the_first_run(bench):
    planned = bench.plan()
    assert [step.action for step in planned.values()] == ["run"] * 4
    assert {step.reason for step in planned.values()} == {"not done yet"}
    assert planned["learn"].seconds is None


def test_why_a_step_runs_again(bench):
    bench.run()
    planned = bench.plan("learn.steps=6", "learn.width=8")
    assert planned["words"].action == "up to date"
    assert planned["learn"].reason == "steps 5 -> 6; width 128 -> 8"
    assert planned["examine"].reason == "learn changed"
    assert bench.plan("seed=1")["fetch"].reason == "another seed"


def test_why_is_told_from_what_is_current_and_not_from_what_is_newest(bench):
    bench.run()
    bench.run("learn.steps=6")
    bench.run()
    assert bench.workspace.current("learn").record.config["steps"] == 5
    assert bench.plan("learn.steps=8")["learn"].reason == "steps 5 -> 8"


def test_a_horizon_that_is_not_sure_is_kept_by_a_run_alone(bench, monkeypatch):
    monkeypatch.setattr(toys.LearnConfig, "sure", lambda self, recipe, measured: False)
    for _ in range(2):
        assert bench.plan("learn.minutes=0.1")["learn"].config.steps == 6
    assert bench.noted().count("settle") == 2
    bench.run("learn.minutes=0.1")
    assert bench.plan("learn.minutes=0.1")["learn"].action == "up to date"
    assert bench.noted().count("settle") == 3


def test_a_version_raised_by_hand(bench):
    bench.run()
    object.__setattr__(toys.words, "version", 2)
    try:
        assert bench.plan()["words"].reason == "stage version 1 -> 2"
    finally:
        object.__setattr__(toys.words, "version", 1)


def test_going_back_to_what_was_done_runs_nothing(bench):
    bench.run()
    assert bench.did("learn.steps=6") == ["learn", "examine"]
    assert bench.workspace.current("learn").record.config["steps"] == 6
    assert bench.did() == []
    assert bench.workspace.current("learn").record.config["steps"] == 5


def test_the_estimate_is_what_it_took(bench):
    bench.run()
    took = bench.workspace.current("learn").record.seconds
    assert bench.plan("learn.steps=6")["learn"].seconds == took


def test_a_horizon_is_settled_once_and_kept(bench):
    planned = bench.plan("learn.minutes=0.1")
    assert planned["learn"].config.steps == 6
    assert bench.plan("learn.minutes=0.1")["learn"].identity == planned["learn"].identity
    assert bench.noted().count("settle") == 1
    assert bench.plan("learn.minutes=0.2")["learn"].config.steps == 12
    assert bench.plan("learn.minutes=0.1")["learn"].identity == planned["learn"].identity
    assert bench.noted().count("settle") == 2


def test_machine_settings_bear_no_identity(bench):
    bench.run()
    assert bench.did("run.threads=1", "run.device=cpu") == []


def test_a_step_that_may_stay(bench):
    bench.run()
    planned = bench.plan(again={"fetch"})
    assert planned["fetch"].reason == "asked for again"
    assert planned["words"].action == "up to date"
    assert planned["words"].reason == "unless fetch comes out different"
    assert bench.did(only="fetch", again=True) == ["fetch"]
    assert bench.did() == []
