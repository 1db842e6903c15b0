"""A run as its files tell it: the only door through which the report sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hornbook.core.errors import DamagedError, InputError
from hornbook.core.jsonl import read_jsonl
from hornbook.pipeline.artifact import Artifact
from hornbook.pipeline.record import Record
from hornbook.pipeline.workspace import Workspace

GRADE = "grade.json"  # what only the maker of the pages can know, written beside the steps by `hornbook demo`


class Reading:
    """The current artifact of every step of the run in `folder`. Raises InputError where no step has made one."""

    def __init__(self, folder: Path | str):
        workspace = Workspace(folder)
        self.name, self.folder = workspace.name, workspace.folder
        self.artifacts: dict[str, Artifact] = workspace.steps() if self.folder.is_dir() else {}
        if not self.artifacts:
            fix = f"run: hornbook run {self.name}"
            raise InputError("there is nothing to report: no step is done yet", where=self.folder, fix=fix)
        self.records: dict[str, Record] = {step: artifact.record for step, artifact in self.artifacts.items()}
        self.grade: dict[str, Any] = _json(self.folder / GRADE)

    def rows(self, step: str, pattern: str) -> list[dict[str, Any]]:
        """The JSON lines of the step's matching files, in the order of their names; none where it is not done."""
        artifact = self.artifacts.get(step)
        return [row for path in artifact.files(pattern) for row in read_jsonl(path)] if artifact else []

    def parts(self, step: str, name: str) -> dict[str, list[dict[str, Any]]]:
        """The JSON lines of the step's `name-PART.jsonl`, by part."""
        artifact = self.artifacts.get(step)
        found = artifact.files(f"{name}-*.jsonl") if artifact else []
        return {path.stem.removeprefix(f"{name}-"): list(read_jsonl(path)) for path in found}

    def table(self, step: str, pattern: str, columns: tuple[str, ...]) -> list[dict[str, Any]]:
        """The same for Parquet files; a column that a file does not have is None."""
        import pyarrow.parquet

        rows: list[dict[str, Any]] = []
        for path in self.artifacts[step].files(pattern) if step in self.artifacts else []:
            there = set(pyarrow.parquet.read_schema(path).names)
            found = pyarrow.parquet.read_table(path, columns=[name for name in columns if name in there]).to_pylist()
            rows += [{name: row.get(name) for name in columns} for row in found]
        return rows

    def scores(self, step: str) -> dict[str, dict[str, Any]]:
        """An evaluation's figures: name -> {"value", "n", "interval", "chance"}, or {"value": null, "why"}."""
        return _json(self.artifacts[step].path / "scores.json") if step in self.artifacts else {}


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise DamagedError(f"not JSON ({error})", where=path, fix="run the step that wrote it again") from None
