"""`hornbook scaling`: how loss falls with size, data and compute on a run's pages, and what a larger run comes to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hornbook.cli.common import Settings, duration, open_run, print_json, print_table
from hornbook.core.errors import RecipeError
from hornbook.core.words import counted
from hornbook.pipeline.recipe import Recipe
from hornbook.road.runs import open_recipe

if TYPE_CHECKING:
    from hornbook.evaluation.scaling.grid import Trial
    from hornbook.road.scaling import Study
    from hornbook.road.trials import Bench


def scaling(
    recipe: Annotated[Path, typer.Argument(help="The recipe, or the run's name; its tokens must be made.")],
    minutes: Annotated[float, typer.Option(min=0.1, help="How long it may take in all, about.")] = 20.0,
    flops: Annotated[
        float | None, typer.Option(min=1e9, max=1e24, help="FLOPs of the largest budget, in place of minutes.")
    ] = None,
    settings: Settings = None,
    as_json: Annotated[bool, typer.Option("--json", help="The findings as one JSON object.")] = False,
) -> None:
    """Train a grid of small models on the run's tokens, fit scaling laws, foretell a larger run, train it and compare.

    Stopped, it goes on where it was; asked again, it trains nothing. Writes scaling/ into the run's folder.
    """
    from hornbook.report.scaling import verdicts, write_scaling
    from hornbook.road.scaling import planned, studied
    from hornbook.road.trials import Bench

    bench = Bench(_recipe(recipe, settings))
    study = planned(bench, minutes=minutes, flops=flops)
    if not as_json:
        _announce(bench, study)
    found = studied(bench, study, told=(lambda trial, row: None) if as_json else _tell)
    page = write_scaling(bench.workspace.name, bench.folder, found)
    if as_json:
        print_json(found)
        return
    print()
    print_table(verdicts(found))
    print(f"\n{page}")


def _recipe(path: Path, settings: list[str] | None) -> Recipe:
    """The recipe at `path`, or the one that the run of that name was last walked with."""
    try:
        return open_recipe(path, settings or ())
    except RecipeError:
        walked = open_run(str(path)).plan().get("recipe")
        if walked is None:
            raise
        return open_recipe(walked, settings or ())


def _announce(bench: Bench, study: Study) -> None:
    most = max(trial.tokens for trial in study.trials)
    passes = most / bench.tokens.train().total
    print(f"{counted(len(study.trials), 'model')} of {study.trials[0].shape.parameters:,} to "
          f"{max(trial.shape.parameters for trial in study.trials):,} parameters, budgets of up to {study.flops:.2g} "
          f"FLOPs, then one of four times that: about {duration(study.all_seconds)}")
    if passes > 1:
        print(f"the pages are read up to {passes:.1f} times: what is read again teaches less, and the law may not hold")
    rows = [(f"{trial.shape.depth} layers of {trial.shape.width}", f"{trial.shape.parameters:,}", f"{trial.tokens:,}",
             f"{trial.shape.flops * trial.tokens:.2g}", trial.seed, duration(seconds))
            for trial, seconds in zip(study.trials, study.seconds, strict=True)]
    print_table(rows, ("shape", "parameters", "tokens", "FLOPs", "seed", "about"))
    print(flush=True)


def _tell(trial: Trial, row: dict[str, Any]) -> None:
    print(f"{trial.shape.depth} layers of {trial.shape.width}, {trial.tokens:,} tokens: loss {row['loss']:.4f} in "
          f"{duration(row['seconds'])}", flush=True)
