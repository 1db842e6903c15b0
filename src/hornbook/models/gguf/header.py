"""What stands before the tensors of a GGUF file: metadata and where each tensor lies. Nothing in it is believed.

Files come from strangers, and the `gguf` package's reader takes every count and every offset at its word: it would ask
for gigabytes that a header of a hundred bytes names. So the header is read here, each number measured against the
file's own size before it is used; the package is asked for what its types mean and how their blocks are unpacked.
Source: the GGUF specification, versions 2 and 3 (ggml, docs/gguf.md).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import prod
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

from hornbook.core.errors import DamagedError, InputError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
ALIGNMENT = 32  # where `general.alignment` says nothing
LONGEST_ARRAY = 1 << 24  # tokens, scores, merges: the largest vocabularies have some 2 ** 18
STRING, ARRAY = 8, 9
SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
AGAIN = "fetch the file again, or take another"


@dataclass(frozen=True)
class Entry:
    """A tensor in the file: its shape as torch has it (rows first), the name of its type, and its bytes' place."""

    shape: tuple[int, ...]
    type: str
    start: int
    bytes: int


@dataclass(frozen=True)
class Header:
    """`metadata` by key, numbers and strings as Python's, arrays as lists; `tensors` by ggml's names."""

    path: Path
    metadata: dict[str, Any]
    tensors: dict[str, Entry]

    def value(self, key: str, kind: type | tuple[type, ...], default: Any = ...) -> Any:
        """The value under `key`. Raises InputError where it lacks and there is no default, or is of another kind."""
        found = self.metadata.get(key, default)
        if found is ...:
            raise InputError(f"it does not say {key}", where=self.path, fix=AGAIN)
        if found is not default and (not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool)):
            raise InputError(f"{key} = {str(found)[:40]!r} cannot be", where=self.path, fix=AGAIN)
        return found


def read_header(path: Path) -> Header:
    """The header of a GGUF file. Raises InputError for a file that is none or is of another version or byte order,
    DamagedError for one that is cut off or says of itself what cannot be."""
    path = Path(path)
    try:
        with open(path, "rb") as file:
            if file.read(4) != MAGIC:
                raise InputError("this is no GGUF file", where=path, fix="name a .gguf file")
            with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
                return _header(path, _Cursor(path, data))
    except FileNotFoundError:
        raise InputError("there is no such file", where=path, fix="name a .gguf file") from None
    except IsADirectoryError:
        raise InputError("this is a folder", where=path, fix="name a .gguf file") from None


class _Cursor:
    """Reads forward through the file and never past its end."""

    def __init__(self, path: Path, data: mmap):
        self.path, self.data, self.place, self.size = path, data, 4, len(data)

    def number(self, letters: str) -> Any:
        return struct.unpack(letters, self.take(struct.calcsize(letters)))[0]

    def take(self, count: int) -> bytes:
        if count > self.size - self.place:
            raise self.wrong("it ends within its header")
        self.place += count
        return self.data[self.place - count : self.place]

    def many(self, count: int, least: int, what: str) -> int:
        """A number of things to read, each of which takes `least` bytes at the very least."""
        if count * least > self.size - self.place or count > LONGEST_ARRAY:
            raise self.wrong(f"it names {count:,} {what}, more than it can hold")
        return count

    def string(self) -> str:
        try:
            return self.take(self.number("<Q")).decode("utf-8")
        except UnicodeDecodeError:
            raise self.wrong("a text in it is not UTF-8") from None

    def value(self, kind: int) -> Any:
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            inner = self.number("<I")
            least = 8 if inner == STRING else self.width(inner)
            count = self.many(self.number("<Q"), least, "values")
            if inner == STRING:
                return [self.string() for _ in range(count)]
            return list(struct.unpack(f"<{count}{SCALARS[inner][1]}", self.take(count * least)))
        return self.number(SCALARS[kind]) if self.width(kind) else None

    def width(self, kind: int) -> int:
        if kind not in SCALARS:
            raise self.wrong(f"it has a value of the unknown type {kind}")
        return struct.calcsize(SCALARS[kind])

    def wrong(self, what: str) -> DamagedError:
        return DamagedError(f"not a whole GGUF file: {what}", where=self.path, fix=AGAIN)


def _header(path: Path, cursor: _Cursor) -> Header:
    version = cursor.number("<I")
    if version not in VERSIONS:
        swapped = int.from_bytes(version.to_bytes(4, "little"), "big") in VERSIONS
        what = "its bytes are in big-endian order" if swapped else f"GGUF of version {version} is not read"
        raise InputError(what, where=path, fix="convert it with llama.cpp's tools")
    tensors, values = cursor.number("<Q"), cursor.number("<Q")
    metadata: dict[str, Any] = {}
    for _ in range(cursor.many(values, 13, "values")):
        key, kind = cursor.string(), cursor.number("<I")
        if key in metadata:
            raise cursor.wrong(f"{key[:60]} stands in it twice")
        metadata[key] = cursor.value(kind)
    found = dict(_named(cursor, tensors))
    alignment = metadata.get("general.alignment", ALIGNMENT)
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1) or alignment > cursor.size:
        raise cursor.wrong(f"its alignment of {alignment} cannot be")
    first = -(-cursor.place // alignment) * alignment
    return Header(path, metadata, _placed(cursor, found, first, alignment))


def _named(cursor: _Cursor, count: int) -> Iterator[tuple[str, tuple[tuple[int, ...], int, int]]]:
    """Name, shape, type and offset of every tensor."""
    seen = set()
    for _ in range(cursor.many(count, 24, "tensors")):
        name, dimensions = cursor.string(), cursor.number("<I")
        if name in seen or not 1 <= dimensions <= 4:
            raise cursor.wrong(f"the tensor {name[:60]} " + ("stands in it twice" if name in seen else "has no shape"))
        seen.add(name)
        shape = tuple(cursor.number("<Q") for _ in range(dimensions))[::-1]
        yield name, (shape, cursor.number("<I"), cursor.number("<Q"))


def _placed(cursor: _Cursor, found: dict[str, Any], first: int, alignment: int) -> dict[str, Entry]:
    """The tensors with their bytes' places: all within the file, none over another."""
    entries: dict[str, Entry] = {}
    for name, (shape, kind, offset) in found.items():
        known = _types().get(kind)
        if known is None:
            raise cursor.wrong(f"the tensor {name[:60]} has the unknown type {kind}")
        kind_name, block, block_bytes = known
        if 0 in shape or shape[-1] % block:
            raise cursor.wrong(f"the tensor {name[:60]} of {kind_name} cannot have the shape {shape}")
        entry = Entry(shape, kind_name, first + offset, prod(shape) // block * block_bytes)
        if offset % alignment or entry.start + entry.bytes > cursor.size:
            raise cursor.wrong(f"the tensor {name[:60]} lies outside it")
        entries[name] = entry
    by_place = sorted(entries.items(), key=lambda item: item[1].start)
    for (_, before), (name, after) in pairwise(by_place):
        if before.start + before.bytes > after.start:
            raise cursor.wrong(f"the tensor {name[:60]} lies over another")
    return entries


@cache
def _types() -> dict[int, tuple[str, int, int]]:
    """Number of a type -> its name, how many numbers a block of it holds, and in how many bytes."""
    from gguf.constants import GGML_QUANT_SIZES

    return {int(kind): (kind.name, *sizes) for kind, sizes in GGML_QUANT_SIZES.items()}
