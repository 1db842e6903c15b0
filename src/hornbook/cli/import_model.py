"""`hornbook import`: a model that others trained, to talk with, or to go on from."""

from __future__ import annotations

import re
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hornbook.cli.common import duration, print_json, print_table, size
from hornbook.core.errors import BusyError, DamagedError, RecipeError

if TYPE_CHECKING:
    from hornbook.pipeline.execute import Done
    from hornbook.pipeline.workspace import Workspace
    from hornbook.road.open_model import OpenModelConfig


def import_model(
    source: Annotated[str, typer.Argument(help="A Hugging Face folder, a GGUF file, or smollm2.")],
    name: Annotated[str | None, typer.Option(help="What to call it; the source's own name when left out.")] = None,
    type: Annotated[
        Literal["f32", "bf16"] | None, typer.Option(help="Keep the weights so; bf16 takes half the room.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The record as one JSON object.")] = False,
) -> None:
    """Bring a model in that others trained: `hornbook chat NAME` then talks with it."""
    from hornbook.road.open_model import PACKAGES, source_of

    path = source_of(source)
    name = name or (source if source in PACKAGES else path.absolute().name.removesuffix(".gguf"))
    done = _done(path, name, type, f"{source} --name {name}")
    record = done.record
    assert record is not None
    if as_json:
        print_json({"artifact": str(done.planned.folder), "did": done.did, **record.model_dump()})
        return
    said = record.metrics
    took = f"{duration(record.seconds)}, with at most {size(record.peak_memory_bytes)} of memory"
    print_table([
        ("model", said["name"] or path.name), ("parameters", f"{said['parameters']:,} in {said['dtype']}"),
        ("size", size(sum(file.size for file in record.files.values()))),
        ("license", said["license"] or "none that it names: ask its makers"),
        ("took", took if done.did else "was here already"),
        ("folder", done.planned.folder),
    ])  # fmt: skip
    print(f"talk with it: hornbook chat {name}", file=sys.stderr)


def _done(source: Path, name: str, type: str | None, words: str) -> Done:
    from hornbook.pipeline.config import Dial
    from hornbook.pipeline.execute import StoppedError, execute
    from hornbook.pipeline.recipe import MachineConfig, Recipe
    from hornbook.pipeline.workspace import Workspace, runs_folder
    from hornbook.road.open_model import IMPORT, OpenModelConfig

    if not re.fullmatch(r"[\w][\w.-]*", name):
        raise RecipeError(f"{name!r} is no name for a run", where="--name", fix="use letters, digits, - and .")
    workspace = Workspace(runs_folder() / name)
    config = OpenModelConfig.model_validate({"source": source.absolute(), "type": type})
    _demand_name(workspace, config)
    recipe = Recipe(source, Dial("laptop", 1, 0), [IMPORT], {IMPORT.section: config}, MachineConfig.model_validate({}))
    try:
        return execute(recipe, workspace, only=IMPORT.name)[0]
    except StoppedError as error:
        raise StoppedError(error.what, fix=f"go on with: hornbook import {words}") from None
    except BusyError:
        raise
    except Exception:
        _clear(workspace)
        raise


def _demand_name(workspace: Workspace, config: OpenModelConfig) -> None:
    """Raises RecipeError where the name is a run's, or another model's: what is there is never replaced. The same model
    is imported again where it was stopped, or damaged."""
    from hornbook.pipeline.identity import OutsideDigests, encoded, paths_from_outside
    from hornbook.road.open_model import IMPORT

    there, other = workspace.steps(), "choose another with --name"
    walked = str(workspace.plan().get("recipe")).endswith(".toml") or any(workspace.folder.glob("*.toml"))
    if walked or there.keys() - {IMPORT.name}:
        raise RecipeError("there is a run of that name", where=workspace.folder, fix=other)
    if IMPORT.name not in there:
        return
    try:
        record = there[IMPORT.name].record
    except DamagedError:
        return  # the walk moves it aside, and says so
    outside = OutsideDigests(workspace.folder / "outside.json").of(paths_from_outside(config))
    if record.config != encoded(config, outside):
        what = f"there is another model of that name, {record.metrics['source']} in {record.metrics['dtype']}"
        raise RecipeError(what, where=workspace.folder, fix=f"{other}, or remove the folder first")


def _clear(workspace: Workspace) -> None:
    """Leave nothing of an import that failed; what else lies there stays."""
    from hornbook.pipeline.lock import lock
    from hornbook.pipeline.workspace import PLAN

    there = {path.name for path in workspace.folder.glob("*")}
    if not there or there - {".lock", ".partial", "outside.json", PLAN}:
        return
    with suppress(BusyError), lock(workspace.folder):
        shutil.rmtree(workspace.folder, ignore_errors=True)
