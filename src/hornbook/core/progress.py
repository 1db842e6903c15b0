"""A bar with rate, time left and the figure that matters on a terminal; a plain line now and then in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

PLAIN_EVERY_SECONDS = 15.0


class Bar:
    """Where long work says how far it is. `advance` is cheap enough for every unit of work."""

    def __init__(self, label: str, total: int | None, unit: str):
        self.label, self.total, self.unit = label, total, unit
        self.done, self.note, self.started, self.before = 0, "", time.monotonic(), 0

    @property
    def rate(self) -> float:
        """Units a second since the start, without what was done before it."""
        return (self.done - self.before) / max(time.monotonic() - self.started, 1e-9)

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """`count` more units are done; `note` is the figure that matters just now, such as "loss 2.31"."""
        self.done += count
        self.note = self.note if note is None else note
        self.show()

    def go_on_from(self, count: int) -> None:
        """So many units were done earlier, by whoever was stopped."""
        self.done = self.before = count
        self.started = time.monotonic()

    def show(self) -> None: ...


class _PlainBar(Bar):
    def __init__(self, label: str, total: int | None, unit: str):
        super().__init__(label, total, unit)
        self._shown = self.started

    def show(self) -> None:
        now = time.monotonic()
        if now - self._shown >= PLAIN_EVERY_SECONDS:
            self._shown = now
            whole = f"/{self.total:,}" if self.total else ""
            print(f"{self.label}: {self.done:,}{whole} {self.unit}, {self.rate:,.0f}/s {self.note}", file=sys.stderr)


class _RichBar(Bar):
    def __init__(self, label: str, total: int | None, unit: str, progress: Progress):
        super().__init__(label, total, unit)
        self._progress, self._task = progress, progress.add_task(label, total=total, rate="", note="")

    def go_on_from(self, count: int) -> None:
        super().go_on_from(count)
        self._progress.reset(self._task, total=self.total, completed=count, rate="", note="")

    def show(self) -> None:
        rate = f"{self.rate:,.0f} {self.unit}/s"
        self._progress.update(self._task, completed=self.done, rate=rate, note=self.note)


@contextmanager
def progress_bar(label: str, total: int | None = None, unit: str = "") -> Iterator[Bar]:
    """A bar for the length of the block, on standard error.

    with progress_bar("pretrain", tokens, "tokens") as bar:
        bar.advance(4096, f"loss {loss:.3f}")
    """
    if not sys.stderr.isatty():
        yield _PlainBar(label, total, unit)
        return
    from rich.console import Console  # it takes longer to load than a cheap command may take
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(), TextColumn("[dim]{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4) as progress:
        yield _RichBar(label, total, unit, progress)
