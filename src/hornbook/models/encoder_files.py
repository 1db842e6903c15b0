"""Encoders and encoder-decoders on disk: Hugging Face folders, read and written as they are. No pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from hornbook.core.errors import DamagedError, InputError
from hornbook.models.encoder import Encoder, SequenceClassifier, TokenClassifier
from hornbook.models.encoder_config import EncoderConfig
from hornbook.models.encoder_decoder import EncoderDecoder
from hornbook.models.encoder_decoder_config import EncoderDecoderConfig
from hornbook.models.files import PART_BYTES, write_json
from hornbook.models.weights import read_json, read_weights, write_weights

Reader = Encoder | SequenceClassifier | TokenClassifier
KINDS: dict[str, type[Reader]] = {kind.architecture: kind for kind in (Encoder, SequenceClassifier, TokenClassifier)}
M = TypeVar("M", bound=nn.Module)


def save_encoder(model: Reader, folder: Path) -> None:
    """Write config.json and model.safetensors; transformers opens the folder as ModernBertForMaskedLM,
    ...ForSequenceClassification or ...ForTokenClassification as it is."""
    tensors = model.state_dict()
    tensors.pop("decoder.weight", None)  # the embedding
    dtype = str(model.head.dense.weight.dtype).removeprefix("torch.")
    write_weights(Path(folder), tensors, PART_BYTES)
    write_json(Path(folder) / "config.json", model.config.to_hf(model.architecture, dtype))


def load_encoder(folder: Path, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Reader:
    """Read a folder of ours or of Hugging Face's ModernBERT as the class its config names.

    Raises InputError for a folder that holds no such model, DamagedError for weights that are not those of its config.
    """
    path = Path(folder) / "config.json"
    values = read_json(path)
    config = EncoderConfig.from_hf(values, where=path)
    name = _architecture(values, path)
    model = KINDS[name](config, seed=None)
    tensors = read_weights(Path(folder))
    if isinstance(model, Encoder):
        tensors["decoder.weight"] = tensors.get("model.embeddings.tok_embeddings.weight", torch.empty(0))
    return _filled(model, tensors, Path(folder)).to(device=device, dtype=dtype)


def save_encoder_decoder(model: EncoderDecoder, folder: Path) -> None:
    """Write config.json, generation_config.json and model.safetensors; transformers opens the folder as
    T5ForConditionalGeneration as it is."""
    tensors = model.state_dict()
    if model.config.tie_word_embeddings:
        del tensors["lm_head.weight"]
    config = model.config
    write_weights(Path(folder), tensors, PART_BYTES)
    write_json(Path(folder) / "config.json", config.to_hf(str(model.shared.weight.dtype).removeprefix("torch.")))
    tokens = ("decoder_start_token_id", "eos_token_id", "pad_token_id")
    write_json(Path(folder) / "generation_config.json", {name: getattr(config, name) for name in tokens})


def load_encoder_decoder(
    folder: Path, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> EncoderDecoder:
    """Read a folder of ours or of Hugging Face's T5 v1.1. Raises as `load_encoder` does."""
    path = Path(folder) / "config.json"
    config = EncoderDecoderConfig.from_hf(read_json(path), where=path)
    tensors = read_weights(Path(folder))
    shared_VD = tensors.get("shared.weight", torch.empty(0))
    for name in ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight"):  # older folders say it three times
        tensors.pop(name, None)
    if config.tie_word_embeddings:
        tensors["lm_head.weight"] = shared_VD
    else:  # transformers 5 keeps one matrix where both are equal
        tensors.setdefault("lm_head.weight", shared_VD.clone())
    model = _filled(EncoderDecoder(config, seed=None), tensors, Path(folder))
    return model.to(device=device, dtype=dtype)


def _architecture(values: dict[str, Any], path: Path) -> str:
    names = values.get("architectures")
    if isinstance(names, list) and len(names) == 1 and names[0] in KINDS:
        return names[0]
    raise InputError(f"architectures {names!r} is not one Hornbook reads", where=path, fix=f"use {', '.join(KINDS)}")


def _filled(model: M, tensors: dict[str, Tensor], folder: Path) -> M:
    """The model with these weights. Raises DamagedError when they are not its own."""
    own = model.state_dict()
    for name in sorted(own.keys() | tensors.keys()):
        expected = tuple(own[name].shape) if name in own else "no such tensor"
        given = tuple(tensors[name].shape) if name in tensors else "missing"
        if expected != given:
            fix = "config.json and the weights must belong together"
            raise DamagedError(f"{name} is {given}, its config asks for {expected}", where=folder, fix=fix)
    model.load_state_dict(tensors)
    return model
