"""Identity names the request: stage, version, configuration, seed and inputs, as canonical JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from hornbook.core.digest import digest_file, digest_json, digest_sorted
from hornbook.core.errors import InputError
from hornbook.core.files import write_text
from hornbook.pipeline.config import InputPath, StageConfig
from hornbook.pipeline.stage import Step


def identity(step: Step, config: StageConfig, seed: int, inputs: Mapping[str, str], outside: Mapping[str, str]) -> str:
    """sha256 of what is asked for. `inputs` are the identities of the artifacts by parameter; `outside` the content
    digests of the paths that `config` names. Raises TypeError for a configuration that JSON cannot hold.
    """
    return digest_json(
        {
            "stage": step.stage.name,
            "version": step.stage.version,
            "config": encoded(config, outside),
            "seed": seed,
            "inputs": dict(inputs),
        }
    )


def encoded(config: StageConfig, outside: Mapping[str, str]) -> dict[str, Any]:
    """The configuration as JSON holds it, every InputPath replaced by the digest of its content. What a `later` key
    does not ask for is left out: what was made before the key was there is made as it asks."""
    unasked = {key for key in config.later if getattr(config, key) == type(config).model_fields[key].default}
    return cast(dict[str, Any], _encoded(config.model_dump(exclude=unasked), outside))


def _encoded(value: object, outside: Mapping[str, str]) -> object:
    if isinstance(value, InputPath):
        return {"content": outside[str(value)]}
    if isinstance(value, dict):
        return {key: _encoded(part, outside) for key, part in cast(dict[str, object], value).items()}
    if isinstance(value, list | tuple):
        return [_encoded(part, outside) for part in cast(list[object], value)]
    if isinstance(value, set | frozenset):
        raise TypeError("a set has no order: use a tuple in a stage's configuration")
    return to_jsonable_python(value)


def paths_from_outside(config: BaseModel) -> list[InputPath]:
    """Every InputPath in the configuration, however deep."""

    def walk(value: object) -> list[InputPath]:
        if isinstance(value, InputPath):
            return [value]
        if isinstance(value, dict):
            return [path for part in cast(dict[str, object], value).values() for path in walk(part)]
        if isinstance(value, list | tuple):
            return [path for part in cast(list[object], value) for path in walk(part)]
        return []

    return walk(config.model_dump())


class OutsideDigests:
    """Content digests of files and folders from outside, computed again only when sizes or times changed."""

    def __init__(self, memory: Path):
        self._memory = memory
        self._known = _remembered(memory)

    def of(self, paths: list[InputPath]) -> dict[str, str]:
        """Path -> content digest. A folder's digest covers its files and their names within it."""
        before = dict(self._known)
        found = {str(path): self._digest(path) for path in paths}
        if self._known != before:
            write_text(self._memory, json.dumps(self._known, indent=1))
        return found

    def _digest(self, path: Path) -> str:
        if not path.exists():
            raise InputError("this is gone", where=path, fix="put it back or name another in the recipe")
        files = [path] if path.is_file() else sorted(_files(path))
        names = ["" if file == path else file.relative_to(path).as_posix() for file in files]
        stats = [file.stat() for file in files]
        stamp = digest_json([[n, s.st_size, s.st_mtime_ns] for n, s in zip(names, stats, strict=True)])
        known = self._known.get(str(path))
        if known is None or known[0] != stamp:
            parts = [f"{name}\0{digest_file(file)}" for name, file in zip(names, files, strict=True)]
            self._known[str(path)] = known = [stamp, digest_sorted(parts)]
        return known[1]


def _files(folder: Path) -> list[Path]:
    paths = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return [path for path in paths if path.is_file()]


def _remembered(memory: Path) -> dict[str, list[str]]:
    try:
        return json.loads(memory.read_bytes())
    except (OSError, json.JSONDecodeError):
        return {}  # a memory that is lost costs reading the files again, nothing else
