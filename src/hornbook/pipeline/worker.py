"""One stage in a process of its own: `python -m hornbook.pipeline.worker JOB.json`, alone or under torchrun."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hornbook.core.errors import HornbookError
from hornbook.core.files import write_text
from hornbook.core.processes import die_with_parent
from hornbook.pipeline.artifact import Artifact
from hornbook.pipeline.launch import FAILED, Launcher, Resources
from hornbook.pipeline.run import Run
from hornbook.pipeline.stage import Stage, Step

INTERRUPTED = 130


class StageFailed(Exception):
    """A worker died of something that is no HornbookError; its traceback is above."""


def run_in_worker(
    launcher: Launcher, resources: Resources, step: Step, config: Any, inputs: Mapping[str, Artifact], run: Run
) -> Artifact:
    """Call the step's stage through `launcher` and bring its figures home. Raises what the worker raised."""
    folder = run.out.parent
    job, result = folder / "job.json", folder / "result.json"
    result.unlink(missing_ok=True)
    function = step.stage.function
    write_text(
        job,
        json.dumps(
            {
                "stage": [function.__module__, step.stage.name],
                "path": [entry for entry in sys.path if entry],
                "config": config.model_dump(mode="json"),
                "inputs": {name: str(artifact.path) for name, artifact in inputs.items()},
                "run": {"step": run.step, "seed": run.seed, "threads": run.threads, "device": run.device}
                | {"compile": run.compile, "previous": run.previous and str(run.previous), "engine": run.engine}
                | {"shard": run.shard, "tensor": run.tensor, "checkpoints": run.checkpoints},
            }
        ),
    )
    status = launcher.run(["-m", "hornbook.pipeline.worker", str(job)], resources)
    if status != 0 or not result.exists():
        if result.exists():
            _raise(json.loads(result.read_bytes()))
        raise StageFailed(f"the stage {step.name} ended with status {status}")
    said = json.loads(result.read_bytes())
    run.metrics.update(said["metrics"])
    run.counts.update(said["counts"])
    run.warnings.extend(said["warnings"])
    run.notes.extend(said["notes"])
    return step.stage.output(run.out)


def _raise(said: dict[str, Any]) -> None:
    error = HornbookError(said["what"], where=said["where"], fix=said["fix"])
    error.exit_code = said["exit_code"]
    raise error


def main(job_path: str) -> int:
    """The worker's side: import the stage, call it, and let the first of the processes write what it counted."""
    if threading.current_thread() is threading.main_thread():  # Ray's workers run in another, and end with Ray
        die_with_parent()
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(job_path).parent
    job = json.loads(Path(job_path).read_bytes())
    sys.path.extend(entry for entry in job["path"] if entry not in sys.path)
    module, name = job["stage"]
    stage: Stage[..., Any] = getattr(importlib.import_module(module), name)
    first = os.environ.get("RANK", "0") == "0"
    run = Run(folder, **job["run"], first=first)
    inputs = {parameter: stage.inputs[parameter](path) for parameter, path in job["inputs"].items()}
    try:
        stage(stage.config.model_validate(job["config"]), **inputs, run=run)
    except KeyboardInterrupt:
        return INTERRUPTED  # the run that started this process says so
    except HornbookError as error:
        where = None if error.where is None else str(error.where)
        said = {"what": error.what, "where": where, "fix": error.fix, "exit_code": error.exit_code}
        write_text(folder / "result.json", json.dumps(said))
        return FAILED
    if first:
        said = {"metrics": run.metrics, "counts": run.counts, "warnings": run.warnings, "notes": run.notes}
        write_text(folder / "result.json", json.dumps(said))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
