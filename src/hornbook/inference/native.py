"""All blocks of a model and its head over the few new tokens of a step, in one call of `models/cpp/blocks.cpp`.

The weights are packed once, as `cpp/few.hpp` reads them, beside those of the model, which reads many tokens at once.
Shapes: M tokens, N of them asked what follows; D width, E head width, K inputs and O outputs of a product, V words.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor

from hornbook.inference.memory import zeros
from hornbook.inference.paged import PagedCache, Pass
from hornbook.models.kernels import call, kernels
from hornbook.models.layers import MLP, Linear, RMSNorm
from hornbook.models.quantise.int8 import Int8Linear
from hornbook.models.rows import Rotation
from hornbook.models.transformer import Block, Transformer

SIDE = 64  # outputs that lie together, and what inputs are padded to: few.hpp's
WIDEST = 1024  # heads: blocks.cpp's

P, N, F = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float


class _Packed(ctypes.Structure):
    _fields_ = (("at", P), ("scales", P), ("bias", P), ("N", N), ("K", N))


class _Layer(ctypes.Structure):
    _fields_ = (
        *((name, P) for name in ("before", "q_norm", "k_norm", "after")),
        *((name, _Packed) for name in ("heads", "out", "wide", "down")), ("keys", P), ("values", P),
    )  # fmt: skip


class _Step(ctypes.Structure):
    _fields_ = (
        ("layers", ctypes.POINTER(_Layer)), ("norm", P), ("head", _Packed),
        *((name, N) for name in ("depth", "D", "F", "H", "K", "E")), ("eps", F),
        *((name, N) for name in ("M", "asked", "width")),
        *((name, P) for name in ("x", "cos", "sin", "tables", "rows", "places", "which", "logits", "memory")),
    )  # fmt: skip


class NativeBlocks:
    """A model's blocks and head, for `cache`."""

    def __init__(self, model: Transformer, cache: PagedCache):
        self._model, self._cache, config = model, cache, model.config
        self._kept: list[Tensor] = []  # what the addresses below lead to
        self._memory = torch.empty(0, dtype=torch.uint8)
        self._layers = (_Layer * config.num_hidden_layers)()
        self._step = _Step(
            layers=self._layers, depth=config.num_hidden_layers, D=config.hidden_size, F=config.intermediate_size,
            H=config.num_attention_heads, K=config.num_key_value_heads, E=config.head_dim, eps=config.rms_norm_eps,
        )  # fmt: skip
        self._arena, self._filled = _arena(model), 0
        self.refresh()

    def refresh(self) -> None:
        """Pack the weights as they are now."""
        self._filled, self._kept = 0, []
        model = self._model.model
        kept = zip(self._cache.keys, self._cache.values, strict=True)
        for layer, block, (keys, values) in zip(self._layers, _blocks(self._model), kept, strict=True):
            attention, mlp = block.self_attn, block.mlp
            layer.before, layer.after = (
                self._floats(norm.weight) for norm in (block.input_layernorm, block.post_attention_layernorm)
            )
            layer.q_norm, layer.k_norm = (
                None if norm is None else self._floats(norm.weight) for norm in (attention.q_norm, attention.k_norm)
            )
            layer.heads = self._packed(attention.beside)
            layer.out, layer.down = self._packed([attention.o_proj]), self._packed([mlp.down_proj])
            layer.wide = self._packed(mlp.beside, by_turns=True)
            layer.keys, layer.values = keys.data_ptr(), values.data_ptr()
        self._step.norm, self._step.head = self._floats(model.norm.weight), self._packed([self._model.lm_head])

    def run(self, x_MD: Tensor, rotation: Rotation, step: Pass, asked_N: np.ndarray) -> Tensor:
        """logits_NV in fp32. `x_MD` (fp32) is what the first block reads, and is overwritten."""
        M, config = len(x_MD), self._model.config
        logits_NV = torch.empty(len(asked_N), config.vocab_size)
        cos_ME, sin_ME = (part.reshape(M, -1).contiguous() for part in rotation)
        given = step.tables, step.rows, step.places, asked_N
        tables, rows, places, which = (np.ascontiguousarray(x, dtype=np.int32) for x in given)
        need = _library().blocks_bytes(M, *(getattr(self._step, name) for name in ("D", "F", "H", "K", "E")))
        if len(self._memory) < need:
            self._memory = torch.empty(need, dtype=torch.uint8)
        self._step.M, self._step.asked, self._step.width = M, len(asked_N), tables.shape[1]
        self._step.x, self._step.cos, self._step.sin = x_MD.data_ptr(), cos_ME.data_ptr(), sin_ME.data_ptr()
        self._step.tables, self._step.rows = tables.ctypes.data, rows.ctypes.data
        self._step.places, self._step.which = places.ctypes.data, which.ctypes.data
        self._step.logits, self._step.memory = logits_NV.data_ptr(), self._memory.data_ptr()
        kind = _kind(_blocks(self._model)[0].mlp.down_proj)
        name = f"blocks_{kind}_{'f32' if self._cache.dtype == torch.float32 else 'bf16'}"
        getattr(_library(), name)(ctypes.byref(self._step))
        return logits_NV

    def _floats(self, x: Tensor) -> int:
        self._kept.append(x.detach().float().contiguous())
        return self._kept[-1].data_ptr()

    def _packed(self, linears: Sequence[Linear | Int8Linear], *, by_turns: bool = False) -> _Packed:
        """Several products of one input as one; `by_turns` 32 outputs of the first, then 32 of the second."""

        def joined(parts: Sequence[Tensor]) -> Tensor:
            if not by_turns:
                return torch.cat(list(parts)).contiguous()
            halves = [_filled_up(part).unflatten(0, (-1, SIDE // 2)) for part in parts]
            return torch.stack(halves, 1).flatten(0, 2).contiguous()

        weight_OK = joined([_codes(linear) for linear in linears])
        outputs, inputs = weight_OK.shape
        at = self._arena[self._filled :]
        self._filled += _size(outputs, inputs, weight_OK.dtype)
        call("pack", weight_OK, at, outputs, inputs)
        scales = [each.scales_N for each in linears if isinstance(each, Int8Linear)]
        biases = [each.bias for each in linears if each.bias is not None]
        return _Packed(
            at.data_ptr(), self._floats(joined(scales)) if scales else None,
            self._floats(joined(biases)) if biases else None, outputs, inputs,
        )  # fmt: skip


def covers(model: Transformer, pages: PagedCache) -> bool:
    """Whether the native blocks are made for the model: plain Qwen3, Qwen2 and Llama on a processor with our kernels,
    without windows, their weights fp32, bf16 or int8, all of one kind."""
    config = model.config
    if type(model) is not Transformer or not pages.turned or any(config.windows) or config.head_dim > WIDEST:
        return False
    dtype = model.model.embed_tokens.weight.dtype
    kinds = {_kind(each) for block in _blocks(model) for each in _linears(block)}
    plain = isinstance(model.model.norm, RMSNorm) and all(isinstance(each.mlp, MLP) for each in _blocks(model))
    if not plain or pages.dtype != dtype or _kind(model.lm_head) != _KINDS[dtype]:
        return False
    return kinds in ({_KINDS[dtype]}, {"i8"})


_KINDS = {torch.float32: "f32", torch.bfloat16: "bf16"}


def _kind(linear: torch.nn.Module) -> str:
    if isinstance(linear, Int8Linear):
        return "i8"
    return _KINDS.get(linear.weight.dtype, "") if type(linear) is Linear else ""


def _blocks(model: Transformer) -> list[Block]:
    return list(model.model.layers)  # pyright: ignore[reportReturnType]


def _linears(block: Block) -> list[Linear]:
    attention, mlp = block.self_attn, block.mlp
    return [*attention.beside, attention.o_proj, mlp.gate_proj, mlp.up_proj, mlp.down_proj]


def _codes(linear: Linear | Int8Linear) -> Tensor:
    return linear.codes_NK if isinstance(linear, Int8Linear) else linear.weight.detach()


def _filled_up(x: Tensor) -> Tensor:
    """With zeros, to a multiple of half a side along the first axis."""
    return torch.cat([x.detach(), x.new_zeros(-len(x) % (SIDE // 2), *x.shape[1:])])


def _size(outputs: int, inputs: int, dtype: torch.dtype) -> int:
    return -(-outputs // SIDE) * SIDE * -(-inputs // SIDE) * SIDE * dtype.itemsize


def _arena(model: Transformer) -> Tensor:
    """Memory for all packed weights."""
    size = 0
    for block in _blocks(model):
        attention, mlp = block.self_attn, block.mlp
        linears = attention.q_proj, attention.o_proj, mlp.down_proj, mlp.gate_proj
        across, out, down, gate = (_codes(each) for each in linears)
        kind, width = across.dtype, across.shape[1]
        size += _size(sum(each.out_features for each in attention.beside), width, kind)
        size += _size(len(out), out.shape[1], kind) + _size(len(down), down.shape[1], kind)
        size += _size(2 * len(_filled_up(gate)), width, kind)
    size += _size(model.config.vocab_size, model.config.hidden_size, model.lm_head.weight.dtype)
    return zeros(size)


@cache
def _library() -> ctypes.CDLL:
    library = kernels()
    assert library is not None
    library.blocks_bytes.restype, library.blocks_bytes.argtypes = N, [N] * 6
    return library
