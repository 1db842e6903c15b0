"""What several commands share: options, tables, JSON lines, times and sizes for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from hornbook.core.words import duration, size
from hornbook.road.runs import open_run

__all__ = [
    "RecipeArgument", "Settings", "Verify", "duration", "open_run", "print_json", "print_table", "size",
]  # fmt: skip

RecipeArgument = Annotated[Path, typer.Argument(help="The recipe, `.toml` may be left out.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="stage.key=value, wins over the recipe.")]
Verify = Annotated[bool, typer.Option("--verify", help="Read every byte of what is there.")]


def print_json(value: Any) -> None:
    """One line of JSON on standard output, at once."""
    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)


def print_table(rows: Iterable[Sequence[object]], header: Sequence[str] = ()) -> None:
    """Columns that line up; on a terminal long cells are folded to its width."""
    table = [[str(cell) for cell in row] for row in ([header] if header else [])] + [[str(c) for c in r] for r in rows]
    if sys.stdout.isatty():
        _print_folded(table, bool(header))
        return
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _print_folded(table: list[list[str]], has_header: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    header = table[0] if has_header else []
    shown = Table(*header, box=None, show_header=has_header, pad_edge=False, padding=(0, 2, 0, 0))
    for row in table[has_header:]:
        shown.add_row(*row)
    Console(highlight=False, markup=False).print(shown)
