"""Files that people write for a recipe: kept beside it, and named in it."""

from __future__ import annotations

import json
from pathlib import Path

from hornbook.core.files import write_text


def beside(recipe: Path, kind: str) -> Path:
    """The file of `kind` that belongs to the recipe: `isle.toml` has `isle-conversations.jsonl`."""
    return recipe.with_name(f"{recipe.stem}-{kind}.jsonl")


def append_row(path: Path, row: dict) -> None:
    """Add one row, at once and whole: who is stopped loses nothing that was finished."""
    earlier = path.read_text(encoding="utf-8") if path.exists() else ""
    write_text(path, earlier + json.dumps(row, ensure_ascii=False) + "\n")


def import_into(recipe: Path, section: str, file: Path, *, key: str = "imports") -> bool:
    """Name `file` in the list, or the table of names, `key` of `[section]` of the recipe, its comments and order kept.
    False when it is there already."""
    import tomlkit

    document = tomlkit.parse(recipe.read_text(encoding="utf-8"))
    table = document.setdefault(section, tomlkit.table())
    imports = table.setdefault(key, tomlkit.array())
    if isinstance(imports, str):  # one file, without its brackets
        imports = table[key] = tomlkit.item([imports])
    if isinstance(imports, dict):
        if file.name in imports.values():
            return False
        imports[file.stem] = file.name
    elif file.name in imports:
        return False
    else:
        imports.append(file.name)
    write_text(recipe, tomlkit.dumps(document))
    return True
