"""Which folder, and which model, `hornbook chat` and `hornbook serve` are to load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hornbook.core.errors import InputError

if TYPE_CHECKING:
    from hornbook.serving.chat import Chat

Which = Literal["base", "sft", "rl"]
Bits = Literal["int8", "int4", "nf4"]  # hornbook.models.quantise.KINDS, without torch
BITS = "Keep its weights in few bits: less memory, and on a processor faster answers."
STEPS = {"base": "pretrain", "sft": "sft", "rl": "rl"}


def load_chat(where: str, which: Which | None = None, *, slots: int = 32, quantised: Bits | None = None) -> Chat:
    """The chat of a deployment folder or of a run's newest deployment, with its model or with that of another step.

    A run that has no deployment yet chats with the model asked for, closed book and under the default policy.
    Raises InputError where there is neither.
    """
    from hornbook.serving.chat import Chat

    folder = Path(where)
    if (folder / "deploy.toml").exists():
        if which is not None:
            raise InputError("a deployment folder has one model", where=where, fix="leave --model out, or name a run")
        return Chat.load(folder, slots=slots, quantised=quantised)
    from hornbook.road.artifacts import Deployment, Model
    from hornbook.road.runs import open_run

    workspace = open_run(where)
    model = None if which is None else workspace.current(STEPS[which], Model).path
    if model is None or "deploy" in workspace.steps():
        return Chat.load(workspace.current("deploy", Deployment).path, slots=slots, model=model, quantised=quantised)
    return Chat.bare(model, workspace.name, slots=slots, quantised=quantised)
