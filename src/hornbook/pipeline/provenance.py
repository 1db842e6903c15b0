"""Where an artifact came from: back through its inputs, step by step, to the pages from outside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hornbook.core.errors import InputError
from hornbook.pipeline.artifact import Artifact
from hornbook.pipeline.record import RECORD_NAME


def lineage(artifact: Artifact) -> Iterator[Artifact]:
    """The artifact and everything it was made from, each once, nearest first. Raises InputError where one is gone."""
    run, waiting, seen = artifact.path.parent.parent, [artifact.path], set[Path]()
    while waiting:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        if not (path / RECORD_NAME).exists():
            fix = f"run: hornbook run {run.name}"
            raise InputError(f"{artifact.path.name} was made from this, which is gone", where=path, fix=fix)
        found = Artifact(path)
        yield found
        waiting += [run / entry.artifact for entry in found.record.inputs.values()]


def source(artifact: Artifact, step: str) -> Artifact:
    """The artifact of `step` from which this one was made, near or far. Raises InputError where there is none."""
    for found in lineage(artifact):
        if found.record.step == step:
            return found
    raise InputError(f"this was not made from what {step} makes", where=artifact.path)


def descendants(artifact: Artifact) -> Iterator[Artifact]:
    """Every artifact in the same run made from this one, near or far."""
    run = artifact.path.parent.parent
    for path in sorted(run.glob(f"[!.]*/*/{RECORD_NAME}")):
        other = Artifact(path.parent)
        if other.path != artifact.path and any(found.path == artifact.path for found in lineage(other)):
            yield other
