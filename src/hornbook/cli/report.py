"""`hornbook report`: the page for a reader, or the figures for a program."""

from __future__ import annotations

from typing import Annotated

import typer

from hornbook.cli.common import open_run, print_json


def report(
    run: Annotated[str, typer.Argument(help="The run's name, its folder or its recipe.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures and write nothing.")] = False,
) -> None:
    """Write report.html into the run's folder, or print its figures."""
    workspace = open_run(run)
    if as_json:
        from hornbook.report.figures import figures

        print_json(figures(workspace.folder))
        return
    from hornbook.report.page import write_report

    print(write_report(workspace.folder))
