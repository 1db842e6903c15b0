"""A Hugging Face dataset folder as a source of pages: `save_to_disk`'s Arrow files, or a clone with a dataset card."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from hornbook.core.errors import DamagedError, InputError
from hornbook.corpus.sources.intake import Part
from hornbook.corpus.sources.tables import ENDINGS, parts_of

_CARD = re.compile(r"---\s*\n(.*?)\n---\s*(\n|$)", re.DOTALL)


def dataset_parts(source: Path, max_bytes: int, column: str, config: str, split: str) -> Iterator[Part]:
    """Every row of one split of a dataset: `config` names one of several in a card, "" its default.

    Raises InputError for a configuration or split that there is not, naming those that there are, DamagedError for a
    list of files that cannot be read.
    """
    saved = sorted(path.parent for path in (*source.glob("state.json"), *source.glob("*/state.json")))
    files = _saved(source, saved, split) if saved else _cloned(source, config, split)
    return parts_of([(path.relative_to(source).as_posix(), path) for path in files], max_bytes, column)


def _saved(source: Path, splits: list[Path], split: str) -> list[Path]:
    """The Arrow files of one split, in the order that its state.json names them."""
    folder = next((path for path in splits if path in (source, source / split)), None)
    if folder is None:
        raise _unknown("split", split, [path.name for path in splits], source)
    try:
        state = json.loads((folder / "state.json").read_bytes())
        return [folder / each["filename"] for each in state["_data_files"]]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise DamagedError(f"state.json cannot be read ({error})", where=folder, fix="save the dataset again") from None


def _cloned(source: Path, config: str, split: str) -> list[Path]:
    """The files that the card's patterns name for one split; without patterns, those with the split in their path."""
    configs = {str(each.get("config_name", "default")): each for each in _configs(source)}
    if config and config not in configs:
        raise _unknown("configuration", config, list(configs), source)
    default = next((name for name, each in configs.items() if each.get("default")), "default")
    chosen = configs.get(config or default) or next(iter(configs.values()), {})
    files = sorted(path for path in source.rglob("*") if path.is_file() and path.name.lower().endswith(ENDINGS))
    names = {path.relative_to(source).as_posix(): path for path in files}
    patterns = _patterns(chosen.get("data_files"), str(chosen.get("data_dir") or ""))
    if not patterns:
        in_path = re.compile(rf"(^|[^a-z0-9]){re.escape(split)}([^a-z0-9]|$)", re.IGNORECASE)
        found = [path for name, path in names.items() if in_path.search(name)]
        return found or files
    if split not in patterns:
        raise _unknown("split", split, list(patterns), source)
    return [path for name, path in names.items() if any(fnmatch(name, pattern) for pattern in patterns[split])]


def _configs(source: Path) -> list[dict[str, Any]]:
    """The `configs` of the card's header: YAML between two lines of dashes at the head of README.md."""
    import yaml

    card = source / "README.md"
    found = _CARD.match(card.read_text("utf-8", errors="replace")) if card.is_file() else None
    try:
        header = yaml.safe_load(found[1]) if found else None
    except yaml.YAMLError as error:
        fix = "mend it, or name the files as table instead"
        raise InputError(f"its header is no YAML ({error})", where=card, fix=fix) from None
    configs = header.get("configs") if isinstance(header, dict) else None
    return [each for each in configs if isinstance(each, dict)] if isinstance(configs, list) else []


def _patterns(data_files: Any, folder: str) -> dict[str, list[str]]:
    """Split -> patterns of paths, from each of the forms that a card may give them in."""
    if data_files is None:
        return {}
    if isinstance(data_files, str):
        data_files = [data_files]
    if isinstance(data_files, list) and all(isinstance(each, str) for each in data_files):
        data_files = [{"split": "train", "path": data_files}]
    if isinstance(data_files, dict):
        data_files = [{"split": split, "path": path} for split, path in data_files.items()]
    found: dict[str, list[str]] = {}
    for each in data_files:
        paths = each.get("path") or []
        found[str(each.get("split", "train"))] = [f"{folder}/{path}".lstrip("/") for path in
                                                  ([paths] if isinstance(paths, str) else paths)]  # fmt: skip
    return found


def _unknown(what: str, name: str, there: list[str], source: Path) -> InputError:
    return InputError(f"there is no {what} {name!r}", where=source, fix=f"there are: {', '.join(there) or 'none'}")
