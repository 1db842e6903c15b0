"""Weights on disk: safetensors, in one file or in parts with Hugging Face's index. No pickle.

What a file holds is known from its header; the tensors themselves are mapped and copied one at a time.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from hornbook.core.errors import DamagedError, InputError
from hornbook.core.files import atomic_writer, write_text

WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"
PARTS = "model-*-of-*.safetensors"
HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"
ALIGNED = 8  # bytes: the header is filled up with spaces to a multiple
# As the format calls the types, in the order in which safetensors lays tensors of different types.
FILED_AS = {
    torch.int64: "I64", torch.float64: "F64", torch.float32: "F32", torch.int32: "I32", torch.bfloat16: "BF16",
    torch.float16: "F16", torch.int16: "I16", torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2",
    torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


class Filed(NamedTuple):
    """Where a tensor lies and what its header says of it."""

    path: Path
    shape: tuple[int, ...]
    dtype: torch.dtype


def filed_weights(folder: Path, *, packed: bool = False) -> dict[str, Filed]:
    """What a model folder's headers say of its weights, by name; no tensor is read. `packed` ones may be bytes.

    Raises InputError when there are none, or of a type that is no plain number, DamagedError when a file is not whole.
    """
    found: dict[str, Filed] = {}
    types = TYPES | ({"U8": torch.uint8} if packed else {})
    for path in _weight_files(folder):
        with _opened(path) as file:
            for name in file.keys():  # noqa: SIM118
                part = file.get_slice(name)
                if part.get_dtype() not in types:
                    what = f"{name} is of type {part.get_dtype()}"
                    raise InputError(what, where=path, fix=f"use weights in one of {', '.join(types)}")
                if name in found:
                    what = f"{name} is in {found[name].path.name} as well"
                    raise DamagedError(what, where=path, fix="fetch or train it again")
                found[name] = Filed(path, tuple(part.get_shape()), types[part.get_dtype()])
    return found


def read_safetensors(path: Path, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
    """Every tensor of the file, in `dtype` where one is given. Raises InputError when it is not there, DamagedError
    when it is not whole."""
    with _opened(path) as file:
        return {name: file.get_tensor(name).to(dtype=dtype, copy=True) for name in file.keys()}  # noqa: SIM118


def read_weights(folder: Path, *, packed: bool = False) -> dict[str, Tensor]:
    """Every tensor of a model folder, as it is filed. Raises as `filed_weights` and `read_safetensors` do."""
    paths = sorted({weight.path for weight in filed_weights(folder, packed=packed).values()})
    return {name: tensor for path in paths for name, tensor in read_safetensors(path).items()}


def write_safetensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors atomically, in the order of types and names, so that equal tensors give equal bytes.

    The bytes are those of safetensors' own `save`, which would hold all of them twice more; here one tensor at a time
    is written from where it lies (format: huggingface.co/docs/safetensors).
    """
    types, header, at = list(FILED_AS), {}, 0
    ordered = sorted(tensors, key=lambda name: (types.index(tensors[name].dtype), name))
    for name in ordered:
        shape, end = list(tensors[name].shape), at + tensors[name].nbytes
        header[name] = {"dtype": FILED_AS[tensors[name].dtype], "shape": shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % ALIGNED)
    with atomic_writer(path) as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in ordered:
            file.write(tensors[name].detach().cpu().contiguous().flatten().view(torch.uint8).numpy())


def write_weights(folder: Path, tensors: dict[str, Tensor], part_bytes: int) -> None:
    """Write a model folder's weights: one file, or parts of at most `part_bytes` (and of one tensor at least) and the
    index that tells which has what. Weights that lay there before go."""
    parts = _parts(tensors, part_bytes)
    files = [f"model-{number:05}-of-{len(parts):05}.safetensors" for number in range(1, len(parts) + 1)]
    kept = {WEIGHTS} if len(parts) == 1 else {INDEX, *files}
    for file, names in zip([WEIGHTS] if len(parts) == 1 else files, parts, strict=True):
        write_safetensors(folder / file, {name: tensors[name] for name in names})
    if len(parts) > 1:
        total = sum(tensor.nbytes for tensor in tensors.values())
        places = {name: file for file, names in zip(files, parts, strict=True) for name in names}
        index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
        write_text(folder / INDEX, json.dumps(index, indent=2) + "\n")
    for path in (folder / WEIGHTS, folder / INDEX, *folder.glob(PARTS)):
        if path.name not in kept:
            path.unlink(missing_ok=True)


def read_json(path: Path) -> dict:
    """The object in the file, its numbers finite. Raises InputError when there is no such file, DamagedError when it
    holds none."""
    if not path.is_file():  # a pipe would be waited for
        raise InputError("the file is not there", where=path, fix="name a model folder")
    try:
        values = json.loads(path.read_text(encoding="utf-8"), parse_float=_finite, parse_constant=_finite)
    except OSError as error:
        raise InputError(f"it cannot be read ({error.strerror})", where=path, fix="look at who may read it") from None
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"not JSON ({error})", where=path, fix="mend the file") from None
    if not isinstance(values, dict):
        raise DamagedError("not a JSON object", where=path, fix="mend the file")
    return values


def _finite(number: str) -> float:
    """What Python would read as infinite, or as no number, JSON has no word for: it could not be written again."""
    if not math.isfinite(value := float(number)):
        raise ValueError(f"{number} is no number")
    return value


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.is_file():
        fix = "name a folder with config.json and model.safetensors"
        raise InputError("the weights are not there", where=path, fix=fix)
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())[:160]
        fix = "fetch or train it again"
        raise DamagedError(f"not a whole safetensors file ({reason})", where=path, fix=fix) from None


def _weight_files(folder: Path) -> list[Path]:
    """model.safetensors, or the parts its index names; a part's name may not leave the folder."""
    index = folder / INDEX
    if (folder / WEIGHTS).is_file() or not index.is_file():
        return [folder / WEIGHTS]
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(name, str) for name in places.values()):
        raise DamagedError("weight_map does not name a file for each tensor", where=index, fix="fetch it again")
    names = sorted(set(places.values()))
    for name in names:
        if Path(name).name != name:
            raise InputError(f"the part {name!r} lies outside the folder", where=index, fix="use a model you trust")
    return [folder / name for name in names]


def _parts(tensors: dict[str, Tensor], part_bytes: int) -> list[list[str]]:
    """The names in the order of the model, in lists that make up a file each."""
    parts: list[list[str]] = [[]]
    room = part_bytes
    for name, tensor in tensors.items():
        if parts[-1] and tensor.nbytes > room:
            parts.append([])
            room = part_bytes
        parts[-1].append(name)
        room -= tensor.nbytes
    return parts
