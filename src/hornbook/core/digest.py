"""Canonical JSON and content digests: the same content gives the same sixty-four letters everywhere."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path

LOSSLESS = "surrogatepass"  # the name of a file need not be UTF-8, and has lone surrogates then


def canonical_json(value: object) -> str:
    """The one JSON text of `value`: sorted keys, no spaces, UTF-8. Source: the idea of RFC 8785.

    Raises TypeError for what JSON cannot hold (NaN, infinities, sets, objects, keys that are no strings): an identity
    that silently lost a part would be worse than none.
    """
    _refuse_unencodable(value, "$")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _refuse_unencodable(value: object, where: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise TypeError(f"{where} is {value}, which JSON cannot hold")
    if value is None or isinstance(value, bool | int | float | str):
        return
    if isinstance(value, dict):
        for key, part in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{where} has the key {key!r}, which is not a string")
            _refuse_unencodable(part, f"{where}.{key}")
        return
    if isinstance(value, list | tuple):
        for index, part in enumerate(value):
            _refuse_unencodable(part, f"{where}[{index}]")
        return
    raise TypeError(f"{where} is a {type(value).__name__}, which JSON cannot hold")


def digest_bytes(data: bytes) -> str:
    """sha256 of `data`, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_json(value: object) -> str:
    """sha256 of the canonical JSON of `value`."""
    return digest_bytes(canonical_json(value).encode("utf-8", LOSSLESS))


def digest_file(path: Path) -> str:
    """sha256 of the bytes of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_sorted(parts: Iterable[str]) -> str:
    """The digest of a set of things in no particular order, each given by its own digest or text."""
    whole = hashlib.sha256()
    for part in sorted(parts):
        whole.update(part.encode("utf-8", LOSSLESS))
        whole.update(b"\n")
    return whole.hexdigest()
