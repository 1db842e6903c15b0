"""What several commands share: opening a recipe or a run, looking at the machine, tables."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.pipeline.workspace import Workspace, runs_folder

if TYPE_CHECKING:
    from hornbook.pipeline.attempt import Machine
    from hornbook.pipeline.recipe import Recipe

PLAIN_WIDTH = 200  # columns of a table that goes into a pipe


def open_recipe(path: Path | str, settings: Iterable[str] = ()) -> Recipe:
    """The recipe at `path` (`.toml` may be left out), for the whole road, or for the one HORNBOOK_ROAD names."""
    import importlib

    from hornbook.pipeline.recipe import Recipe

    module, _, name = os.environ.get("HORNBOOK_ROAD", "hornbook.road:ROAD").partition(":")
    steps = getattr(importlib.import_module(module), name)
    from hornbook.road.sizes import DEPTHS

    return Recipe.read(path, steps, DEPTHS, settings)


def workspace_of(recipe: Recipe) -> Workspace:
    """The folder of the recipe's run."""
    return Workspace(runs_folder() / recipe.name)


def open_run(name: str) -> Workspace:
    """A run by its name, its folder, or its recipe. Raises InputError where there is none."""
    folder = Path(name)
    if (folder / "plan.json").exists():
        return Workspace(folder)
    return Workspace.named(folder.stem if folder.suffix == ".toml" else name)


def this_machine() -> Machine:
    """How stages find out what `auto` is here. torch is imported by the first that asks."""
    from hornbook.pipeline.attempt import Machine

    def pick_device() -> str:
        from hornbook.models.device import pick_device

        return str(pick_device())

    def can_compile() -> bool:
        from hornbook.models.device import can_compile, pick_device

        return can_compile(pick_device())

    return Machine(pick_device, can_compile)


def print_json(value: Any) -> None:
    """One line of JSON on standard output, at once."""
    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)


def print_table(rows: Iterable[Sequence[object]], header: Sequence[str] = ()) -> None:
    """Columns that line up; colours and a fitted width on a terminal only."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*header, box=None, show_header=bool(header), pad_edge=False, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False, markup=False).print(table)


def duration(seconds: float | None) -> str:
    """`0.4 s`, `12 s`, `4 min 10 s`, `2 h 05 min`; a question mark for what nobody knows.

    >>> [duration(value) for value in (0.44, 12, 250, 7500, None)]
    ['0.4 s', '12 s', '4 min 10 s', '2 h 05 min', '?']
    """
    if seconds is None:
        return "?"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def size(count: float) -> str:
    """Bytes for people: `812 B`, `1.4 MB`, `3.2 GB`."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
