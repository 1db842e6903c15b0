"""Which folder, and which model, `hornbook chat` and `hornbook serve` are to load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hornbook.core.errors import InputError

if TYPE_CHECKING:
    from hornbook.pipeline.workspace import Workspace
    from hornbook.serving.chat import Chat, Make

Which = Literal["base", "sft", "rl"]
Bits = Literal["int8", "int4", "nf4"]  # hornbook.models.quantise.KINDS, without torch
BITS = "Keep its weights in few bits: less memory, and on a processor faster answers."
STEPS = {"base": "pretrain", "sft": "sft", "rl": "rl"}
IMPORTED = "import"  # the only step of a run that `hornbook import` made
MODELS = (*STEPS.values(), "reward", IMPORTED)  # the steps that make one


def load_chat(
    where: str, which: Which | None = None, *, slots: int = 32, quantised: Bits | None = None, make: Make | None = None
) -> Chat:
    """The chat of a deployment folder or of a run's newest deployment, with its model or with that of another step;
    `make` puts another engine in the place of Hornbook's.

    A run that has no deployment yet chats with the model asked for, closed book and under the default policy; so does
    an imported model, which goes on with text as `base`.
    Raises InputError where there is neither.
    """
    from hornbook.serving.chat import Chat

    folder = Path(where)
    if (folder / "deploy.toml").exists():
        if which is not None:
            raise InputError("a deployment folder has one model", where=where, fix="leave --model out, or name a run")
        return Chat.load(folder, slots=slots, quantised=quantised, make=make)
    from hornbook.road.artifacts import Deployment

    workspace = _run(where)
    if IMPORTED in workspace.steps() and which in (None, "base"):
        return Chat.bare(_model(workspace, IMPORTED), workspace.name, slots=slots, quantised=quantised, make=make)
    model = None if which is None else _model(workspace, STEPS[which])
    if model is None or "deploy" in workspace.steps():
        deployed = workspace.current("deploy", Deployment).path
        return Chat.load(deployed, slots=slots, model=model, quantised=quantised, make=make)
    return Chat.bare(model, workspace.name, slots=slots, quantised=quantised, make=make)


def model_folder(where: str) -> tuple[Path, str]:
    """The folder of a model and what to call it: of a run the one that is deployed, else its newest; of a run's step;
    or the folder that is named. Raises InputError where there is none."""
    from hornbook.serving.settings import FILE, Settings

    folder = Path(where)
    if (folder / FILE).exists():
        settings = Settings.read(folder)
        return folder / settings.model, settings.name
    if (folder / "config.json").exists():
        return folder, folder.absolute().name
    run, _, step = where.rstrip("/").rpartition("/")
    if run and not folder.exists():
        return _model(_run(run), step), f"{Path(run).name}-{step}"
    workspace = _run(where)
    there = workspace.steps()
    if "deploy" in there:
        return there["deploy"].path / "model", workspace.name
    newest = next((step for step in (IMPORTED, *reversed(STEPS.values())) if step in there), STEPS["base"])
    return _model(workspace, newest), workspace.name


def _run(where: str) -> Workspace:
    """The run of that name. Raises InputError that says what else the name means, and what to do with that."""
    from hornbook.pipeline.workspace import runs_folder
    from hornbook.road.runs import open_run

    path = Path(where)
    try:
        return open_run(where)
    except InputError:
        if (path / "config.json").is_file() or (path.is_file() and path.suffix == ".gguf"):
            what, fix = "this is a model, not a run", f"bring it in first: hornbook import {where}"
        elif path.exists():
            what, fix = "this is neither a run nor a model's folder", "name a run, or a folder that has config.json"
        elif (runs_folder() / where).is_dir():
            what, fix = "this is a step, not a run", f"name the run alone, {path.parts[0]}, and its model with --model"
        else:
            raise
    raise InputError(what, where=where, fix=fix)


def _model(workspace: Workspace, step: str) -> Path:
    """The model that the step of a run has made. Raises InputError that names those there are, or how to make it."""
    made = [name for name in workspace.steps() if name in MODELS]
    if step not in made and (IMPORTED in made or step not in MODELS):
        fix = f"it has: {', '.join(made)}" if made else f"make one: hornbook run {workspace.name}"
        raise InputError(f"this run has no model called {step!r}", where=workspace.folder, fix=fix)
    return workspace.current(step).path
