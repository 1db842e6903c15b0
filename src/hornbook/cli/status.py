"""`hornbook status`: how far a run is."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hornbook.cli.common import duration, open_run, print_json, print_table, size


def status(
    name: Annotated[str, typer.Argument(help="The run's name, its folder or its recipe.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a step.")] = False,
) -> None:
    """Say which steps are done, which is unfinished, and who is at work."""
    from hornbook.pipeline.lock import holder

    workspace = open_run(name)
    rows: list[dict[str, Any]] = []
    for step, artifact in workspace.steps().items():
        record = artifact.record
        used = sum(entry.size for entry in record.files.values())
        told = {"step": step, "state": "done", "seconds": record.seconds, "peak_memory_bytes": record.peak_memory_bytes}
        rows.append({**told, "bytes": used, "artifact": str(artifact.path), "warnings": record.warnings})
    for partial in sorted(workspace.partial.glob("*~*")):
        used = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
        step = partial.name.partition("~")[0]
        rows.append({"step": step, "state": "unfinished", "bytes": used, "artifact": str(partial)})
    process = holder(workspace.folder)
    if as_json:
        for row in rows:
            print_json(row)
        print_json({"run": workspace.name, "process": process})
        return
    at_work = f"process {process} is at work" if process else "nobody is at work"
    print(f"{workspace.name}: {at_work}, in {workspace.folder}\n")
    print_table([_line(row) for row in rows] or [("nothing is done yet",)])
    for row in rows:
        for warning in row.get("warnings", ()):
            print(f"{row['step']}: {warning}")


def _line(row: dict[str, Any]) -> tuple[str, ...]:
    if row["state"] != "done":
        return row["step"], row["state"], "", "", size(row["bytes"]), row["artifact"]
    memory = size(row["peak_memory_bytes"])
    return row["step"], row["state"], duration(row["seconds"]), memory, size(row["bytes"]), row["artifact"]
