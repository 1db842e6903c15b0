"""`hornbook import`: a model that others trained, to talk with, or to go on from."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hornbook.cli.common import duration, print_json, print_table, size
from hornbook.core.errors import RecipeError

if TYPE_CHECKING:
    from hornbook.pipeline.execute import Done


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
    print_table([
        ("model", said["name"]), ("parameters", f"{said['parameters']:,} in {said['dtype']}"),
        ("license", said["license"] or "none that it names: ask its makers"),
        ("took", f"{duration(record.seconds)}, {size(record.peak_memory_bytes)}" if done.did else "was here already"),
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
    if set(workspace.steps()) - {IMPORT.name}:
        raise RecipeError("there is a run of that name", where=workspace.folder, fix="choose another with --name")
    config = OpenModelConfig.model_validate({"source": source.absolute(), "type": type})
    recipe = Recipe(source, Dial("laptop", 1, 0), [IMPORT], {IMPORT.section: config}, MachineConfig.model_validate({}))
    try:
        return execute(recipe, workspace, only=IMPORT.name)[0]
    except StoppedError as error:
        raise StoppedError(error.what, fix=f"go on with: hornbook import {words}") from None
