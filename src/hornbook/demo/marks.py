"""What only the demo can know of its run, written beside the steps as grade.json: planted faults, time, memory."""

from __future__ import annotations

import json
from pathlib import Path

from hornbook.core.files import write_text
from hornbook.demo.grade import grade
from hornbook.pipeline.workspace import Workspace
from hornbook.report.reading import GRADE
from hornbook.road.artifacts import Corpus, Pages

LAST_STEP = "deploy"


def write_marks(workspace: Workspace, island: Path, *, seconds: float | None,
                stolen: float | None = None) -> dict:
    """Grade what the run has so far and write grade.json; returns it.

    `seconds` is how long the whole took when it was done in one go; None when it was not, and the steps' own times are
    summed. `stolen` is the share of processor time that other machines took meanwhile, where that is known.
    """
    records = {step: artifact.record for step, artifact in workspace.steps().items()}
    spent = sum(record.seconds for record in records.values()) if seconds is None else seconds
    minutes: dict = {"value": round(spent / 60, 2), "n": 1}
    if LAST_STEP not in records:
        minutes = {"value": None, "why": f"the road was walked only as far as {list(records)[-1]}"}
    marks = faults(workspace, island) if "corpus" in records else {"figures": {}, "by_kind": {}}
    peak = max((record.peak_memory_bytes for record in records.values()), default=0)
    marks["figures"] |= {
        "demo_minutes": minutes,
        "demo_peak_gb": {"value": round(peak / 1e9, 2), "n": len(records)},
    }
    if stolen is not None:
        marks["figures"]["demo_stolen"] = {"value": round(stolen, 4), "n": 1}
    write_text(workspace.folder / GRADE, json.dumps(marks, indent=1))
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
