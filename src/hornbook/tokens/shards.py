"""Documents as token ids on disk, read through a memory map: the field's `.bin` and `.idx`, and where each is from.

A shard is three files: `00000.bin` (the ids, little-endian uint16 or uint32), `00000.idx` (uint64, where each document
ends, in tokens), `00000.ids` (the documents' names, one a line). `00000.json` is written last and bears their sizes and
sha256, and the sources of its documents in their order, each with how many follow one another: a shard without it is
not there. `tokens.json` lists them all and closes the folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hornbook.core.digest import digest_bytes, digest_file
from hornbook.core.errors import DamagedError
from hornbook.core.files import write_bytes, write_text

MANIFEST = "tokens.json"
SHARD_TOKENS = 1 << 25
_ITEMS = {"uint16": "<u2", "uint32": "<u4"}
_FIX = "make the tokens again"


class Encoded(NamedTuple):
    """A document: its name, its ids with the end of the document at their end, and the source it is from."""

    name: str
    ids: np.ndarray
    source: str


def write_tokens(
    folder: Path, documents: Iterable[Encoded], *, vocab_size: int = 1 << 16,
    shard_tokens: int = SHARD_TOKENS,
) -> dict:
    """Write the documents in their order; returns the manifest.

    A shard closes with the document that brings it to `shard_tokens`. Shards that an interrupted call finished stay:
    `documents` must then begin after the first `finished(folder)`. Raises ValueError for an id outside the vocabulary
    or a name with a line break.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    dtype = "uint16" if vocab_size <= 1 << 16 else "uint32"
    stored = (each._replace(ids=_stored(each.ids, dtype, vocab_size)) for each in documents)
    entries = _finished(folder)
    for shard in _shards(stored, shard_tokens):
        entries.append(_write_shard(folder, f"{len(entries):05d}", shard))
    manifest = {
        "format": "hornbook-tokens-2",
        "dtype": dtype,
        "documents": sum(entry["documents"] for entry in entries),
        "tokens": sum(entry["tokens"] for entry in entries),
        "shards": entries,
    }
    write_text(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")
    return manifest


def finished(folder: Path) -> int:
    """How many documents the finished shards of an interrupted `write_tokens` hold."""
    return sum(entry["documents"] for entry in _finished(Path(folder)))


class TokenShards:
    """The documents of a folder of shards: `shards[i]` is the ids of document i, read from the disk as they are used.

    `lengths` has the tokens of each document, `names` its name, `total` the tokens of all; `sources[i]` is the source
    of document i, a place in `source_names`. Raises DamagedError when a
    file is missing, short or long, or (with `verify`) is not what was written.
    """

    def __init__(self, folder: Path, *, verify: bool = True):
        self.folder = Path(folder)
        manifest = _read_json(self.folder / MANIFEST)
        try:
            self.total: int = manifest["tokens"]
            self._shards = [_open(self.folder, entry, manifest["dtype"], verify) for entry in manifest["shards"]]
        except (KeyError, TypeError, ValueError) as error:
            path = self.folder / MANIFEST
            raise DamagedError(f"not a list of token shards ({error})", where=path, fix=_FIX) from None
        self._check(manifest)
        per_shard = [len(ends) for _, ends, _ in self._shards]
        starts = np.cumsum([0, *(len(ids) for ids, _, _ in self._shards)])
        ends = [ends + start for (_, ends, _), start in zip(self._shards, starts, strict=False)]
        self._ends = np.concatenate([np.zeros(1, np.int64), *ends])
        self._first_document = np.cumsum([0, *per_shard])
        self._first_token = starts
        self.lengths = np.diff(self._ends)
        self.names: list[str] = [name for _, _, names in self._shards for name in names]
        runs = [run for entry in manifest["shards"] for run in entry["sources"]]
        self.source_names: list[str] = sorted({name for name, _ in runs})
        place = {name: index for index, name in enumerate(self.source_names)}
        owners = np.array([place[name] for name, _ in runs], np.int32)
        self.sources = np.repeat(owners, [count for _, count in runs])

    def _check(self, manifest: dict) -> None:
        for what, found in (("tokens", sum(len(ids) for ids, _, _ in self._shards)),
                            ("documents", sum(len(ends) for _, ends, _ in self._shards))):
            if manifest.get(what) != found:
                says = f"it lists {found:,} {what} in its shards and {manifest.get(what)} in all"
                raise DamagedError(says, where=self.folder / MANIFEST, fix=_FIX)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> np.ndarray:
        if not 0 <= index < len(self):
            raise IndexError(index)
        shard = int(np.searchsorted(self._first_document, index, side="right")) - 1
        start, end = self._ends[index : index + 2] - self._first_token[shard]
        return self._shards[shard][0][start:end]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[index] for index in range(len(self)))

    def tokens_by_source(self) -> dict[str, int]:
        """How many tokens each source gave."""
        counts = np.bincount(self.sources, self.lengths, len(self.source_names))
        return dict(zip(self.source_names, counts.astype(int).tolist(), strict=True))

    def where(self, offset: int) -> str:
        """The name of the document that token number `offset` of all the tokens came from."""
        if not 0 <= offset < self.total:
            raise IndexError(offset)
        return self.names[int(np.searchsorted(self._ends, offset, side="right")) - 1]


def _shards(documents: Iterable[Encoded], shard_tokens: int) -> Iterator[list[Encoded]]:
    shard, tokens = [], 0
    for document in documents:
        shard.append(document)
        tokens += len(document.ids)
        if tokens >= shard_tokens:
            yield shard
            shard, tokens = [], 0
    if shard:
        yield shard


def _stored(ids: np.ndarray, dtype: str, vocab_size: int) -> np.ndarray:
    """The ids as they lie on the disk, two or four bytes each: a shard waits in no more memory than it fills there."""
    ids = np.asarray(ids)
    if ids.size and not 0 <= ids.min() <= ids.max() < vocab_size:
        raise ValueError(f"token ids must lie in 0..{vocab_size - 1}")
    return ids.astype(_ITEMS[dtype])


def _write_shard(folder: Path, stem: str, shard: list[Encoded]) -> dict:
    names = [document.name for document in shard]
    if any("\n" in name for name in names):
        raise ValueError("a document's name must be one line")
    ids = np.concatenate([document.ids for document in shard])
    parts = {
        "bin": ids.tobytes(),
        "idx": np.cumsum([len(document.ids) for document in shard], dtype=np.uint64).astype("<u8").tobytes(),
        "ids": "".join(f"{name}\n" for name in names).encode("utf-8"),
    }
    entry: dict = {"shard": stem, "documents": len(shard), "tokens": len(ids), "sha256": {}}
    entry["sources"] = [[name, len(list(run))] for name, run in groupby(document.source for document in shard)]
    for ending, data in parts.items():
        write_bytes(folder / f"{stem}.{ending}", data)
        entry["sha256"][ending] = digest_bytes(data)
    write_text(folder / f"{stem}.json", json.dumps(entry) + "\n")
    return entry


def _finished(folder: Path) -> list[dict]:
    entries: list[dict] = []
    while (path := folder / f"{len(entries):05d}.json").exists():
        entries.append(_read_json(path))
    return entries


def _open(folder: Path, entry: dict, dtype: str, verify: bool) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The ids, the documents' ends and their names of one shard."""
    item = _ITEMS[dtype]
    paths = {ending: folder / f"{entry['shard']}.{ending}" for ending in ("bin", "idx", "ids")}
    sizes = {"bin": entry["tokens"] * np.dtype(item).itemsize, "idx": entry["documents"] * 8}
    for ending, path in paths.items():
        if not path.is_file():
            raise DamagedError("the file is missing", where=path, fix=_FIX)
        if ending in sizes and (size := path.stat().st_size) != sizes[ending]:
            raise DamagedError(f"the file has {size:,} bytes and not {sizes[ending]:,}", where=path, fix=_FIX)
        if verify and digest_file(path) != entry["sha256"][ending]:
            raise DamagedError("the content is not what was written (its sha256 differs)", where=path, fix=_FIX)
    if sum(count for _, count in entry["sources"]) != entry["documents"]:
        raise ValueError(f"the sources of shard {entry['shard']} are not those of its documents")
    names = paths["ids"].read_text("utf-8").split("\n")[:-1]
    if len(names) != entry["documents"]:
        raise DamagedError(f"it names {len(names):,} documents of {entry['documents']:,}", where=paths["ids"], fix=_FIX)
    # An empty file cannot be mapped; a shard of nothing but empty documents is one.
    ids = np.memmap(paths["bin"], dtype=item, mode="r") if entry["tokens"] else np.zeros(0, item)
    ends = np.fromfile(paths["idx"], "<u8").astype(np.int64)
    if (ends[-1] if len(ends) else 0) != entry["tokens"] or (np.diff(ends, prepend=0) < 0).any():
        raise DamagedError("the ends of its documents are out of order", where=paths["idx"], fix=_FIX)
    return ids, ends, names


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise DamagedError("the file is missing", where=path, fix=_FIX) from None
    except ValueError as error:
        raise DamagedError(f"not JSON ({error})", where=path, fix=_FIX) from None
