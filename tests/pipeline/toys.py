"""A road of toy stages: a map with shards, a merge, a loop with checkpoints, a score. No machine learning.

Every unit of work is noted in the file TOYS_LOG names, so that a test sees what was done twice; TOYS_NAP is how long
a unit takes.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field

from hornbook.core.errors import InputError
from hornbook.core.files import write_text
from hornbook.core.jsonl import write_jsonl
from hornbook.core.seeds import derive
from hornbook.pipeline.artifact import Artifact
from hornbook.pipeline.config import Dial, Estimate, InputPath, StageConfig
from hornbook.pipeline.recipe import Recipe
from hornbook.pipeline.run import Run
from hornbook.pipeline.stage import Step, stage


class Shards(Artifact):
    contents: ClassVar = ("*.txt",)


class Words(Artifact):
    contents: ClassVar = ("words.jsonl",)


class State(Artifact):
    contents: ClassVar = ("state.json",)


class Figures(Artifact):
    contents: ClassVar = ("figures.json",)


class FetchConfig(StageConfig):
    docs: InputPath
    letters: str = Field("abc", description="the letters to keep")


class WordsConfig(StageConfig):
    lower: bool = True


class LearnConfig(StageConfig):
    ways: ClassVar = ("steps", "minutes")

    steps: int = Field(5, ge=1, le=1000, description="how many steps, from 1 to 1000")
    width: int = 64
    minutes: float | None = None

    @classmethod
    def defaults(cls, dial: Dial) -> dict[str, Any]:
        return {"width": 64 * dial.depth}

    def settle(self, recipe: Recipe, measured: dict[str, Any]) -> Self:
        if self.minutes is None:
            return self
        note("settle")
        return self.model_copy(update={"steps": round(self.minutes * 60), "minutes": None})

    def estimate(self, recipe: Recipe, measured: dict[str, Any], *, thorough: bool) -> Estimate:
        if self.width > 640:
            raise InputError("it is too wide for this machine", where="[learn]", fix="lower width")
        if thorough and "rate" not in measured:
            note("measure")
            measured["rate"] = 2.0
        threads = 3 if "rate" in measured else None
        seconds = self.steps / measured["rate"] if "rate" in measured else None
        return Estimate({"weights": 8 * self.width}, 5120, {"steps": self.steps}, seconds=seconds, threads=threads)

    def label(self) -> str:
        return f"w{self.width}"


class ExamineConfig(StageConfig):
    fail: bool = False


def note(what: str) -> None:
    if path := os.environ.get("TOYS_LOG"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{what}\n")
    time.sleep(float(os.environ.get("TOYS_NAP", "0")))


@stage(version=1)
def fetch(config: FetchConfig, run: Run) -> Shards:
    """A map: one shard a file, and a shard that is there is done."""
    for path in sorted(Path(config.docs).glob("*.txt")):
        if not (run.out / path.name).exists():
            note(f"fetch {path.name}")
            write_text(run.out / path.name, path.read_text(encoding="utf-8"))
    run.count(outputs=len(list(run.out.glob("*.txt"))))
    return Shards(run.out)


@stage(version=1)
def words(config: WordsConfig, fetch: Shards, run: Run) -> Words:
    """A merge: all or nothing."""
    note("words")
    texts = [path.read_text(encoding="utf-8") for path in fetch.files("*.txt")]
    rows = [{"word": word.lower() if config.lower else word, "time": time.time()} for word in " ".join(texts).split()]
    write_jsonl(run.out / "words.jsonl", rows)
    return Words(run.out)


@stage(version=1)
def learn(config: LearnConfig, words: Words, run: Run) -> State:
    """A loop: goes on from its checkpoint."""
    path = run.work / "checkpoint.json"
    done, state = 0, str(derive(run.seed, "start"))
    if path.exists():
        done, state = json.loads(path.read_text())
    data = (words.path / "words.jsonl").read_text().count("\n")
    while done < config.steps:
        note(f"learn {done}")
        state = hashlib.sha256(f"{state} {data} {config.width}".encode()).hexdigest()
        done += 1
        write_text(path, json.dumps([done, state]))
        run.log({"step": done})
    write_text(run.out / "state.json", json.dumps({"state": state}))
    run.metric(final=state[:4])
    return State(run.out)


@stage(version=1)
def examine(config: ExamineConfig, model: State, words: Words, run: Run) -> Figures:
    """A step whose parameter another step's artifact feeds."""
    note("examine")
    if config.fail:
        raise InputError("there is nothing to examine", where="the toys", fix="set examine.fail=false")
    write_text(run.out / "figures.json", json.dumps({"length": len((model.path / "state.json").read_text())}))
    run.warn("the toys are simulated")
    run.note("toys are small")
    return Figures(run.out)


ROAD = [
    Step("fetch", fetch),
    Step("words", words),
    Step("learn", learn),
    Step("examine", examine, inputs={"model": "learn"}),
]
DEPTHS = {"tiny": 2, "laptop": 4}
