"""What only the demo can know of its run, written beside the steps as grade.json: planted faults, time, memory."""

from __future__ import annotations

import json
from pathlib import Path

from hornbook.core.files import write_text
from hornbook.demo.grade import grade
from hornbook.pipeline.workspace import Workspace
from hornbook.report.reading import GRADE
from hornbook.road.artifacts import Corpus, Pages


def write_marks(workspace: Workspace, island: Path, *, seconds: float, anew: bool) -> dict:
    """Grade what the run has so far and write grade.json; returns it.

    `seconds` were spent just now; they are added to those of earlier calls unless the run began `anew`.
    """
    path = workspace.folder / GRADE
    earlier = {} if anew or not path.exists() else json.loads(path.read_text())
    spent = earlier.get("spent_seconds", 0.0) + seconds
    records = {step: artifact.record for step, artifact in workspace.steps().items()}
    marks = faults(workspace, island) if "corpus" in records else {"figures": {}, "by_kind": {}}
    peak = max((record.peak_memory_bytes for record in records.values()), default=0)
    marks["figures"] |= {
        "demo_minutes": {"value": round(spent / 60, 2), "n": 1},
        "demo_peak_gb": {"value": round(peak / 1e9, 2), "n": len(records)},
    }
    marks["spent_seconds"] = spent
    write_text(path, json.dumps(marks, indent=1))
    return marks


def faults(workspace: Workspace, island: Path) -> dict:
    """The grade of the current crawl and corpus."""
    import pyarrow

    corpus = workspace.current("corpus", Corpus)
    kept = pyarrow.concat_tables([table.select(["url", "text"]) for table in (corpus.documents(), corpus.heldout())])
    refused = corpus.refused()
    reasons = dict(zip(refused.column("url").to_pylist(), refused.column("reason").to_pylist(), strict=True))
    rows = workspace.current("crawl", Pages).rows().select(["url", "outcome"]).to_pylist()
    return grade(island, kept, reasons=reasons, taken=[row["url"] for row in rows if row["outcome"] == "taken"])
