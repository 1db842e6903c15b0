"""The road as a whole: every step is fed by an earlier one, and reading its configurations imports nothing heavy."""

from __future__ import annotations

import subprocess
import sys

from hornbook.cli.commands import STEPS
from hornbook.road import ROAD
from hornbook.road.sizes import DEPTHS, SIZES


def test_the_steps_have_their_names():
    assert [step.name for step in ROAD] == list(STEPS)
    assert list(DEPTHS) == list(SIZES)


def test_every_step_is_fed_by_an_earlier_one_of_the_right_kind():
    made: dict[str, type] = {}
    for step in ROAD:
        for parameter, source in step.sources.items():
            assert issubclass(made[source], step.stage.inputs[parameter]), (step.name, parameter)
        made[step.name] = step.stage.output
    fed = {step.name: step.sources for step in ROAD}
    assert "rival" not in fed["evaluate"].keys() | fed["evaluate_sft"].keys()
    assert fed["evaluate_rl"] == {**fed["evaluate_sft"], "model": "rl", "rival": "sft", "rival_scores": "evaluate_sft"}


def test_planning_imports_nothing_heavy():
    code = "import hornbook.cli.plan; from hornbook.road import ROAD; import sys; print(sorted({'torch', 'lancedb', "
    code += "'altair', 'transformers', 'docutils', 'aiohttp', 'rustbpe', 'fastapi', 'rich', 'asyncio', 'numpy'} "
    code += "& set(sys.modules)))"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "[]"


def test_every_key_says_what_it_is():
    for step in ROAD:
        for name, field in step.stage.config.model_fields.items():
            assert field.description, f"[{step.section}] {name}"
