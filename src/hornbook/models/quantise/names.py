"""NF4 and FP4 weights under the names in which bitsandbytes and transformers keep them in a model's folder.

`NAME.weight` the codes, `NAME.weight.absmax`, `.quant_map`, `.nested_absmax`, `.nested_quant_map`, and the rest as JSON
in `NAME.weight.quant_state.bitsandbytes__nf4`; `quantization_config` in config.json says that there are such.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hornbook.core.errors import DamagedError, InputError
from hornbook.models.layers import Linear
from hornbook.models.quantise.four_bit import ABSMAX_BLOCK, BLOCKS, TYPES, FourBit, dynamic_code, table
from hornbook.models.quantise.linear import QuantisedLinear
from hornbook.models.quantise.model import HEAD, linears
from hornbook.models.quantise.normal_float import FourBitLinear

STATE = "quant_state.bitsandbytes__"
CONFIG = "quantization_config"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
CPU = torch.device("cpu")
FIX = "quantise and save the model anew"


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """What a file is to hold of the model's quantised weights. Raises InputError for kinds that are made at load."""
    tensors: dict[str, Tensor] = {}
    for name, linear in linears(model).items():
        if isinstance(linear, FourBitLinear):
            tensors |= {f"{name}.weight{part}": tensor for part, tensor in _parts(linear.weight).items()}
        elif isinstance(linear, QuantisedLinear):
            fix = "save the model before it is quantised, or keep it as nf4"
            raise InputError(f"{linear.kind} weights are made when a model is loaded, and not kept", fix=fix)
    return tensors


def config_of(model: nn.Module, dtype: str) -> dict[str, Any]:
    """What config.json says of them: empty for a model that is not quantised."""
    found = [linear.weight for linear in linears(model).values() if isinstance(linear, FourBitLinear)]
    if not found:
        return {}
    return {CONFIG: {
        "quant_method": "bitsandbytes", "load_in_4bit": True, "load_in_8bit": False,
        "bnb_4bit_quant_type": found[0].kind, "bnb_4bit_use_double_quant": found[0].nested_absmax is not None,
        "bnb_4bit_compute_dtype": dtype, "bnb_4bit_quant_storage": "uint8", "llm_int8_skip_modules": [HEAD],
    }}  # fmt: skip


def take(model: nn.Module, tensors: dict[str, Tensor], config: dict[str, Any], folder: Path) -> dict[str, Tensor]:
    """Put the quantised weights among `tensors` into the model, whose config.json is `config`; gives the others back.

    Raises InputError for a way of quantising that is not bitsandbytes' four bits, DamagedError for parts that do not
    fit together.
    """
    told = config.get(CONFIG)
    if told is None:
        return tensors
    if not isinstance(told, dict) or told.get("quant_method") != "bitsandbytes" or not told.get("load_in_4bit"):
        method = told.get("quant_method") if isinstance(told, dict) else told
        what = f"weights quantised by {method!r} are not read, but those of bitsandbytes in four bits"
        raise InputError(what, where=folder / "config.json", fix="use the model's plain weights")
    rest = dict(tensors)
    for name, linear in linears(model).items():
        prefix = f"{name}.weight"
        parts = {key.removeprefix(prefix): rest.pop(key) for key in list(rest) if key.startswith(f"{prefix}.")}
        if not parts or not isinstance(linear, Linear):
            continue
        parts[""] = rest.pop(prefix, torch.empty(0))
        weight = _weight(parts, tuple(linear.weight.shape), f"{folder}: {prefix}")
        model.set_submodule(name, FourBitLinear(linear, weight))
    return rest


def _parts(weight: FourBit) -> dict[str, Tensor]:
    state: dict[str, Any] = {
        "quant_type": weight.kind, "blocksize": weight.block, "dtype": str(weight.dtype).removeprefix("torch."),
        "shape": list(weight.shape),
    }  # fmt: skip
    parts = {"": weight.codes, ".absmax": weight.absmax, ".quant_map": table(weight.kind, CPU).clone()}
    if weight.nested_absmax is not None:
        parts |= {".nested_absmax": weight.nested_absmax, ".nested_quant_map": dynamic_code(CPU).clone()}
        state |= {"nested_blocksize": ABSMAX_BLOCK, "nested_dtype": "float32", "nested_offset": weight.offset}
    written = torch.frombuffer(bytearray(json.dumps(state).encode()), dtype=torch.uint8)
    return parts | {f".{STATE}{weight.kind}": written}


def _weight(parts: dict[str, Tensor], shape: tuple[int, ...], where: str) -> FourBit:
    """The weight of these parts, each of which must be what the others need."""
    state = _state(parts, where)
    kind, block, nested = state.get("quant_type"), state.get("blocksize"), ".nested_absmax" in parts
    if kind not in TYPES or block not in BLOCKS or tuple(state.get("shape") or ()) != shape:
        what = f"it is {kind} in blocks of {block} for {state.get('shape')}, the model asks for {list(shape)}"
        raise DamagedError(what, where=where, fix=FIX)
    size, blocks = math.prod(shape), -(-math.prod(shape) // block)
    expected: dict[str, Any] = {
        "": (torch.uint8, -(-size // 2)), ".absmax": (torch.uint8 if nested else torch.float32, blocks),
        ".quant_map": table(kind, CPU),
    }  # fmt: skip
    if nested:
        expected |= {
            ".nested_absmax": (torch.float32, -(-blocks // ABSMAX_BLOCK)), ".nested_quant_map": dynamic_code(CPU),
        }  # fmt: skip
    for name, form in expected.items():
        part = parts.get(name)
        same = part is not None and (
            torch.equal(part, form) if isinstance(form, Tensor) else (part.dtype, part.numel()) == form
        )
        if not same:
            raise DamagedError(f"{name or 'its codes'} does not fit the rest", where=where, fix=FIX)
    scales = parts[".nested_absmax" if nested else ".absmax"]
    offset = state.get("nested_offset", 0.0) if nested else 0.0
    if not scales.isfinite().all() or not isinstance(offset, float) or not math.isfinite(offset):
        raise DamagedError("its scales are not finite", where=where, fix=FIX)
    if nested and state.get("nested_blocksize") != ABSMAX_BLOCK:
        raise DamagedError(f"its scales are in blocks of {state.get('nested_blocksize')}", where=where, fix=FIX)
    dtype = DTYPES.get(str(state.get("dtype")))
    if dtype is None:
        raise DamagedError(f"it was made of {state.get('dtype')}", where=where, fix=FIX)
    return FourBit(
        kind, block, shape, dtype, parts[""].view(-1, 1), parts[".absmax"], parts.get(".nested_absmax"), offset
    )


def _state(parts: dict[str, Tensor], where: str) -> dict[str, Any]:
    written = [tensor for name, tensor in parts.items() if name.startswith(f".{STATE}")]
    try:
        (found,) = written
        state = json.loads(bytes(found.tolist()))
    except (ValueError, TypeError):
        state = None
    if not isinstance(state, dict):
        raise DamagedError("it does not say how it was quantised", where=where, fix=FIX)
    return state
