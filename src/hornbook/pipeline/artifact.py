"""An artifact: a folder that is whole or not there. Its kinds, in `road/artifacts.py`, add typed reading."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import ClassVar

from hornbook.pipeline.content import TIMES, digest_content
from hornbook.pipeline.record import RECORD_NAME, Record


class Artifact:
    """What a stage wrote, by its folder. A stage ends with `return Kind(run.out)`.

    `contents` are the patterns of the files that are the result; everything else in the folder (metrics, samples,
    logs) is kept and checked against damage but does not bear on the content digest.
    """

    contents: ClassVar[tuple[str, ...]] = ("**/*",)
    ordered: ClassVar[bool] = True  # False where rows come in whatever order workers finish
    without: ClassVar[frozenset[str]] = TIMES  # keys and columns that say when, not what

    def __init__(self, path: Path | str):
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    @cached_property
    def record(self) -> Record:
        """How it came to be. Raises DamagedError while it has none (a stage is still writing it)."""
        return Record.read(self.path)

    @property
    def identity(self) -> str:
        """What was asked for: sha256 of stage, version, config, seed and the inputs' identities."""
        return self.record.identity

    @property
    def digest(self) -> str:
        """What came out, as recorded; `content_digest()` computes it anew."""
        return self.record.digest

    def files(self, *patterns: str) -> list[Path]:
        """The files that match, sorted, the record left out."""
        found = {path for pattern in patterns for path in self.path.glob(pattern) if path.is_file()}
        return sorted(found - {self.path / RECORD_NAME})

    def content_digest(self) -> str:
        """sha256 of what the artifact says; never of times, random identifiers or file names."""
        return digest_content(self.files(*self.contents), ordered=self.ordered, without=self.without)
