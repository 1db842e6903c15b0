"""The demo's recipe: the ordinary road on the island's site, told where its exams, chats and rater are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from hornbook.core.errors import InputError
from hornbook.core.files import write_text
from hornbook.core.processes import compiler
from hornbook.demo.island import write_island
from hornbook.demo.server import HOST, free_port
from hornbook.demo.sizes import SIZES

VERSION = 14  # bumped by hand when the same seed begins to write another island
NOTE = "island.json"
RECIPE = """\
# The demo's road: an invented island (seed {seed}), served at {site} while `hornbook demo` runs.
size = "{size}"
seed = {seed}

[crawl]
site = "{site}/"
allow_private = ["{host}"]  # the island is on this machine
delay = 0.0                 # and nobody else reads it
concurrency = 8
timeout = 1.0               # what is slower gets three times as long at the end
retries = 0

{pretrain}[conversations]
imports = ["island/chats.jsonl"]

[rl]
problems = ["island/practice.jsonl"]

[preferences]
rater = "hornbook.demo.rater:rater"
rater_data = "island/truth"

[evaluate]
exams = ["island/exams"]
rater = "hornbook.demo.rater:rater"
rater_data = "island/truth"
"""
SLOWER = """\
[pretrain]
minutes = 4.5  # instead of 4.0: there was no C++ compiler here, and without our kernels a minute teaches less

"""


@dataclass(frozen=True)
class DemoRun:
    """Where one demo lies: `folder` is its run's, with the recipe and `island/` in it."""

    folder: Path
    port: int
    fresh: bool  # whether the island was written just now

    @property
    def island(self) -> Path:
        return self.folder / "island"

    @property
    def recipe(self) -> Path:
        return self.folder / f"{self.folder.name}.toml"


def prepare(folder: Path, seed: int, size: str) -> DemoRun:
    """Write island and recipe into a run's folder, unless they are there already.

    The port is chosen once and kept, for addresses are part of what is crawled, and so is whether there is a compiler,
    without which a laptop's demo is given longer to read. Raises InputError for an unknown size.
    """
    if size not in SIZES:
        raise InputError(f"there is no island of size {size!r}", where="--size", fix=f"there are: {', '.join(SIZES)}")
    island = folder / "island"
    wanted = {"version": VERSION, "seed": seed, "size": size}
    noted = read_note(island)
    fresh = {key: noted.get(key) for key in wanted} != wanted
    port = noted.get("port") or free_port(seed)
    compiled = noted.get("compiled", compiler() is not None)
    if fresh:
        (island / NOTE).unlink(missing_ok=True)  # an island half written is none
        write_island(island, seed, size, f"http://{HOST}:{port}")
        write_text(island / NOTE, json.dumps(wanted | {"port": port, "compiled": compiled}))
    run = DemoRun(folder, port, fresh)
    pretrain = SLOWER if size == "laptop" and not compiled else ""
    site = f"http://{HOST}:{port}"
    write_text(run.recipe, RECIPE.format(seed=seed, size=size, site=site, host=HOST, pretrain=pretrain))
    return run


def read_note(island: Path) -> dict:
    """What is noted of the island in this folder; empty when there is none."""
    try:
        return json.loads((island / NOTE).read_text())
    except FileNotFoundError:
        return {}
