"""Every figure under its name, from the place it is kept; what is not there says why."""

from __future__ import annotations

import json

import pytest

from hornbook.core.errors import DamagedError, InputError
from hornbook.report.figures import FIGURES, figures, held, of_step, read_figures
from hornbook.report.reading import Reading

NAMES = [
    "demo_minutes", "demo_peak_gb", "faults_refused", "faults_refused_worst", "good_kept", "near_copies_found",
    "wrongly_merged", "qa_base", "qa_sft", "qa_rl", "qa_wording", "qa_unasked", "qa_open", "search_hit",
    "refusal_right", "refusal_wrong", "math_sft", "math_sft_more", "math_rl", "reward_accuracy", "reward_ceiling",
    "reward_length_only", "rl_wins", "rl_kl", "rl_length_ratio", "bpb", "bpb_xz", "bpb_5gram",
]  # fmt: skip


def test_the_names_are_those_agreed():
    assert [figure.name for figure in FIGURES] == NAMES


def test_figures_come_from_their_places(whole_run):
    told = figures(whole_run.folder)
    values = told["figures"]
    assert list(values) == NAMES
    assert (values["qa_base"], values["qa_sft"], values["qa_rl"]) == (0.1, 0.85, 0.84)
    assert (values["math_sft"], values["math_sft_more"], values["math_rl"]) == (0.4, 0.45, 0.97)
    assert values["reward_accuracy"] == 0.81
    assert values["bpb"] == 1.1
    assert values["rl_kl"] == 3.2
    assert values["qa_unasked"] == 0.52
    assert values["refusal_right"] == 0.7, "the last examination that took it"
    assert json.loads(json.dumps(told)) == told


def test_what_is_missing_says_why(whole_run):
    told = figures(whole_run.folder)
    missing = told["missing"]
    assert {name for name, value in told["figures"].items() if value is None} == set(missing)
    assert missing["rl_length_ratio"] == "nobody counted"
    assert missing["search_hit"] == "evaluate_rl did not take it"
    assert "only `hornbook demo`" in missing["demo_minutes"]


def test_a_step_not_done_is_named(made_run):
    made_run.step("crawl")
    assert figures(made_run.folder)["missing"]["qa_sft"] == "the step evaluate_sft is not done"


def test_what_the_demo_knows_is_taken(whole_run):
    grade = {"figures": {"good_kept": {"value": 0.99, "n": 900, "right": 891, "missed": []}, "demo_minutes": 9.5}}
    (whole_run.folder / "grade.json").write_text(json.dumps(grade))
    values = figures(whole_run.folder, {"demo_peak_gb": 2.5, "own": 1})["figures"]
    assert (values["good_kept"], values["demo_minutes"], values["demo_peak_gb"], values["own"]) == (0.99, 9.5, 2.5, 1)


def test_stages(whole_run):
    stages = figures(whole_run.folder)["stages"]
    assert list(stages)[:3] == ["crawl", "corpus", "tokenizer"]
    assert stages["evaluate_sft"]["stage"] == "evaluate"
    assert stages["crawl"] | {"warnings": []} == {
        "stage": "crawl", "seconds": 2.5, "peak_gb": 2.0, "inputs": 1200, "outputs": 1000, "tokens": None,
        "warnings": [], "notes": [], "artifact": "crawl/tiny-000000", "digest": "d" * 64,
    }  # fmt: skip


def test_a_step_shows_its_own_figure_and_no_other_steps(whole_run):
    reading = Reading(whole_run.folder)
    told = read_figures(reading)
    by_name = {figure.name: figure for figure in FIGURES}

    def shows(name: str) -> list:
        return [of_step(reading, by_name[name], step, told) for step in ("evaluate_sft", "evaluate_rl")]

    assert shows("qa_unasked") == [0.5, 0.52]
    assert shows("refusal_right") == [0.7, None]
    assert of_step(reading, by_name["good_kept"], "corpus", told) is None
    (whole_run.folder / "grade.json").write_text(json.dumps({"figures": {"good_kept": 0.99}}))
    reading = Reading(whole_run.folder)
    assert of_step(reading, by_name["good_kept"], "corpus", read_figures(reading)) == 0.99


def test_bars(whole_run):
    values = figures(whole_run.folder)["figures"]
    judged = {figure.name: held(figure, values) for figure in FIGURES}
    assert judged["qa_sft"] is judged["qa_rl"] is judged["math_rl"] is judged["bpb"] is judged["rl_wins"] is True
    assert judged["refusal_right"] is False
    assert judged["good_kept"] is None
    assert judged["reward_accuracy"] is True
    assert judged["qa_base"] is None
    assert [held(FIGURES[0], {"demo_minutes": minutes}) for minutes in (9.9, 12, 14.1)] == [True, None, False]


def test_nothing_done_is_one_line(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="no step is done yet; run: hornbook run"):
            figures(folder)


def test_damaged_scores_are_one_line(whole_run):
    (whole_run.folder / "evaluate" / "tiny-000000" / "scores.json").write_text("{")
    with pytest.raises(DamagedError, match=r"scores\.json: not JSON"):
        figures(whole_run.folder)
