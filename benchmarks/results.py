"""Where figures are kept: benchmarks/results/NAME.json, with the machine, the versions and the date."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hornbook.core.files import write_text
from hornbook.core.processes import cores

FOLDER = Path(__file__).parent / "results"


class Absent(Exception):
    """What a figure is measured on is not here: the packages to install, the data to bring."""


def figure(
    name: str, value: float | bool | None, unit: str, *, peer: float | None = None, ratio: float | None = None,
    n: int | None = None, interval: Sequence[float] | None = None, **more: Any,
) -> dict:
    """One figure as every benchmark prints it; more may be given by name: `why`, where it is absent."""
    shown = {"figure": name, "value": value, "unit": unit, "peer": peer, "ratio": ratio, "n": n, "interval": interval}
    return shown | more


def against(name: str, peer: str, ours: Sequence[float], theirs: Sequence[float], **more: Any) -> dict:
    """How many times as fast as the peer, from the seconds of both by turns: the median of the ratios, their range."""
    ratios = [other / own for own, other in zip(ours, theirs, strict=True)]
    ratio = round(statistics.median(ratios), 3)
    return figure(
        name, ratio, f"times as fast as {peer}", peer=round(statistics.median(theirs), 4), ratio=ratio, n=len(ratios),
        interval=[round(min(ratios), 3), round(max(ratios), 3)], seconds=round(statistics.median(ours), 4), **more,
    )


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


def parts_parser(about: str | None, parts: Sequence[str]) -> argparse.ArgumentParser:
    """What every benchmark in parts may be told."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one object a figure, a line each")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, help="some of the parts")
    return parser


def run_parts(package: str, parts: Iterable[str], *, as_json: bool) -> None:
    """Measure each part, a module of the package with NAMES and figures(); keep what it finds, and print it."""
    for part in parts:
        module = import_module(f"benchmarks.{package}.{part}")
        try:
            found = list(module.figures())
        except Absent as absent:
            found = [figure(name, None, "", why=str(absent)) for name in module.NAMES]
        else:
            keep(f"{package}_{part}", found)
        for each in found:
            value = each["value"] if each["value"] is not None else f"absent: {each['why']}"
            print(json.dumps(each) if as_json else f"{each['figure']:28} {value} {each['unit']}", flush=True)
