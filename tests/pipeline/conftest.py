"""A folder of three texts, a recipe over the toy road, and ways to run it here or in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import toys

from hornbook.pipeline.execute import Done, execute
from hornbook.pipeline.plan import Planned, make_plan
from hornbook.pipeline.recipe import Recipe
from hornbook.pipeline.workspace import Workspace


class Bench:
    """A recipe in a folder of its own, and what was done to it."""

    def __init__(self, folder: Path):
        self.folder, self.log = folder, folder / "log.txt"
        self.recipe_path = folder / "isle.toml"
        docs = folder / "docs"
        docs.mkdir(parents=True)
        for number, text in enumerate(["One fish", "two fish", "Red fish"]):
            (docs / f"{number}.txt").write_text(text)
        self.write('size = "tiny"\n[fetch]\ndocs = "docs"\n')

    def write(self, text: str) -> None:
        self.recipe_path.write_text(text)

    def recipe(self, *settings: str) -> Recipe:
        return Recipe.read(self.recipe_path, toys.ROAD, toys.DEPTHS, settings)

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.folder / "runs" / "isle")

    def run(self, *settings: str, **options: object) -> list[Done]:
        return execute(self.recipe(*settings), self.workspace, **options)

    def plan(self, *settings: str, **options: object) -> dict[str, Planned]:
        return make_plan(self.recipe(*settings), self.workspace, **options)

    def did(self, *settings: str, **options: object) -> list[str]:
        return [done.step for done in self.run(*settings, **options) if done.did]

    def noted(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def digests(self) -> dict[str, str]:
        return {step: artifact.content_digest() for step, artifact in self.workspace.steps().items()}

    def start(self, *arguments: str, nap: float = 0.0, **environment: str) -> subprocess.Popen[str]:
        """`hornbook ...` over the toy road in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "hornbook.cli", *arguments],
            # A shell's background jobs are started deaf to Ctrl-C, and so would be all they start.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "HORNBOOK_ROAD": "toys:ROAD",
                "HORNBOOK_RUNS": str(self.folder / "runs"),
                "PYTHONPATH": str(Path(toys.__file__).parent),
                "TOYS_LOG": str(self.log),
                "TOYS_NAP": str(nap),
                **environment,
            },
        )

    def call(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        """Exit status, standard output, standard error."""
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(tmp_path / "bench")
    monkeypatch.setenv("TOYS_LOG", str(made.log))
    monkeypatch.setenv("HORNBOOK_RUNS", str(made.folder / "runs"))
    return made
