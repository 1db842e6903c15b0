"""What sources are called: a site by its host, a path by its last part, or as the recipe says."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo

from hornbook.pipeline.config import InputPath

PACKED = (".gz", ".zst")


def site_name(address: str) -> str:
    """A site's name: its host, and its port where it has one of its own, without `www.`."""
    from hornbook.corpus.store.urls import canonical_url, site_of

    return site_of(canonical_url(address if "//" in address else f"https://{address}") or address)


def path_name(path: Path) -> str:
    """The last part of a path, of a file without its ending.

    >>> path_name(Path("/data/notes.jsonl.gz")), path_name(Path("docs/python-3.11"))
    ('notes', 'python-3.11')
    """
    path = Path(os.path.normpath(path))
    if path.is_dir() or not path.suffix:
        return path.name
    return path.with_suffix("").stem if path.suffix.lower() in PACKED else path.stem


def told_apart(names: Iterable[str], key: str) -> None:
    """Raises ValueError, with what to write, for a name that two sources of `[crawl]` have."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            said = f'{key} = {{ "another name" = "its path" }}'
            raise ValueError(f"two sources are called {name}: give one another name, such as {said}")
        seen.add(name)


def _named(value: Any, info: ValidationInfo) -> Any:
    """A path or a list of them as a table of names and paths; such a table as it is. In the order of the names, so that
    the order in a recipe changes nothing."""
    if not value:
        return {}
    if isinstance(value, str | Path):
        value = [value]
    key = info.field_name or ""
    if isinstance(value, list | tuple) and all(isinstance(each, str | Path) for each in value):
        folder = (info.context or {}).get("folder", Path())
        paths = [(path_name(Path(folder, Path(each).expanduser()).absolute()), each) for each in value]
        told_apart((name for name, _ in paths), key)
        value = dict(paths)
    if not isinstance(value, dict):
        raise ValueError("must be a path, a list of paths, or a table of names and paths")
    if wrong := next((name for name in value if name in ("", "*") or "/" in name or "\n" in name), None):
        raise ValueError(f"{wrong!r} cannot name a source: use letters, digits, dots and dashes")
    return dict(sorted(value.items()))


Sources = Annotated[dict[str, InputPath], BeforeValidator(_named)]
