"""A GGUF file as a model of ours: its shape, and its tensors dequantised under Hugging Face's names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hornbook.core.errors import DamagedError, InputError
from hornbook.models.config import TransformerConfig
from hornbook.models.gguf.architectures import from_ggml, ggml_name, ggml_shape, read_config
from hornbook.models.gguf.header import AGAIN, Entry, Header
from hornbook.models.gguf.stretching import FREQUENCIES, stretched
from hornbook.models.shapes import filed_shapes
from hornbook.models.sources import Source


def gguf_source(header: Header) -> tuple[TransformerConfig, Source]:
    """The model in the file: its shape, and its weights, each read in fp32 when it is asked for.

    Raises DamagedError for a file that lacks tensors of its shape, InputError for one with others beside them, or with
    a type that cannot be unpacked.
    """
    config, family = read_config(header), header.value("general.architecture", str)
    wanted, reads = dict(filed_shapes(config)), _reader(header.path)
    entries = {name: _entry(header, ggml_name(name), ggml_shape(name, shape, family)) for name, shape in wanted.items()}
    more = header.tensors.keys() - {ggml_name(name) for name in wanted} - {FREQUENCIES}
    if more:
        raise InputError(f"it has tensors its shape has no place for, such as {min(more)[:60]}", where=header.path,
                         fix="take the Hugging Face folder")
    if FREQUENCIES in header.tensors:
        config = stretched(config, reads(_entry(header, FREQUENCIES, (config.head_dim // 2,))).numpy(), header.path)

    def read(name: str) -> Tensor:
        return from_ggml(name, reads(entries[name]), family, config)

    return config, Source(wanted, dict.fromkeys(wanted, torch.float32), dict.fromkeys(wanted, header.path), read)


def _entry(header: Header, name: str, shape: tuple[int, ...]) -> Entry:
    entry = header.tensors.get(name)
    if entry is None or entry.shape != shape:
        what = "is missing" if entry is None else f"is {entry.shape}, its numbers ask for {shape}"
        raise DamagedError(f"{name} {what}", where=header.path, fix=AGAIN)
    _demand_unpacked(entry.type, name, header.path)
    return entry


def _reader(path: Path) -> Callable[[Entry], Tensor]:
    """Entry -> its numbers in fp32. The file is mapped, not read: what is not asked for takes no memory."""
    from gguf import GGMLQuantizationType, dequantize

    data = np.memmap(path, mode="r")

    def read(entry: Entry) -> Tensor:
        rows_RB = data[entry.start : entry.start + entry.bytes].reshape(*entry.shape[:-1], -1)
        numbers = dequantize(rows_RB, GGMLQuantizationType[entry.type])
        return torch.from_numpy(numbers if numbers.flags.writeable else numbers.copy())

    return read


def _demand_unpacked(kind: str, name: str, path: Path) -> None:
    """The package has no list of the types it unpacks; a block of zeros tells, before any weight is read."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, dequantize

    number = GGMLQuantizationType[kind]
    try:
        dequantize(np.zeros((1, GGML_QUANT_SIZES[number][1]), np.uint8), number)
    except NotImplementedError as error:
        raise InputError(f"{name} is of the type {kind}, which is not unpacked", where=path,
                         fix="take the model in another type") from error
