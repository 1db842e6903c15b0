"""`hornbook demo` as far as the corpus: the island is crawled, graded and told of; a second call does nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest


def demo(runs, *options: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "hornbook.cli", "demo", "--size", "tiny", "--no-open", "--until", "corpus", *options],
        capture_output=True, text=True, timeout=240, env={**os.environ, "HORNBOOK_RUNS": str(runs)},
    )  # fmt: skip


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    return runs, demo(runs, "--seed", "9", "--name", "isle", "--json")


def test_the_island_is_crawled_and_graded(walked):
    runs, done = walked
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == ["island", "start", "done", "start", "done", "finished"]
    figures = events[-1]["figures"]
    assert figures["good_kept"] >= 0.98
    assert figures["faults_refused"] >= 0.95
    assert figures["wrongly_merged"] <= 0.01
    assert "corpus" in events[-1]["missing"]["demo_minutes"]
    assert figures["demo_peak_gb"] > 0
    assert events[-1]["missing"]["qa_sft"]
    assert (runs / "isle" / "report.html").exists()


def test_a_second_call_does_nothing_and_needs_no_server(walked):
    runs, first = walked
    second = demo(runs, "--seed", "9", "--name", "isle", "--json")
    events = [json.loads(line) for line in second.stdout.splitlines()]
    assert [event["event"] for event in events] == ["island", "skip", "skip", "finished"]
    assert events[-1]["figures"] == json.loads(first.stdout.splitlines()[-1])["figures"]


def test_a_table_for_people(walked):
    lines = demo(walked[0], "--seed", "9", "--name", "isle").stdout
    assert "faults_refused" in lines
    assert "the report:" in lines


@pytest.mark.parametrize(
    ("options", "said"),
    [(("--name", "../isle"), "cannot name"), (("--size", "huge"), "laptop, tiny"), (("--until", "fly"), "fly")],
)
def test_wrong_options_are_one_line(tmp_path, options, said):
    done = demo(tmp_path, *options)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
