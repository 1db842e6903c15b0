"""A model on disk: a Hugging Face folder, read and written as it is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch
from torch import Tensor

from hornbook.core.errors import DamagedError, InputError
from hornbook.core.files import write_text
from hornbook.models.config import TransformerConfig
from hornbook.models.gpt2 import GPT2
from hornbook.models.quantise import names as quantised
from hornbook.models.transformer import Transformer
from hornbook.models.weights import (
    EMBEDDING,
    HEAD,
    Filed,
    filed_weights,
    read_json,
    read_safetensors,
    read_weights,
    write_safetensors,
    write_weights,
)

__all__ = ["load_model", "read_json", "read_safetensors", "save_model", "write_json", "write_safetensors"]

PART_BYTES = 5_000_000_000  # what transformers 4 puts into one file


def save_model(
    model: Transformer, folder: Path, *, dtype: torch.dtype | None = None, part_bytes: int = PART_BYTES
) -> None:
    """Write config.json, model.safetensors and generation_config.json; each appears whole or not at all.

    transformers' AutoModelForCausalLM.from_pretrained and vLLM open the folder as it is. The weights are written in
    their own type, or in `dtype`; where they take more than `part_bytes`, in parts with an index. Raises InputError
    for weights that `dtype` cannot hold.
    """
    folder = Path(folder)
    kept = {name: tensor for name, tensor in model.state_dict().items() if not _tied(name, model.config)}
    tensors = model.as_filed({name: _as_type(name, tensor, dtype) for name, tensor in kept.items()})
    packed = quantised.tensors_of(model)
    if packed and isinstance(model, GPT2):
        raise InputError("GPT-2's weights are not filed in four bits", where=folder, fix="dequantise the model first")
    write_weights(folder, tensors | packed, part_bytes)
    save_config(model, folder, dtype)


def save_config(model: Transformer, folder: Path, dtype: torch.dtype | None = None) -> None:
    """Write config.json and generation_config.json: what stands beside the weights."""
    written = str(dtype or model.lm_head.weight.dtype).removeprefix("torch.")
    write_json(folder / "config.json", model.config.to_hf(written) | quantised.config_of(model, written))
    write_json(folder / "generation_config.json", {"do_sample": False})


def load_model(
    folder: Path, *, device: torch.device | str = "cpu", dtype: torch.dtype | None = torch.float32
) -> Transformer:
    """Read a model folder of ours or of Hugging Face's (one safetensors file, or several with an index).

    In `dtype`, or with None in the type its first weight is filed in. There is never more in memory than the model and
    the file at hand, and that is mapped. Weights that bitsandbytes, or we, keep in NF4 or FP4 stay so.

    Raises InputError for a folder that holds no such model, DamagedError for weights that are not those of its config.
    """
    folder = Path(folder)
    told = read_json(folder / "config.json")
    config = TransformerConfig.from_hf(told, where=folder / "config.json")
    packed = quantised.CONFIG in told
    filed = filed_weights(folder, packed=packed)
    tensors: dict[str, Tensor] = {}
    if packed:
        model = Transformer(config, seed=None)
        tensors = quantised.take(model, read_weights(folder, packed=True), told, folder)
        _check_shapes(model, {name: tuple(tensor.shape) for name, tensor in tensors.items()}, folder)
        dtype = dtype or tensors[EMBEDDING].dtype
    else:
        model = _fitting_model(config, filed, folder)
        dtype = dtype or next(iter(filed.values())).dtype
        for path in sorted({weight.path for weight in filed.values()}):
            tensors |= model.from_file(read_safetensors(path, dtype))
    if config.tie_word_embeddings:
        if HEAD in tensors and not torch.equal(tensors[HEAD], tensors[EMBEDDING]):
            _differ(folder, f"{HEAD} differs from {EMBEDDING}, and its config ties them")
        tensors[HEAD] = tensors[EMBEDDING]
    model.load_state_dict(tensors, assign=True)
    if config.tie_word_embeddings:
        model.lm_head.weight = model.model.embed_tokens.weight
    return model.to(device=device, dtype=dtype)


def write_json(path: Path, values: dict) -> None:
    """Write an object as indented JSON, atomically."""
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _fitting_model(config: TransformerConfig, filed: dict[str, Filed], folder: Path) -> Transformer:
    """A model of that shape, its weights not yet given. Raises DamagedError when the headers tell of another: before
    anything as large as the config says is asked of the memory."""
    kind = GPT2 if config.model_type == "gpt2" else Transformer
    headers = {name: torch.empty(weight.shape, device="meta") for name, weight in filed.items()}
    given = {name: tuple(tensor.shape) for name, tensor in kind.from_file(headers).items()}
    layers = {int(number) for name in given for number in re.findall(r"^model\.layers\.(\d+)\.", name)}
    if layers != set(range(config.num_hidden_layers)):
        _differ(folder, f"the weights have {len(layers)} layers, its config asks for {config.num_hidden_layers}")
    if given.get(EMBEDDING) != (config.vocab_size, config.hidden_size):
        _differ(folder, _difference(EMBEDDING, given.get(EMBEDDING), (config.vocab_size, config.hidden_size)))
    try:
        model = kind(config, seed=None)  # on the meta device the first one takes two seconds of imports
    except (RuntimeError, MemoryError):
        fix = "look at intermediate_size, head_dim and the numbers of heads"
        raise InputError("the memory does not hold what it asks for", where=folder / "config.json", fix=fix) from None
    _check_shapes(model, given, folder)
    return model


def _check_shapes(model: Transformer, given: dict[str, tuple[int, ...]], folder: Path) -> None:
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    for name in sorted(expected.keys() | given.keys()):
        if expected.get(name) != given.get(name) and not _tied(name, model.config):
            _differ(folder, _difference(name, given.get(name), expected.get(name)))


def _difference(name: str, given: object, expected: object) -> str:
    return f"{name} is {given or 'missing'}, its config asks for {expected or 'no such tensor'}"


def _differ(folder: Path, what: str) -> None:
    raise DamagedError(what, where=folder, fix="config.json and the weights must belong together")


def _as_type(name: str, tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    changed = tensor if dtype is None else tensor.to(dtype)
    if dtype == torch.float16 and not torch.isfinite(changed).all():
        raise InputError(f"{name} does not fit float16", where="dtype", fix="write it in bfloat16 or float32")
    return changed


def _tied(name: str, config: TransformerConfig) -> bool:
    """The head is the embedding: kept once."""
    return config.tie_word_embeddings and name == HEAD
