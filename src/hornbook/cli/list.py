"""`hornbook list`: every artifact of every run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from hornbook.cli.common import duration, print_json, print_table, size
from hornbook.pipeline.index import Index
from hornbook.pipeline.workspace import runs_folder


def list_artifacts(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object an artifact.")] = False,
) -> None:
    """List every artifact in the runs folder, newest last."""
    rows = Index(runs_folder()).rows() if runs_folder().is_dir() else []
    if as_json:
        for row in rows:
            print_json(asdict(row))
        return
    if not rows:
        print(f"there is nothing in {runs_folder()} yet; start with: hornbook new NAME --docs FOLDER")
        return
    header = ("artifact", "began", "took", "memory", "on disk", "digest")
    print_table(
        [
            (row.path, row.started[:16], duration(row.seconds), size(row.peak_memory), size(row.bytes), row.digest[:10])
            for row in rows
        ],
        header,
    )
