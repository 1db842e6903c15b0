"""A model on disk: a Hugging Face folder, read and written as it is. No pickle."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor

from hornbook.core.errors import DamagedError, InputError
from hornbook.core.files import write_bytes, write_text
from hornbook.models.config import TransformerConfig
from hornbook.models.transformer import Transformer

WEIGHTS = "model.safetensors"


def save_model(model: Transformer, folder: Path) -> None:
    """Write config.json, model.safetensors and generation_config.json; each appears whole or not at all.

    transformers' AutoModelForCausalLM.from_pretrained and vLLM open the folder as it is.
    """
    folder = Path(folder)
    tensors = {name: tensor for name, tensor in model.state_dict().items() if not _tied(name, model.config)}
    write_safetensors(folder / WEIGHTS, tensors)
    save_config(model, folder)


def save_config(model: Transformer, folder: Path) -> None:
    """Write config.json and generation_config.json: what stands beside the weights."""
    dtype = str(model.lm_head.weight.dtype).removeprefix("torch.")
    write_json(folder / "config.json", model.config.to_hf(dtype))
    write_json(folder / "generation_config.json", {"do_sample": False})


def load_model(folder: Path, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Transformer:
    """Read a model folder of ours or of Hugging Face's (one safetensors file, or several with an index).

    Raises InputError for a folder that holds no such model, DamagedError for weights that are not those of its config.
    """
    folder = Path(folder)
    config = TransformerConfig.from_hf(read_json(folder / "config.json"), where=folder / "config.json")
    model = Transformer(config, seed=None)  # on the meta device the first one takes two seconds of imports
    tensors: dict[str, Tensor] = {}
    for path in _weight_files(folder):
        tensors |= read_safetensors(path)
    _check_shapes(model, tensors, folder)
    if config.tie_word_embeddings:
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
    model.load_state_dict(tensors, assign=True)
    if config.tie_word_embeddings:
        model.lm_head.weight = model.model.embed_tokens.weight
    return model.to(device=device, dtype=dtype)


def write_safetensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors atomically, names sorted, so that equal tensors give equal bytes."""
    write_bytes(path, to_safetensors({name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}))


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of the file. Raises InputError when it is not there, DamagedError when it is not whole."""
    if not path.is_file():
        fix = "name a folder with config.json and model.safetensors"
        raise InputError("the weights are not there", where=path, fix=fix)
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())[:160]
        fix = "fetch or train it again"
        raise DamagedError(f"not a whole safetensors file ({reason})", where=path, fix=fix) from None


def write_json(path: Path, values: dict) -> None:
    """Write an object as indented JSON, atomically."""
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict:
    """The object in the file. Raises InputError when there is none."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("the file is not there", where=path, fix="name a model folder") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"not JSON ({error})", where=path, fix="mend the file") from None
    if not isinstance(values, dict):
        raise InputError("not a JSON object", where=path, fix="mend the file")
    return values


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


def _check_shapes(model: Transformer, tensors: dict[str, Tensor], folder: Path) -> None:
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items() if not _tied(name, model.config)}
    given = {name: tuple(value.shape) for name, value in tensors.items() if not _tied(name, model.config)}
    for name in sorted(expected.keys() | given.keys()):
        if expected.get(name) != given.get(name):
            what = f"{name} is {given.get(name, 'missing')}, its config asks for {expected.get(name, 'no such tensor')}"
            raise DamagedError(what, where=folder, fix="config.json and the weights must belong together")


def _tied(name: str, config: TransformerConfig) -> bool:
    """The head is the embedding: kept once."""
    return config.tie_word_embeddings and name == "lm_head.weight"
