"""Opening a recipe or a run, and walking the road: for the command line, the demo, and a notebook."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.pipeline.recipe import Recipe
from hornbook.pipeline.workspace import PLAN, Workspace, runs_folder
from hornbook.road.sizes import DEPTHS

if TYPE_CHECKING:
    from hornbook.pipeline.attempt import Machine
    from hornbook.pipeline.execute import Done


def open_recipe(path: Path | str, settings: Iterable[str] = ()) -> Recipe:
    """The recipe at `path` (`.toml` may be left out), else the one in the run's folder of that name, where the demo's
    lies; for the whole road, or for the one HORNBOOK_ROAD names."""
    module, _, name = os.environ.get("HORNBOOK_ROAD", "hornbook.road:ROAD").partition(":")
    steps = getattr(importlib.import_module(module), name)
    own = runs_folder() / Path(path).name / f"{Path(path).name}.toml"
    beside = any(Path(path).with_name(name).is_file() for name in (Path(path).name, f"{Path(path).name}.toml"))
    return Recipe.read(path if beside or not own.is_file() else own, steps, DEPTHS, settings)


def workspace_of(recipe: Recipe) -> Workspace:
    """The folder of the recipe's run."""
    return Workspace(runs_folder() / recipe.name)


def open_run(name: str) -> Workspace:
    """A run by its name, its folder, or its recipe. Raises InputError where there is none."""
    folder = Path(name)
    if (folder / PLAN).is_file():
        return Workspace(folder)
    return Workspace.named(folder.stem if folder.suffix == ".toml" else name)


def this_machine() -> Machine:
    """How stages find out what `auto` is here. torch is imported by the first that asks."""
    from hornbook.pipeline.attempt import Machine

    def pick_device(asked: str) -> str:
        from hornbook.models.device import pick_device

        return str(pick_device(asked))

    def can_compile() -> bool:
        from hornbook.models.device import can_compile, pick_device

        return can_compile(pick_device())

    return Machine(pick_device, can_compile)


def run(recipe: Path | str | Recipe, settings: Iterable[str] = (), **options: Any) -> list[Done]:
    """Walk the road with a recipe: `hornbook run` in Python. Options are `hornbook.pipeline.execute.execute`'s.

    hornbook.run("isle.toml", ["pretrain.tokens=1000000"], until="sft")
    """
    from hornbook.pipeline.execute import execute

    read = recipe if isinstance(recipe, Recipe) else open_recipe(recipe, settings)
    return execute(read, workspace_of(read), machine=this_machine(), **options)
