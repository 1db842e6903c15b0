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
    "Minutes", "RecipeArgument", "Settings", "Tokens", "Verify", "duration", "open_run", "print_json", "print_table",
    "size", "with_horizon",
]  # fmt: skip

RecipeArgument = Annotated[Path, typer.Argument(help="The recipe, `.toml` may be left out.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="stage.key=value, wins over the recipe.")]
Tokens = Annotated[int | None, typer.Option(help="How many tokens pretraining reads: --set pretrain.tokens=…")]
Minutes = Annotated[float | None, typer.Option(help="How long it reads instead: --set pretrain.minutes=…")]
Verify = Annotated[bool, typer.Option("--verify", help="Read every byte of what is there.")]


def with_horizon(settings: Sequence[str] | None, tokens: int | None, minutes: float | None) -> list[str]:
    """The settings, and pretraining's horizon as one more where it is given."""
    given = {"tokens": tokens, "minutes": minutes}
    return [*(settings or ()), *(f"pretrain.{key}={value}" for key, value in given.items() if value is not None)]


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
