"""JSON lines: one object a line, UTF-8. A bad line is named by file and number."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hornbook.core.errors import DamagedError
from hornbook.core.files import atomic_writer


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Every object of the file, in order. Raises DamagedError naming the line that is no JSON object."""
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                raise DamagedError(
                    f"not JSON ({error})", where=f"{path}, line {number}", fix="mend or remove the line"
                ) from None
            if not isinstance(row, dict):
                raise DamagedError(
                    "a line must be a JSON object", where=f"{path}, line {number}", fix="mend or remove the line"
                )
            yield row


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write the rows atomically, keys in the order given; returns how many there were."""
    count = 0
    with atomic_writer(path, "w") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
            count += 1
    return count
