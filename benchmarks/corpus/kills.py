"""`kill -9` at twenty moments of crawl and corpus: are their content digests those of a quiet run?

An invented island is served on loopback, each page after a moment, so that the crawl lasts long enough to be struck.
One `hornbook run --until corpus` is left alone and timed; another is killed at moments drawn by the seed, and finished.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.kills import _artifact, _command, _kill_in, moments
from benchmarks.results import figure

NAMES = ("corpus_kills_equal",)
KILLS = 20
SEED = 0
ANSWER_SECONDS = 0.03
RECIPE = """\
size = "tiny"

[crawl]
site = "{site}/"
allow_private = ["127.0.0.1"]
delay = 0.0
concurrency = 4
timeout = 1.0
retries = 0

[run]
threads = 2
"""


def figures() -> Iterator[dict]:
    """The share of the two steps whose digest is that of the quiet run."""
    folder = Path(tempfile.mkdtemp(prefix="hornbook-corpus-kills-"))
    try:
        kills, equal = kill_and_compare(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    value = sum(equal.values()) / len(equal)
    yield figure("corpus_kills_equal", value, "share of steps", n=kills.total(), by_step=dict(kills), equal=equal)


def kill_and_compare(folder: Path) -> tuple[Counter[str], dict[str, bool]]:
    """How often each step was killed, and whether its digest is equal all the same."""
    from hornbook.demo import write_island
    from hornbook.demo.server import serving

    site = folder / "isle" / "site"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    write_island(folder / "isle", SEED, "tiny", f"http://127.0.0.1:{port}")
    recipe = folder / "kills.toml"
    recipe.write_text(RECIPE.format(site=f"http://127.0.0.1:{port}"))
    kills = Counter[str]()
    with serving(site, port) as server:
        for path in site.rglob("*.html"):
            server.special.setdefault(f"/{path.relative_to(site).as_posix()}", {}).setdefault("delay", ANSWER_SECONDS)
        quiet = _finish(recipe, folder / "quiet")
        seconds = {step: event["seconds"] for step, event in quiet.items()}
        for step, part in moments(seconds, KILLS, SEED):
            # A step goes on from what it had, so its later kills wait for less: what matters is that they are spread.
            for attempt in range(1, 9):
                if _kill_in(step, part * seconds[step] / attempt, recipe, folder / "killed", os.environ):
                    kills[step] += 1
                    break
                shutil.rmtree(_artifact(folder / "killed", recipe, step))  # it was done before we struck: once more
        ended = _finish(recipe, folder / "killed")
    return kills, {step: ended[step]["digest"] == event["digest"] for step, event in quiet.items()}


def _finish(recipe: Path, runs: Path) -> dict[str, dict]:
    """Run to the end of the corpus; the last event of each step."""
    command = _command(recipe, "--until", "corpus")
    made = subprocess.run(command, env={**os.environ, "HORNBOOK_RUNS": str(runs)}, stdout=subprocess.PIPE, text=True)
    if made.returncode != 0:
        raise RuntimeError(f"hornbook run ended with {made.returncode}")
    events = [json.loads(line) for line in made.stdout.splitlines()]
    return {event["step"]: event for event in events if event["event"] in ("done", "skip")}
