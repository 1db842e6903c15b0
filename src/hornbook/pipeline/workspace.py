"""One run's folder: the artifacts that are whole, the partial ones beside them, and which of them are current.

    runs/isle/tokens/laptop-3f9a1c/      whole: renamed into place after its record was written and synced
    runs/isle/.partial/tokens~3f9a1c…/   out/ and work/ of a step that is not finished; survives kills
    runs/isle/.aside/                    what was damaged or replaced, until its step is finished again
    runs/isle/plan.json                  settled configurations, and which artifact each step's is now
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from hornbook.core.digest import digest_file
from hornbook.core.errors import DamagedError, HornbookError, InputError
from hornbook.core.files import sync_folder, write_text
from hornbook.pipeline.artifact import Artifact
from hornbook.pipeline.record import REBUILD, RECORD_NAME, Record

A = TypeVar("A", bound=Artifact)

PLAN = "plan.json"  # every run has one, from its first plan on


def runs_folder() -> Path:
    """Where runs are kept: HORNBOOK_RUNS, or `runs` in the folder where one is."""
    return Path(os.environ.get("HORNBOOK_RUNS") or "runs")


class Workspace:
    """The folder of the run called `name`."""

    def __init__(self, folder: Path | str):
        self.folder = Path(folder).absolute()
        self.partial = self.folder / ".partial"
        self.aside = self.folder / ".aside"

    @classmethod
    def named(cls, name: str) -> Workspace:
        """The run of that name. Raises InputError where there is none."""
        folder = runs_folder() / name
        if not (folder / PLAN).is_file():
            known = [path.parent.name for path in sorted(runs_folder().glob(f"*/{PLAN}"))]
            there = f"the runs here are {', '.join(known)}" if known else "start one with: hornbook run RECIPE"
            raise InputError("there is no such run", where=folder, fix=there)
        return cls(folder)

    @property
    def name(self) -> str:
        return self.folder.name

    def folders(self, step: str | None = None) -> Iterator[Path]:
        """Every artifact's folder, of one step or of all."""
        for folder in sorted(self.folder.glob(f"{step or '[!.]*'}/*")):
            if folder.is_dir() and not folder.name.startswith("."):
                yield folder

    def current(self, step: str, kind: type[A] = Artifact) -> A:
        """What `step` made when the recipe was last run. Raises InputError where it has made nothing."""
        name = self.plan()["current"].get(step)
        if name is None or not (self.folder / name / RECORD_NAME).exists():
            fix = f"run: hornbook run {self.name}"
            raise InputError(f"the step {step} has made nothing yet", where=self.folder, fix=fix)
        return kind(self.folder / name)

    def steps(self) -> dict[str, Artifact]:
        """Step -> its current artifact, for the steps that have one."""
        current: dict[str, str] = self.plan()["current"]
        there = {step: self.folder / name for step, name in current.items()}
        return {step: Artifact(path) for step, path in there.items() if (path / RECORD_NAME).exists()}

    def plan(self) -> dict[str, Any]:
        """plan.json: `settled` (what was asked -> its configuration), `measured` (what was found out of this machine),
        `current` (step -> folder), `recipe`."""
        path = self.folder / PLAN
        empty: dict[str, Any] = {"settled": {}, "measured": {}, "current": {}}
        try:
            return {**empty, **json.loads(path.read_bytes())}
        except FileNotFoundError:
            return empty
        except (json.JSONDecodeError, TypeError):
            fix = "remove it: what was measured is measured again, and no artifact is touched"
            raise DamagedError("this is not the plan Hornbook wrote", where=path, fix=fix) from None

    def write_plan(self, plan: dict[str, Any]) -> None:
        """Replace plan.json when it differs."""
        if plan != self.plan():
            write_text(self.folder / PLAN, json.dumps(plan, indent=1, ensure_ascii=False))

    def commit(self, partial: Path, target: Path) -> None:
        """Rename `partial/out`, whose record is written, into place, and clear what the step left half done."""
        step = target.parent.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            self.put_aside(target)
        os.replace(partial / "out", target)
        sync_folder(target.parent)
        sync_folder(self.folder)
        for leftover in [*self.partial.glob(f"{step}~*"), *self.aside.glob(f"{step}~*")]:
            shutil.rmtree(leftover, ignore_errors=True)

    def put_aside(self, folder: Path) -> Path:
        """Move an artifact out of the way, to be deleted once its step is finished again."""
        self.aside.mkdir(parents=True, exist_ok=True)
        names = (f"{folder.parent.name}~{folder.name}~{number}" for number in count())
        place = next(self.aside / name for name in names if not (self.aside / name).exists())
        os.replace(folder, place)
        return place


def fault(folder: Path, *, verify: bool) -> HornbookError | None:
    """What is wrong with the artifact in `folder`, or None.

    Sizes and times are looked at always, bytes only with `verify`, or where a time differs (a copied folder is whole).
    """
    try:
        record = Record.read(folder)
    except DamagedError as error:
        return error
    for name, entry in record.files.items():
        path = folder / name
        try:
            stat = path.stat()
        except FileNotFoundError:
            return DamagedError("this file is gone", where=path, fix=REBUILD)
        if stat.st_size != entry.size:
            return DamagedError(f"damaged: {stat.st_size} bytes, not {entry.size}", where=path, fix=REBUILD)
        if (verify or stat.st_mtime_ns != entry.time) and digest_file(path) != entry.sha256:
            return DamagedError("damaged: not the bytes that were written", where=path, fix=REBUILD)
        if stat.st_mtime_ns != entry.time:
            os.utime(path, ns=(stat.st_atime_ns, entry.time))
    return None
