"""`hornbook run`, and every step by its own name."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hornbook.cli.common import (
    Minutes,
    RecipeArgument,
    Settings,
    Tokens,
    Verify,
    duration,
    print_json,
    size,
    with_horizon,
)
from hornbook.road import runs

if TYPE_CHECKING:
    from hornbook.pipeline.execute import Done
    from hornbook.pipeline.plan import Planned

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object an event.")]
EngineOption = Annotated[str | None, typer.Option(help="Where pages are worked on: local, or ray for a cluster.")]


def run(
    recipe: RecipeArgument,
    until: Annotated[str | None, typer.Option(help="The last step to do.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="Do this step again, and what follows from it.")] = None,
    settings: Settings = None,
    tokens: Tokens = None,
    minutes: Minutes = None,
    engine: EngineOption = None,
    verify: Verify = False,
    as_json: AsJson = False,
) -> None:
    """Walk the road; what is up to date is skipped, what was stopped goes on."""
    settings = with_engine(with_horizon(settings, tokens, minutes), engine)
    walk(recipe, settings, as_json, until=until, start=start, verify=verify)


def step_command(name: str) -> Callable[..., None]:
    """The command that does the one step `name` on the inputs that are there."""

    def command(
        recipe: RecipeArgument,
        again: Annotated[bool, typer.Option("--again", help="Do it though it is up to date.")] = False,
        settings: Settings = None,
        engine: EngineOption = None,
        verify: Verify = False,
        as_json: AsJson = False,
    ) -> None:
        walk(recipe, with_engine(settings, engine), as_json, only=name, again=again, verify=verify)

    return command


def walk(recipe: Path | str, settings: list[str], as_json: bool, **options: Any) -> list[Done]:
    """Execute the recipe and say how it goes: a line a step, or a JSON object an event. Options are `execute`'s."""
    began = time.monotonic()
    read = runs.open_recipe(recipe, settings)
    starting, ended = (_starting_json, _ended_json) if as_json else (_starting, _ended)
    done = runs.run(read, starting=starting, ended=ended, **options)
    did, seconds = sum(step.did for step in done), round(time.monotonic() - began, 2)
    if as_json:
        print_json({"event": "finished", "run": read.name, "stages": did, "seconds": seconds})
    else:
        folder = runs.workspace_of(read).folder
        print(f"{read.name}: {did} of {len(done)} steps done in {duration(seconds)}, in {folder}")
    return done


def with_engine(settings: list[str] | None, engine: str | None) -> list[str]:
    """The settings, and the engine as one more where it is named."""
    return [*(settings or []), *([] if engine is None else [f"run.engine={engine}"])]


def _starting(planned: Planned, reason: str) -> None:
    print(f"{planned.name}: {reason}", file=sys.stderr, flush=True)
    if planned.estimate is not None and planned.estimate.doubt is not None:
        print(f"{planned.name}: {planned.estimate.doubt}", file=sys.stderr, flush=True)


def _ended(done: Done) -> None:
    record = done.record
    if not done.did or record is None:
        print(f"{done.step}: up to date", flush=True)
        return
    counts = "".join(f", {value:,} {name}" for name, value in record.counts.items())
    memory = f"at most {size(record.peak_memory_bytes)} of memory"
    share = f", {record.metrics['mfu']:.0%} of what the device can compute" if "mfu" in record.metrics else ""
    print(f"{done.step}: done in {duration(record.seconds)}, {memory}{counts}{share}", flush=True)


def _starting_json(planned: Planned, reason: str) -> None:
    print_json({"event": "start", "step": planned.name, "reason": reason, "estimate": planned.seconds})


def _ended_json(done: Done) -> None:
    told: dict[str, Any] = {"event": "done" if done.did else "skip", "step": done.step, "reason": done.reason}
    told["artifact"] = str(done.planned.folder)
    if done.record is not None:
        kept = {"identity", "digest", "seconds", "peak_memory_bytes", "counts", "metrics", "warnings", "notes"}
        told |= done.record.model_dump(include=kept)
    print_json(told)
