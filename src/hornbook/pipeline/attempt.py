"""One attempt at one step: call the stage in its partial folder, write its record, rename it into place."""

from __future__ import annotations

import errno
import platform
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from pydantic import BaseModel, ValidationError

from hornbook.core.digest import digest_file
from hornbook.core.errors import HornbookError
from hornbook.core.files import explained, sync_tree, write_text
from hornbook.core.processes import PeakMemory, cores
from hornbook.pipeline.artifact import Artifact
from hornbook.pipeline.identity import encoded
from hornbook.pipeline.launch import Launcher, Local, Ray, Resources, Slurm, Torchrun
from hornbook.pipeline.plan import Planned
from hornbook.pipeline.recipe import MachineConfig, Recipe
from hornbook.pipeline.record import RECORD_NAME, FileEntry, InputEntry, Record
from hornbook.pipeline.run import Run
from hornbook.pipeline.worker import run_in_worker
from hornbook.pipeline.workspace import Workspace, fault

LIBRARIES = ("hornbook", "torch", "numpy", "pyarrow", "tokenizers", "tiktoken", "resiliparse", "safetensors", "lancedb")


@dataclass(frozen=True)
class Machine:
    """How to find out what `device = "auto"` and `compile = "auto"` are here; called by stages that ask, not before."""

    pick_device: Callable[[], str] = lambda: "cpu"
    can_compile: Callable[[], bool] = lambda: False


class Attempts(BaseModel):
    """`attempt.json` in a partial folder: enough to go on after a kill as if nothing had happened."""

    identity: str
    inputs: dict[str, InputEntry]
    threads: int
    count: int = 0
    seconds: float = 0.0  # of the attempts before this one
    began: float = 0.0  # of this one, seconds since 1970


def attempt(recipe: Recipe, planned: Planned, workspace: Workspace, machine: Machine) -> Artifact:
    """Do the step, going on from where an earlier attempt was killed, and return its artifact, whole and in place.

    A stage that raises leaves its partial folder, to go on from once the cause is mended.
    """
    inputs = planned.input_entries(workspace.folder)
    kind, folder = planned.step.stage.output, planned.partial
    together = recipe.machine.processes if planned.step.stage.torchrun else 1
    threads = recipe.machine.threads or (planned.estimate and planned.estimate.threads) or cores()
    if together > 1 and not recipe.machine.threads:  # they share the cores
        threads = min(threads, max(1, cores() // together))
    attempts = _opened(folder, planned.identity, inputs, threads)
    if _is_finished(folder, planned.identity):  # killed between its record and its rename
        workspace.commit(folder, planned.folder)
        return kind(planned.folder)
    run = _run(folder, recipe.machine, planned, workspace, machine, attempts.threads)
    artifacts = {name: planned.step.stage.inputs[name](feed.folder) for name, feed in planned.feeds.items()}
    with PeakMemory() as peak:
        try:
            made = _call(recipe.machine, planned, artifacts, run)
        except Exception as error:
            full = _full_disk(error, folder)
            if full is None:
                raise
            raise full from error
    if type(made) is not kind or made.path != run.out:
        raise TypeError(f"stage {planned.step.stage.name} must return {kind.__name__}(run.out), not {made!r}")
    try:
        sync_tree(run.out)
        record = _record(recipe, planned, made, run, attempts, inputs, peak.bytes)
        write_text(run.out / RECORD_NAME, record.model_dump_json(indent=1))
        workspace.commit(folder, planned.folder)
    except OSError as error:
        raise explained(error, folder) from error
    return kind(planned.folder)


def _opened(folder: Path, identity: str, inputs: dict[str, InputEntry], threads: int) -> Attempts:
    """Count one attempt more in the partial folder; one that was made from other inputs is thrown away. `threads` are
    for a first attempt: those after it go on with as many."""
    path = folder / "attempt.json"
    attempts = None
    with suppress(OSError, ValidationError):  # killed before it was written: there is nothing to go on from
        attempts = Attempts.model_validate_json(path.read_bytes())
    if attempts is None or attempts.identity != identity or attempts.inputs != inputs:
        shutil.rmtree(folder, ignore_errors=True)
        attempts = Attempts(identity=identity, inputs=inputs, threads=threads)
    else:
        last = max((file.stat().st_mtime for file in folder.rglob("*")), default=attempts.began)
        attempts.seconds += max(0.0, last - attempts.began)
    attempts.count += 1
    attempts.began = time.time()
    write_text(path, attempts.model_dump_json())
    return attempts


def _is_finished(folder: Path, identity: str) -> bool:
    out = folder / "out"
    return (out / RECORD_NAME).exists() and fault(out, verify=True) is None and Record.read(out).identity == identity


def _run(
    folder: Path, config: MachineConfig, planned: Planned, workspace: Workspace, machine: Machine, threads: int
) -> Run:
    return Run(
        folder,
        step=planned.name,
        seed=planned.seed,
        threads=threads,
        device=machine.pick_device if config.device == "auto" else config.device,
        compile=machine.can_compile if config.compile == "auto" else config.compile,
        previous=_previous(planned, workspace),
        engine=config.engine,
        shard=config.shard,
        tensor=config.tensor,
        checkpoints=config.checkpoints,
    )


def _previous(planned: Planned, workspace: Workspace) -> Path | None:
    """What this step made last, whole, whatever was asked of it then."""
    whole = [folder for folder in workspace.folders(planned.name) if fault(folder, verify=False) is None]
    return max(whole, key=lambda folder: Record.read(folder).started, default=None)


def _call(config: MachineConfig, planned: Planned, artifacts: dict[str, Artifact], run: Run) -> Artifact:
    stage = planned.step.stage
    if config.launcher == "inprocess":
        return stage(planned.config, **artifacts, run=run)
    launcher, resources = _launcher(config, run) if stage.torchrun else (Local(), Resources(threads=run.threads))
    return run_in_worker(launcher, resources, planned.step, planned.config, artifacts, run)


def _launcher(config: MachineConfig, run: Run) -> tuple[Launcher, Resources]:
    """What starts the processes of a stage that several can do, and how many."""
    resources = Resources(
        config.processes, run.threads, config.machines, config.fewest, config.restarts,
        gpus=config.launcher in ("slurm", "ray") and run.device != "cpu",
    )  # fmt: skip
    if config.launcher == "torchrun":
        return Torchrun(), replace(resources, machines=1, fewest=None)
    if config.launcher == "slurm":
        return Slurm(run.out.parent, config.slurm), resources
    if config.launcher == "ray":
        return Ray(run.out.parent), resources
    return Local(), Resources(threads=run.threads)


def _record(
    recipe: Recipe,
    planned: Planned,
    made: Artifact,
    run: Run,
    attempts: Attempts,
    inputs: dict[str, InputEntry],
    peak_memory: int,
) -> Record:
    return Record(
        step=planned.name,
        stage=planned.step.stage.name,
        version=planned.step.stage.version,
        identity=planned.identity,
        digest=made.content_digest(),
        kind=type(made).__name__,
        config=encoded(planned.config, planned.outside),
        outside=dict(planned.outside),
        inputs=inputs,
        seed=planned.seed,
        size=recipe.dial.size,
        depth=recipe.dial.depth,
        started=datetime.fromtimestamp(attempts.began, UTC).isoformat(timespec="milliseconds"),
        seconds=round(attempts.seconds + time.time() - attempts.began, 3),
        attempts=attempts.count,
        peak_memory_bytes=peak_memory,
        counts=run.counts,
        metrics=run.metrics,
        warnings=run.warnings,
        notes=run.notes,
        versions=_versions(),
        machine={"system": platform.platform(), "processor": _processor(), "threads": run.threads, **run.looked_up},
        files=_entries(run.out),
    )


def _entries(out: Path) -> dict[str, FileEntry]:
    entries: dict[str, FileEntry] = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        stat = path.stat()
        name = path.relative_to(out).as_posix()
        entries[name] = FileEntry(size=stat.st_size, time=stat.st_mtime_ns, sha256=digest_file(path))
    return entries


def _versions() -> dict[str, str]:
    installed = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # an extra that is not installed
    return installed


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _full_disk(error: BaseException, folder: Path) -> Exception | None:
    """The one line for a full disk, whichever library met it and however it says so."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, HornbookError):
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return explained(cause, folder)
        if any(words in str(cause) for words in ("No space left on device", "disk is full", "os error 28")):
            return explained(OSError(errno.ENOSPC, str(cause)), folder)
        cause = cause.__cause__ or cause.__context__
    return None
