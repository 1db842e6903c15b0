"""What a stage is given besides its configuration and inputs: where to write, and what does not change the result."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

from hornbook.core.processes import cores
from hornbook.core.progress import Bar, progress_bar


class Run:
    """One attempt at one step. In a test, `Run(tmp_path)` is all a stage function needs:

    corpus = Corpus(folder); written = tokenizer(TokenizerConfig(vocab_size=512), corpus, Run(tmp_path, seed=0))

    `device` and `compile` may be functions, so that the machine is looked at (torch imported) only by stages that ask.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        step: str = "step",
        seed: int = 0,
        threads: int | None = None,
        device: str | Callable[[], str] = "cpu",
        compile: bool | Callable[[], bool] = False,
        previous: Path | str | None = None,
        engine: str = "local",
        shard: bool = False,
        tensor: int = 1,
        checkpoints: int = 2,
        first: bool = True,
    ):
        self.step = step
        self.seed = seed  # derived for this step; derive further with core.seeds.derive(run.seed, "part")
        self.threads = threads or cores()
        self.engine = engine  # "local", or "ray" for stages that can be spread over a cluster
        self.shard, self.tensor = shard, tensor  # how processes that train together share a model
        self.checkpoints = checkpoints  # how many of the newest a training keeps until it ends
        self.first = first  # of several processes, the one that speaks
        # the artifact this step made last, if it is still there: only ever to save work
        self.previous = None if previous is None else Path(previous)
        self.out = Path(folder) / "out"  # becomes the artifact; what is finished in it survives a kill
        self.work = Path(folder) / "work"  # scratch that survives a kill and goes when the stage ends: checkpoints
        self.out.mkdir(parents=True, exist_ok=True)
        self.work.mkdir(parents=True, exist_ok=True)
        self.metrics: dict[str, Any] = {}
        self.counts: dict[str, int] = {}
        self.warnings: list[str] = []
        self.notes: list[str] = []
        self._device, self._compile = device, compile

    @cached_property
    def device(self) -> str:
        """"cpu", "cuda" or "cuda:1"."""
        return self._device if isinstance(self._device, str) else self._device()

    @cached_property
    def compile(self) -> bool:
        """Whether graphs are worth compiling here."""
        return self._compile if isinstance(self._compile, bool) else self._compile()

    @property
    def looked_up(self) -> dict[str, Any]:
        """What the stage asked of the machine, for the record."""
        return {name: self.__dict__[name] for name in ("device", "compile") if name in self.__dict__}

    def metric(self, **values: Any) -> None:
        """Keep figures in the record: numbers, strings, lists and dicts of them."""
        self.metrics.update(values)

    def count(self, *, inputs: int | None = None, outputs: int | None = None, tokens: int | None = None) -> None:
        """Say how much went in and came out, for the report's table."""
        given = {"inputs": inputs, "outputs": outputs, "tokens": tokens}
        self.counts.update({name: value for name, value in given.items() if value is not None})

    def warn(self, text: str) -> None:
        """One line that is shown now and kept in the record: something is not as it should be."""
        self._say(text, self.warnings)

    def note(self, text: str) -> None:
        """The same where all is well, and a reader would wonder all the same."""
        self._say(text, self.notes)

    def progress(self, label: str, total: int | None = None, unit: str = "") -> AbstractContextManager[Bar]:
        """A bar: `with run.progress("pages", total, "pages") as bar: bar.advance(1)`."""
        return progress_bar(label, total, unit) if self.first else nullcontext(Bar(label, total, unit))

    def log(self, row: dict[str, Any]) -> None:
        """Append one row to the artifact's metrics.jsonl."""
        with open(self.out / "metrics.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")

    def _say(self, text: str, kept: list[str]) -> None:
        if text not in kept:
            kept.append(text)
            if self.first:
                print(f"{self.step}: {text}", file=sys.stderr)
