"""`hornbook plan`: what a run would do, why, and about how long."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from hornbook.cli.common import (
    Minutes,
    RecipeArgument,
    Settings,
    Tokens,
    Verify,
    duration,
    print_json,
    print_table,
    size,
    with_horizon,
)
from hornbook.core.words import counted
from hornbook.road.runs import open_recipe, workspace_of

if TYPE_CHECKING:
    from hornbook.pipeline.config import Estimate


def plan(
    recipe: RecipeArgument,
    settings: Settings = None,
    tokens: Tokens = None,
    minutes: Minutes = None,
    verify: Verify = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a step.")] = False,
) -> None:
    """Say what a run would do, why, and about how long it takes; then every value that it would use."""
    from hornbook.pipeline.plan import estimated, make_plan

    read = open_recipe(recipe, with_horizon(settings, tokens, minutes))
    workspace = workspace_of(read)
    planned = [
        step if step.action == "up to date" else estimated(read, step, workspace, thorough=True)
        for step in make_plan(read, workspace, verify=verify).values()
    ]
    if as_json:
        for step in planned:
            config = json.loads(step.config.model_dump_json())
            told = {"step": step.name, "action": step.action, "reason": step.reason, "seconds": step.seconds}
            if step.estimate is not None:
                told["estimate"] = asdict(step.estimate)
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
    for step in to_do:
        if step.estimate is not None:
            print(f"{step.name}\n" + "\n".join(f"  {line}" for line in _lines(step.estimate)) + "\n")
    for section in dict.fromkeys(step.step.section for step in planned):
        config = next(step.config for step in planned if step.step.section == section)
        values = (f"{key} = {json.dumps(value)}" for key, value in json.loads(config.model_dump_json()).items())
        print(f"[{section}] " + ", ".join(values))


def _lines(estimate: Estimate) -> list[str]:
    """What a stage will take, for people."""
    lines, needed = list(estimate.lines), sum(estimate.memory.values())
    if estimate.seconds is not None and estimate.between is not None:
        low, high = map(duration, estimate.between)
        within = "" if low == high else f" ({low} to {high})"
        threads = f" with {counted(estimate.threads, 'thread')}" if estimate.threads else ""
        lines.append(f"takes {duration(estimate.seconds)}{within}{threads}")
    if estimate.doubt is not None:
        lines.append(estimate.doubt)
    largest = sorted(estimate.memory.items(), key=lambda part: -part[1])
    where = ", ".join(f"{name} {size(held)}" for name, held in largest if held >= needed / 100)
    return [*lines, f"holds at most {size(needed)} of {size(estimate.memory_limit)} when it runs alone: {where}"]
