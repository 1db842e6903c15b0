"""Walk the plan: do what must be done, skip what is up to date, and leave every stop resumable."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hornbook.core.errors import DamagedError, HornbookError, InputError
from hornbook.core.files import explained
from hornbook.pipeline.attempt import Machine, attempt
from hornbook.pipeline.lock import lock
from hornbook.pipeline.plan import Planned, decide, estimated, make_plan
from hornbook.pipeline.recipe import Recipe
from hornbook.pipeline.record import RECORD_NAME, Record
from hornbook.pipeline.workspace import Workspace, fault


class StoppedError(HornbookError):
    """Ctrl-C or SIGTERM: everything finished is kept."""

    exit_code = 130


@dataclass(frozen=True)
class Done:
    """One step of the walk. `record` is there once the artifact is; `did` tells doing from skipping."""

    planned: Planned
    did: bool
    reason: str
    seconds: float
    record: Record | None = None

    @property
    def step(self) -> str:
        return self.planned.name


def execute(
    recipe: Recipe,
    workspace: Workspace,
    *,
    until: str | None = None,
    start: str | None = None,
    only: str | None = None,
    again: bool = False,
    verify: bool = False,
    machine: Machine | None = None,
    starting: Callable[[Planned, str], None] = lambda planned, reason: None,
    ended: Callable[[Done], None] = lambda done: None,
) -> list[Done]:
    """Do the recipe's steps in order, and return what became of each.

    `until` is the last step to look at; `start` is done again with all that follows from it; `only` is one step alone,
    on inputs that are there, and with `again` though it is up to date. `starting` and `ended` are told of each step.

    A damaged artifact is moved into `.aside` and raises DamagedError; the next call makes it anew. Raises BusyError
    when another process is at work here, StoppedError on Ctrl-C and SIGTERM, and whatever a stage raises.
    """
    names = [step.name for step in recipe.steps]
    last = names.index(recipe.step(until).name) if until else len(names)
    chosen = [recipe.step(only).name] if only else names[: last + 1]
    redo = following(recipe, recipe.step(start).name) if start else {only} if only and again else set[str]()
    words = f"{only or 'run'} {recipe.words}" + (f" --until {until}" if until else "")
    with _stoppable(words, workspace.folder) as at, lock(workspace.folder):
        planned = make_plan(recipe, workspace, again=redo & set(chosen), verify=verify, doing=True)
        _refuse_damaged([planned[name] for name in names[: last + 1]], workspace)
        for name in chosen:  # before anything is begun: what cannot fit is said now
            if planned[name].action != "up to date":
                planned[name] = estimated(recipe, planned[name], workspace, thorough=False)
        sound: set[Path] = set()  # artifacts whose every byte was read, or written, within this walk
        walk: list[Done] = []
        for name in chosen:
            at.append(name)
            step = planned[name]
            _demand_inputs(step, recipe)
            began = time.monotonic()
            action, reason, _ = decide(step, workspace, again=name in redo)
            if action == "up to date":
                done = Done(step, False, "nothing changed", 0.0, Record.read(step.folder))
            else:
                _verify_inputs(step, workspace, sound)
                starting(step, reason)
                made = attempt(recipe, step, workspace, machine or Machine())
                sound.add(step.folder)
                done = Done(step, True, reason, time.monotonic() - began, made.record)
            memory = workspace.plan()
            memory["current"][name] = str(step.folder.relative_to(workspace.folder))
            workspace.write_plan(memory)
            walk.append(done)
            ended(done)
    return walk


def following(recipe: Recipe, start: str) -> set[str]:
    """`start` and every step that reads, near or far, what it makes."""
    found = {start}
    for step in recipe.steps:
        if found & set(step.sources.values()):
            found.add(step.name)
    return found


def _refuse_damaged(planned: Sequence[Planned], workspace: Workspace) -> None:
    damaged = [step for step in planned if step.fault is not None]
    for step in damaged:
        workspace.put_aside(step.folder)
    if damaged and (first := damaged[0].fault):
        raise _moved(first, len(damaged) - 1)


def _verify_inputs(planned: Planned, workspace: Workspace, sound: set[Path]) -> None:
    """Read every byte of what the step is about to read."""
    for source in planned.feeds.values():
        if source.folder not in sound:
            wrong = fault(source.folder, verify=True)
            if wrong is not None:
                workspace.put_aside(source.folder)
                raise _moved(wrong, 0)
            sound.add(source.folder)


def _moved(wrong: HornbookError, others: int) -> DamagedError:
    more = f" (and {others} artifacts more)" if others else ""
    return DamagedError(f"{wrong.what}{more}", where=wrong.where, fix="it was moved to .aside; run again to rebuild it")


def _demand_inputs(planned: Planned, recipe: Recipe) -> None:
    for source in planned.feeds.values():
        if not (source.folder / RECORD_NAME).exists():
            fix = f"run: hornbook run {recipe.words} --until {source.name}"
            raise InputError(f"{planned.name} reads what {source.name} makes, which is not there", fix=fix)


@contextmanager
def _stoppable(words: str, folder: Path) -> Generator[list[str], None, None]:
    """Turn Ctrl-C and SIGTERM within the block into StoppedError, which says with what `words` to go on. The block
    appends the steps it comes to."""
    at: list[str] = []
    before = None
    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield at
    except KeyboardInterrupt:
        where = f"in the step {at[-1]}" if at else "before the first step"
        fix = f"go on with: hornbook {words}"
        raise StoppedError(f"stopped {where}; what is done is kept", fix=fix) from None
    except OSError as error:  # a full disk where no stage was at work: the lock, the plan, a folder
        raise explained(error, folder) from error
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)
