"""`hornbook plan`: what a run would do, why, and about how long."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from hornbook.cli.common import RecipeArgument, Settings, Verify, duration, print_json, print_table
from hornbook.core.words import counted
from hornbook.road.runs import open_recipe, workspace_of


def plan(
    recipe: RecipeArgument,
    settings: Settings = None,
    verify: Verify = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a step.")] = False,
) -> None:
    """Say what a run would do, why, and about how long it takes; then every value that it would use."""
    from hornbook.pipeline.plan import make_plan

    read = open_recipe(recipe, settings or ())
    workspace = workspace_of(read)
    planned = make_plan(read, workspace, verify=verify).values()
    if as_json:
        for step in planned:
            config = json.loads(step.config.model_dump_json())
            told = {"step": step.name, "action": step.action, "reason": step.reason, "seconds": step.seconds}
            print_json({**told, "artifact": str(step.folder), "identity": step.identity, "config": config})
        return
    dial = read.dial
    print(f"{read.name}: size {dial.size}, depth {dial.depth}, seed {dial.seed}, in {workspace.folder}\n")
    print_table(
        [(s.name, s.action, "" if s.action == "up to date" else f"~{duration(s.seconds)}", s.reason) for s in planned]
    )
    to_do = [step for step in planned if step.action != "up to date"]
    known = sum(step.seconds or 0 for step in to_do)
    unknown = sum(step.seconds is None for step in to_do)
    beside = f", and {unknown} nobody has timed" if unknown else ""
    print(f"\n{counted(len(to_do), 'step')} to do, about {duration(known)}{beside}\n")
    for section in dict.fromkeys(step.step.section for step in planned):
        config = next(step.config for step in planned if step.step.section == section)
        values = (f"{key} = {json.dumps(value)}" for key, value in json.loads(config.model_dump_json()).items())
        print(f"[{section}] " + ", ".join(values))
