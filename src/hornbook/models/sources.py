"""Weights from one file to another, a tensor at a time: never two whole copies, and not one."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from hornbook.core.errors import DamagedError, InputError
from hornbook.core.files import atomic_writer
from hornbook.models.config import TransformerConfig
from hornbook.models.gpt2 import filed_name
from hornbook.models.heads import HEAD as SCORE
from hornbook.models.quantise.names import CONFIG as QUANTISED
from hornbook.models.shapes import filed_shapes
from hornbook.models.weights import EMBEDDING, HEAD, TYPES, filed_weights, read_json

NAMES = {dtype: name for name, dtype in TYPES.items()}
DTYPES = {name.lower(): dtype for name, dtype in TYPES.items()}


@dataclass(frozen=True)
class Source:
    """Where weights come from: `shapes` by name, the types they are kept in, the `files` that have them, and `read`,
    which gives one tensor."""

    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, torch.dtype]
    files: Mapping[str, Path]
    read: Callable[[str], Tensor]

    def only(self, wanted: Mapping[str, tuple[int, ...]], tied: bool, where: object) -> Source:
        """The tensors of a model of these shapes; a head that is the embedding said once more is left out.

        Raises DamagedError where one lacks, has another shape, or no place, and where a tied head is another matrix.
        """
        if tied and {HEAD, EMBEDDING} <= self.shapes.keys() and not torch.equal(self.read(HEAD), self.read(EMBEDDING)):
            raise DamagedError(f"{HEAD} differs from {EMBEDDING}, and config.json ties them", where=where,
                               fix="set tie_word_embeddings = false where the model has a head of its own")
        given = {name: shape for name, shape in self.shapes.items() if not (tied and name == HEAD)}
        for name in sorted(wanted.keys() | given.keys()):
            if wanted.get(name) != given.get(name):
                asked = wanted.get(name, "no such tensor")
                what = f"{name} is {given.get(name, 'missing')}, its config asks for {asked}"
                raise DamagedError(what, where=where, fix="config.json and the weights must belong together")
        return Source(given, self.dtypes, self.files, self.read)


def speaking_config(folder: Path) -> tuple[dict[str, Any], TransformerConfig]:
    """config.json of a model that speaks and whose weights are plain numbers: as it stands there, and as it is read.

    Raises InputError for a reward model, for quantised weights, and as `read_json` and `TransformerConfig.from_hf` do.
    """
    path = Path(folder) / "config.json"
    values = read_json(path)
    if (Path(folder) / SCORE).is_file():
        what = "this is a reward model, which scores by a head and a likelihood that no other program puts together"
        raise InputError(what, where=folder, fix="take the chat model that it judges: the run's sft or rl")
    told = values.get(QUANTISED)
    if told is not None:
        method = told.get("quant_method") if isinstance(told, dict) else told
        raise InputError(f"its weights are quantised ({QUANTISED}: {method})", where=path,
                         fix="take the model with its plain weights, or as GGUF")
    return values, TransformerConfig.from_hf(values, where=path)


def folder_source(folder: Path) -> Source:
    """The tensors of a Hugging Face folder as they are filed, in one safetensors file or in parts with an index.

    Raises InputError where there are none, or of other types than f32, bf16 and f16; DamagedError for a file that is
    not whole.
    """
    filed = filed_weights(Path(folder))

    def read(name: str) -> Tensor:
        with safe_open(filed[name].path, framework="pt") as file:
            return file.get_tensor(name)

    shapes = {name: weight.shape for name, weight in filed.items()}
    dtypes = {name: weight.dtype for name, weight in filed.items()}
    files = {name: weight.path for name, weight in filed.items()}
    return Source(shapes, dtypes, files, read)


def model_source(folder: Path, config: TransformerConfig) -> Source:
    """The same, known to be the tensors that a model of this configuration has, no more and no fewer, under the names
    that transformers gives them today. Raises as `folder_source` and `Source.only` do."""
    source = folder_source(folder)
    if config.model_type == "gpt2":
        names = {filed: name for name in source.shapes if (filed := filed_name(name)) is not None}
        shapes = {filed: source.shapes[name] for filed, name in names.items()}
        dtypes = {filed: source.dtypes[name] for filed, name in names.items()}
        files = {filed: source.files[name] for filed, name in names.items()}
        source = Source(shapes, dtypes, files, lambda filed, read=source.read: read(names[filed]))
    return source.only(dict(filed_shapes(config)), config.tie_word_embeddings, folder)


def write_source(source: Source, path: Path, dtype: torch.dtype | None, advance: Callable[[int], None]) -> None:
    """Write all of it as one safetensors file, names sorted, in `dtype` or in the types it is kept in.

    Appears whole or not at all; holds one tensor at a time. `advance` is told the bytes as they are written. Raises
    InputError for numbers that are none, or that `dtype` cannot hold.
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
            tensor = source.read(name).to(dtype or source.dtypes[name])
            demand_numbers(name, tensor, source.files[name])
            data = tensor.contiguous().flatten().view(torch.uint8).numpy()
            file.write(data)
            advance(data.nbytes)


def demand_numbers(name: str, tensor: Tensor, where: object) -> None:
    """Raises InputError for a tensor with NaN or infinity: a model with one of them says nothing at all."""
    if not all(math.isfinite(one) for one in torch.aminmax(tensor)):
        raise InputError(f"{name} has numbers that are none, or too large for {tensor.dtype}", where=where,
                         fix="take the model from elsewhere, or in another type")
