"""Island and recipe in a run's folder: written once, read by the road, graded after."""

from __future__ import annotations

import json

import pytest

from hornbook.core.errors import InputError
from hornbook.core.processes import compiler
from hornbook.demo.recipe import NOTE, prepare
from hornbook.demo.server import LOWEST_PORT, PORTS, free_port
from hornbook.road.runs import open_recipe


def test_the_road_reads_the_recipe(tmp_path):
    run = prepare(tmp_path / "isle", 7, "tiny")
    recipe = open_recipe(run.recipe)
    assert recipe.name == "isle"
    assert recipe.dial.seed == 7
    assert recipe.configs["crawl"].delay == 0
    assert str(run.port) in recipe.configs["crawl"].site
    for page in json.loads((run.island / "truth" / "faults.json").read_text())["good"]:
        assert page.startswith(f"http://127.0.0.1:{run.port}/")


def test_an_island_is_written_once(tmp_path):
    first = prepare(tmp_path / "isle", 7, "tiny")
    before = (first.island / "chats.jsonl").stat().st_mtime_ns
    second = prepare(tmp_path / "isle", 7, "tiny")
    assert (first.fresh, second.fresh) == (True, False)
    assert second.port == first.port
    assert (second.island / "chats.jsonl").stat().st_mtime_ns == before


def test_another_seed_in_the_same_folder_is_another_island(tmp_path):
    first = prepare(tmp_path / "isle", 7, "tiny")
    facts = (first.island / "truth" / "facts.jsonl").read_text()
    second = prepare(tmp_path / "isle", 8, "tiny")
    assert second.fresh
    assert (second.island / "truth" / "facts.jsonl").read_text() != facts
    assert (second.island / "exams" / "qa.jsonl").exists()
    assert "seed = 8" in second.recipe.read_text()


def test_an_island_half_written_is_written_again(tmp_path):
    run = prepare(tmp_path / "isle", 7, "tiny")
    (run.island / NOTE).unlink()
    assert prepare(tmp_path / "isle", 7, "tiny").fresh


def test_without_a_compiler_there_is_longer_to_read(tmp_path, monkeypatch):
    """And what was found at first is kept: a compiler that comes later makes nothing be done again."""
    quick = prepare(tmp_path / "quick", 7, "laptop")
    assert open_recipe(quick.recipe).configs["pretrain"].minutes == (4.0 if compiler() else 4.5)
    monkeypatch.setenv("CXX", "no-such-compiler")
    slow = prepare(tmp_path / "slow", 7, "laptop")
    assert open_recipe(slow.recipe).configs["pretrain"].minutes == 4.5
    text = slow.recipe.read_text()
    monkeypatch.setenv("CXX", "sh")
    assert prepare(tmp_path / "slow", 7, "laptop").recipe.read_text() == text
    assert open_recipe(prepare(tmp_path / "tiny", 7, "tiny").recipe).configs["pretrain"].minutes is None


def test_an_unknown_size(tmp_path):
    with pytest.raises(InputError, match="laptop, tiny"):
        prepare(tmp_path / "isle", 7, "huge")


def test_a_port_is_free_and_in_its_range():
    assert all(LOWEST_PORT <= free_port(seed) < LOWEST_PORT + PORTS for seed in (0, 1, 12345, 2**40))
