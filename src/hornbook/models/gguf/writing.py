"""A model folder as one GGUF file, for llama.cpp and what is built on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from hornbook.core.errors import InputError
from hornbook.core.files import explained, sync_folder
from hornbook.models.config import TransformerConfig
from hornbook.models.gguf.architectures import WRITTEN, ggml_name, ggml_shape, metadata, to_ggml
from hornbook.models.gguf.stretching import FREQUENCIES, factors
from hornbook.models.sources import Source, demand_numbers, model_source, speaking_config
from hornbook.tokens.foreign import ForeignTokenizer
from hornbook.tokens.to_gguf import vocabulary_metadata

Kind = Literal["f32", "f16", "q8_0", "q4_0"]
FILE_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q8_0": 7}  # what llama.cpp calls a file mostly of the type
BLOCK = 32  # numbers of a row that q8_0 and q4_0 pack together


def write_gguf(
    folder: Path, path: Path, kind: Kind, *, said: Mapping[str, str],
    advance: Callable[[int], None] = lambda count: None,
) -> None:
    """Write the model in `folder`, with its tokenizer and chat template. Appears whole or not at all.

    Vectors and learned positions stay f32. In a q4_0 file the matrix that scores the vocabulary is q8_0: what is lost
    there is lost for every word. A matrix whose rows are no multiple of 32 stays f16. `said`: `name`, `license` and the
    like for the file's `general` keys. One tensor is held at a time. Raises InputError for a model or a tokenizer GGUF
    has no words for.
    """
    from gguf import GGUFWriter

    folder, path = Path(folder), Path(path)
    _, config = speaking_config(folder)
    numbers = metadata(config, folder)
    source = model_source(folder, config)
    tokenizer = ForeignTokenizer.load(folder)
    words = vocabulary_metadata(tokenizer.description, tokenizer.configuration, tokenizer.ends, config.vocab_size,
                                folder / "tokenizer.json")  # fmt: skip
    family = WRITTEN[config.model_type]
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    writer = GGUFWriter(temporary, family)
    general = {"general.type": "model", "general.file_type": FILE_TYPES[kind], "general.quantization_version": 2}
    for key, value in (general | {f"general.{name}": text for name, text in said.items()}).items():
        _add(writer, key, value)
    for key, value in {**{f"{family}.{name}": value for name, value in numbers.items()}, **words}.items():
        _add(writer, key, value)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_tensors(writer, source, config, family, kind, advance)
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise explained(error, path) from error
    finally:
        writer.close()
        with suppress(OSError):  # where the folder is none there is nothing to remove
            temporary.unlink()


def _write_tensors(
    writer: Any, source: Source, config: TransformerConfig, family: str, kind: Kind, advance: Callable[[int], None]
) -> None:
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, quantize

    kept, slower = {}, factors(config)
    if slower is not None:
        writer.add_tensor_info(FREQUENCIES, slower.shape, slower.dtype, slower.nbytes)
    for name, filed in source.shapes.items():
        shape = ggml_shape(name, filed, family)
        kept[name] = GGMLQuantizationType[_kept_as(name, shape, kind, config.tie_word_embeddings)]
        block, size = GGML_QUANT_SIZES[kept[name]]
        count = prod(shape) // block * size
        writer.add_tensor_info(ggml_name(name), shape, np.dtype(np.float32), count, raw_dtype=kept[name])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    if slower is not None:
        writer.write_tensor_data(slower)
    for name in kept:
        tensor = to_ggml(name, source.read(name).to(torch.float32), family, config).contiguous()
        demand_numbers(name, tensor, source.files[name])
        numbers = tensor.numpy()
        if kept[name].name == "F16" and np.abs(numbers).max() > np.finfo(np.float16).max:
            raise InputError(f"{name} has numbers too large for f16", where=source.files[name],
                             fix="export --type f32")
        writer.write_tensor_data(quantize(numbers, kept[name]))
        advance(numbers.nbytes)
    for file in writer.fout:
        file.flush()
        os.fsync(file.fileno())


def _kept_as(name: str, shape: tuple[int, ...], kind: Kind, tied: bool) -> str:
    """The type of one tensor in a file of `kind`."""
    if len(shape) == 1 or kind == "f32" or ggml_name(name) == "position_embd.weight":
        return "F32"
    if kind == "f16" or shape[-1] % BLOCK:
        return "F16"
    scores = ggml_name(name) == ("token_embd.weight" if tied else "output.weight")
    return "Q8_0" if scores else kind.upper()


def _add(writer: Any, key: str, value: Any) -> None:
    """A value of Python's as GGUF's: whole numbers as uint32, others as float32."""
    adders = {str: writer.add_string, bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32}
    (writer.add_array if isinstance(value, list) else adders[type(value)])(key, value)
