"""Weights from one file to another, a tensor at a time: never two whole copies, and not one."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from hornbook.core.errors import DamagedError, InputError
from hornbook.core.files import atomic_writer
from hornbook.models.files import WEIGHTS, read_json

NAMES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}
DTYPES = {name.lower(): dtype for dtype, name in NAMES.items()}


@dataclass(frozen=True)
class Source:
    """Where weights come from: `shapes` by name, the types they are kept in, and `read`, which gives one tensor."""

    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, torch.dtype]
    read: Callable[[str], Tensor]

    def only(self, wanted: Mapping[str, tuple[int, ...]], tied: bool, where: object) -> Source:
        """The tensors of a model of these shapes; a head that is the embedding said once more is left out.

        Raises InputError where one lacks, has another shape, or has no place.
        """
        given = {name: shape for name, shape in self.shapes.items() if not (tied and name == "lm_head.weight")}
        for name in sorted(wanted.keys() | given.keys()):
            if wanted.get(name) != given.get(name):
                asked = wanted.get(name, "no such tensor")
                what = f"{name} is {given.get(name, 'missing')}, its config asks for {asked}"
                raise InputError(what, where=where, fix="config.json and the weights must belong together")
        return Source(given, self.dtypes, self.read)


def folder_source(folder: Path) -> Source:
    """The tensors of a Hugging Face folder, in one safetensors file or in parts with an index.

    Raises InputError where there are none, or of other types than f32, bf16 and f16; DamagedError for a file that is
    not whole.
    """
    opened, shapes, dtypes = {}, {}, {}
    for path in _weight_files(Path(folder)):
        try:
            file = safe_open(path, framework="pt")
            for name in file.keys():  # noqa: SIM118
                part = file.get_slice(name)
                opened[name], shapes[name] = file, tuple(part.get_shape())
                dtypes[name] = DTYPES.get(part.get_dtype().lower())
                if dtypes[name] is None:
                    raise InputError(f"{name} is of the type {part.get_dtype()}", where=path,
                                     fix="take the model in bf16, f16 or f32")
        except FileNotFoundError:
            raise InputError("the weights are not there", where=path,
                             fix="name a folder with config.json and model.safetensors") from None
        except (SafetensorError, OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:160]
            raise DamagedError(f"not a whole safetensors file ({reason})", where=path, fix="fetch it again") from None
    return Source(shapes, dtypes, lambda name: opened[name].get_tensor(name))


def write_source(source: Source, path: Path, dtype: torch.dtype | None, advance: Callable[[int], None]) -> None:
    """Write all of it as one safetensors file, names sorted, in `dtype` or in the types it is kept in.

    Appears whole or not at all; holds one tensor at a time. `advance` is told the bytes as they are written.
    """
    header, place = {}, 0
    for name in sorted(source.shapes):
        kept = dtype or source.dtypes[name]
        size = prod(source.shapes[name]) * kept.itemsize
        header[name] = {
            "dtype": NAMES[kept], "shape": list(source.shapes[name]), "data_offsets": [place, place + size],
        }
        place += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with atomic_writer(path) as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in header:
            data = source.read(name).to(dtype or source.dtypes[name]).contiguous().flatten().view(torch.uint8).numpy()
            file.write(data)
            advance(data.nbytes)


def _weight_files(folder: Path) -> list[Path]:
    """model.safetensors, or the parts its index names; a part's name may not leave the folder."""
    index = folder / f"{WEIGHTS}.index.json"
    if (folder / WEIGHTS).is_file() or not index.is_file():
        return [folder / WEIGHTS]
    names = sorted(set(read_json(index).get("weight_map", {}).values()))
    for name in names:
        if Path(name).name != name:
            raise InputError(f"the part {name!r} lies outside the folder", where=index, fix="use a model you trust")
    return [folder / name for name in names]
