"""Where figures are kept: benchmarks/results/NAME.json, with the machine, the versions and the date."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from hornbook.core.files import write_text
from hornbook.core.processes import cores

FOLDER = Path(__file__).parent / "results"


def keep(name: str, figures: Iterable[dict]) -> None:
    """Write the figures of one benchmark, replacing those of its last run."""
    processor = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), processor)
    kept = {
        "benchmark": name,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {"processor": processor, "cores": cores(), "system": platform.system()},
        "versions": {"python": platform.python_version(), "hornbook": version("hornbook"), "torch": version("torch")},
        "figures": list(figures),
    }
    write_text(FOLDER / f"{name}.json", json.dumps(kept, indent=1) + "\n")
