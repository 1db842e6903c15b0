"""The benchmark's own machinery, over the toy road."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import toys

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from benchmarks.kills import figures, kill_and_compare, moments


def test_every_step_is_struck():
    drawn = moments({"a": 1.0, "b": 0.0, "c": 60.0}, 20, seed=3)
    assert len(drawn) == 20
    assert {step for step, _ in drawn} == {"a", "b", "c"}
    assert drawn == moments({"a": 1.0, "b": 0.0, "c": 60.0}, 20, seed=3)


@pytest.mark.slow
def test_over_the_toy_road(bench):
    outcome = kill_and_compare(
        bench.recipe_path, bench.folder, count=5, seed=0,
        environment={
            "HORNBOOK_ROAD": "toys:ROAD", "PYTHONPATH": str(Path(toys.__file__).parent), "TOYS_NAP": "0.15",
        },
    )  # fmt: skip
    assert sum(outcome.kills.values()) == 5
    assert all(outcome.kills.values())
    assert outcome.different == []
    assert [figure["value"] for figure in figures(outcome)][:2] == [5, True]
