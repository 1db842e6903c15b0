"""The whole road on real documentation: SQLite's over HTTP, the Debian handbook's 26 languages as a folder.

    apt-get install sqlite3-doc debian-handbook
    python -m benchmarks.real_site --json

The first is served on loopback and crawled, the second read where Debian's package puts it. Each walks the road by
`hornbook run`; every figure that applies is printed, one JSON object a line, under the name of its documentation, and
those of a whole run are kept in benchmarks/results.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks.results import keep

DOCUMENTATION = Path("/usr/share/doc")
SQLITE = "sqlite3"
HANDBOOK = "debian-handbook/html"
PORT = 8765  # fixed: addresses are part of what is crawled, and a second run must find the first one's
SITE = """size = "{size}"

[crawl]
site = "http://127.0.0.1:{port}/index.html"
allow_private = ["127.0.0.1"]
delay = 0.0
concurrency = 8
"""
FOLDER = """size = "{size}"

[crawl]
docs = "{docs}"
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one object a figure, a line each")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="the folder of runs")
    parser.add_argument("--size", default="laptop", help="tiny, laptop or gpu")
    parser.add_argument("--only", choices=("sqlite", "handbook"), help="one of the two")
    arguments = parser.parse_args()
    runs = arguments.runs.resolve()
    runs.mkdir(parents=True, exist_ok=True)
    failures, found = 0, []
    for name, where in (("sqlite", SQLITE), ("handbook", HANDBOOK)):
        if arguments.only not in (None, name):
            continue
        folder = DOCUMENTATION / where
        if not folder.is_dir():
            print(f"{folder} is not here; run: apt-get install sqlite3-doc debian-handbook", file=sys.stderr)
            return 2
        recipe = runs / f"{name}.toml"
        if name == "sqlite":
            recipe.write_text(SITE.format(size=arguments.size, port=PORT))
            with _served(folder):
                code, seconds = _walk(recipe, runs)
        else:
            recipe.write_text(FOLDER.format(size=arguments.size, docs=folder))
            code, seconds = _walk(recipe, runs)
        failures += code != 0
        found.append(_told(name, "ends", float(code == 0), unit="bool"))
        found.append(_told(name, "minutes", seconds / 60, unit="minutes"))
        found += [_told(name, **row) for row in _figures(name, runs)]
    if arguments.only is None:
        keep("real_site", found)
    return int(failures > 0)


def _walk(recipe: Path, runs: Path) -> tuple[int, float]:
    """`hornbook run`'s exit code and seconds; what it says goes to standard error."""
    began = time.monotonic()
    command = [sys.executable, "-m", "hornbook.cli", "run", str(recipe)]
    code = subprocess.run(command, env={**os.environ, "HORNBOOK_RUNS": str(runs)}, stdout=sys.stderr).returncode
    return code, time.monotonic() - began


def _figures(name: str, runs: Path) -> Iterator[dict]:
    """What `hornbook report --json` tells of the run, absent figures with their reason."""
    command = [sys.executable, "-m", "hornbook.cli", "report", name, "--json"]
    environment = {**os.environ, "HORNBOOK_RUNS": str(runs)}
    told = subprocess.run(command, env=environment, capture_output=True, text=True)
    if told.returncode:
        raise RuntimeError(told.stderr.strip())
    report = json.loads(told.stdout)
    for figure, value in report["figures"].items():
        yield {"figure": figure, "value": value, "why": report["missing"].get(figure)}


def _told(name: str, figure: str, value: float | None, unit: str = "", why: str | None = None) -> dict:
    """The figure's row, printed."""
    row = {"figure": f"{name}_{figure}", "value": value, "unit": unit, "peer": None, "ratio": None, "n": 1,
           "interval": None}  # fmt: skip
    row |= {"why": why} if value is None else {}
    print(json.dumps(row), flush=True)
    return row


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the crawl has its own record."""


@contextmanager
def _served(folder: Path) -> Iterator[None]:
    """The folder on loopback, for the length of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", PORT), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


if __name__ == "__main__":
    sys.exit(main())
