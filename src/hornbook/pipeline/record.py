"""`record.json`: all that is known of how an artifact came to be. An artifact without one is not an artifact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hornbook.core.errors import DamagedError

RECORD_NAME = "record.json"
REBUILD = "`hornbook run` moves it aside, and run again rebuilds it"


class FileEntry(BaseModel):
    """One file of an artifact as it was when committed: size in bytes, time in nanoseconds, sha256 of its bytes."""

    model_config = ConfigDict(frozen=True)

    size: int
    time: int
    sha256: str


class InputEntry(BaseModel):
    """An artifact that was read: which, what was asked for, and what it held."""

    model_config = ConfigDict(frozen=True)

    artifact: str  # its folder, relative to the run's
    identity: str
    digest: str


class Record(BaseModel):
    """How an artifact came to be. `identity` names what was asked for, `digest` what came out."""

    model_config = ConfigDict(frozen=True, defer_build=True)  # a plan of what was never done reads none

    step: str
    stage: str
    version: int
    identity: str
    digest: str
    kind: str
    config: dict[str, Any]
    outside: dict[str, str] = Field(default_factory=dict)  # what config names from outside: path -> content digest
    inputs: dict[str, InputEntry] = Field(default_factory=dict)
    seed: int
    size: str
    depth: int
    started: str  # ISO 8601, UTC
    seconds: float  # at work, over all attempts
    attempts: int = 1
    peak_memory_bytes: int
    counts: dict[str, int] = Field(default_factory=dict)  # inputs, outputs, tokens
    metrics: dict[str, Any] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    versions: dict[str, str] = Field(default_factory=dict)
    machine: dict[str, Any] = Field(default_factory=dict)
    files: dict[str, FileEntry] = Field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Record:
        """The record of the artifact in `folder`. Raises DamagedError where it is absent or unreadable."""
        path = folder / RECORD_NAME
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError:
            raise DamagedError("there is no record here", where=path, fix=REBUILD) from None
        except ValidationError:
            raise DamagedError("this is not a record Hornbook wrote", where=path, fix=REBUILD) from None
