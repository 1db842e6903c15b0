"""`hornbook demo`: an island is invented and served, the whole road is walked on it, and what came of it is graded."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hornbook.cli.common import duration, print_json, print_table

if TYPE_CHECKING:
    from hornbook.pipeline.execute import Done
    from hornbook.pipeline.plan import Planned


def demo(
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another island.")] = 0,
    name: Annotated[str, typer.Option(help="What the run is called.")] = "demo",
    size: Annotated[str, typer.Option(help="laptop: ten minutes; tiny: under one, learns nothing.")] = "laptop",
    until: Annotated[str | None, typer.Option(help="The last step to do.")] = None,
    open_report: Annotated[bool, typer.Option("--open/--no-open", help="Show the report in the browser.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object an event, the figures last.")] = False,
) -> None:
    """Walk the whole road on an invented island, and show what came of it."""
    from hornbook.core.errors import RecipeError
    from hornbook.core.processes import processor_ticks
    from hornbook.demo.marks import write_marks
    from hornbook.demo.recipe import prepare
    from hornbook.demo.server import SiteServer
    from hornbook.pipeline.workspace import runs_folder
    from hornbook.report.figures import figures
    from hornbook.report.page import NAME as REPORT
    from hornbook.report.page import write_report
    from hornbook.road import runs

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise RecipeError(f"{name!r} cannot name a folder", where="--name", fix="use letters, digits, dots and dashes")
    began, before = time.monotonic(), processor_ticks()
    here = prepare(runs_folder() / name, seed, size)
    tell = _Json() if as_json else _Lines()
    tell.island(here.island, seed, here.fresh)
    server = SiteServer(here.island / "site", here.port)
    served = False

    def starting(planned: Planned, reason: str) -> None:
        nonlocal served
        if planned.name == "crawl":  # nobody else asks for the island's pages
            server.start()
            served = True
        tell.starting(planned, reason)

    try:
        recipe = runs.open_recipe(here.recipe)
        done = runs.run(recipe, until=until, starting=starting, ended=tell.ended)
    finally:
        if served:
            server.stop()
    workspace = runs.workspace_of(recipe)
    report = workspace.folder / REPORT
    if any(step.did for step in done) or not report.exists():
        seconds = stolen = None
        if all(step.did for step in done):  # in one go
            seconds = time.monotonic() - began
            taken, total = (now - then for now, then in zip(processor_ticks(), before, strict=True))
            stolen = taken / total if total else None
        write_marks(workspace, here.island, seconds=seconds, stolen=stolen)
        report = write_report(workspace.folder)
    tell.figures(figures(workspace.folder), report, name)
    if open_report and not as_json and sys.stdout.isatty():
        import webbrowser

        webbrowser.open(report.absolute().as_uri())


class _Lines:
    """Says how it goes to a person."""

    def island(self, folder: Path, seed: int, fresh: bool) -> None:
        print(f"island {seed}: {'written to' if fresh else 'as it lies in'} {folder}", flush=True)

    def starting(self, planned: Planned, reason: str) -> None:
        print(f"{planned.name}: {reason}", file=sys.stderr, flush=True)

    def ended(self, done: Done) -> None:
        if done.did:
            print(f"{done.step}: done in {duration(done.seconds)}", flush=True)

    def figures(self, told: dict[str, Any], report: Path, name: str) -> None:
        print()
        rows = [
            (step, duration(row["seconds"]), f"{row['peak_gb']:.1f} GB", *(_count(row[k]) for k in COUNTS))
            for step, row in told["stages"].items()
        ]
        print_table(rows, ("step", "time", "memory", *COUNTS))
        print()
        print_table(list(_figure_rows(told)), ("figure", "value", "bar", "held", "what it says"))
        if (stolen := told["figures"].get("demo_stolen") or 0.0) >= NOTICED:
            print(f"\nother machines took {stolen:.0%} of this one's processor time meanwhile: quiet ones are faster")
        print(f"\nthe report: {report}")
        if "deploy" in told["stages"]:
            print(f"talk with it: hornbook chat {name}\nin the browser: hornbook serve {name}")


class _Json:
    """Says how it goes to a program."""

    def island(self, folder: Path, seed: int, fresh: bool) -> None:
        print_json({"event": "island", "folder": str(folder), "seed": seed, "fresh": fresh})

    def starting(self, planned: Planned, reason: str) -> None:
        print_json({"event": "start", "step": planned.name, "reason": reason})

    def ended(self, done: Done) -> None:
        print_json({"event": "done" if done.did else "skip", "step": done.step, "seconds": round(done.seconds, 2)})

    def figures(self, told: dict[str, Any], report: Path, name: str) -> None:
        print_json({"event": "finished", "run": name, "report": str(report), **told})


NOTICED = 0.02  # the share of processor time whose loss is worth a line
COUNTS = ("inputs", "outputs", "tokens")


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _figure_rows(told: dict[str, Any]) -> Any:
    from hornbook.report.figures import FIGURES, held

    for figure in FIGURES:
        value = told["figures"][figure.name]
        if value is not None:
            verdict = {True: "yes", False: "NO", None: ""}[held(figure, told["figures"])]
            yield figure.name, f"{value:.3f}", figure.bar, verdict, figure.says
    for name, why in told["missing"].items():
        yield name, "-", "", "", why
