"""Rows that people wrote, each with the place it stands at, so that a bad one can be named."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from hornbook.core.errors import InputError


def files_in(paths: Iterable[Path]) -> list[Path]:
    """The files of rows that `paths` name: each itself, or what lies in a folder, by name."""
    return [
        file for path in paths
        for file in (sorted([*path.glob("*.jsonl"), *path.glob("*.json")]) if path.is_dir() else [path])
    ]  # fmt: skip


def placed_rows(path: Path) -> Iterator[tuple[str, dict]]:
    """(place, object) for every line of a .jsonl file or every item of the one list in a .json file, in order.

    Blank lines are skipped but counted. Raises InputError naming the line or item that is no JSON object.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("there is no such file", where=path, fix="name a .jsonl or .json file")
    return _items(path) if path.suffix == ".json" else _lines(path)


def _lines(path: Path) -> Iterator[tuple[str, dict]]:
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                place = f"{path}, line {number}"
                yield place, _object(_parsed(line, place), place)


def _items(path: Path) -> Iterator[tuple[str, dict]]:
    items = _parsed(path.read_bytes(), str(path))
    if not isinstance(items, list):
        raise InputError("a .json file must hold one list", where=path, fix="name it .jsonl if it has an object a line")
    for number, item in enumerate(items, 1):
        place = f"{path}, item {number}"
        yield place, _object(item, place)


def _parsed(data: bytes, place: str) -> object:
    try:
        return json.loads(data)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"not JSON ({error})", where=place, fix="mend or remove it") from None


def _object(value: object, place: str) -> dict:
    if not isinstance(value, dict):
        raise InputError("this must be a JSON object", where=place, fix="mend or remove it")
    return value
