"""A whole model's linears to few bits and back."""

from __future__ import annotations

from typing import Literal, TypeVar, get_args

import torch
from torch import nn

from hornbook.core.errors import InputError
from hornbook.models.layers import Linear
from hornbook.models.quantise.int4 import Int4Linear
from hornbook.models.quantise.int8 import Int8Linear
from hornbook.models.quantise.linear import QuantisedLinear
from hornbook.models.quantise.normal_float import FourBitLinear

Kind = Literal["int8", "int4", "nf4"]
KINDS: tuple[str, ...] = get_args(Kind)
WAYS: dict[str, type[QuantisedLinear]] = {"int8": Int8Linear, "int4": Int4Linear, "nf4": FourBitLinear}
HEAD = "lm_head"  # stays as it is, with the embedding, which it may be: an error there is an error of the answer
M = TypeVar("M", bound=nn.Module)


@torch.no_grad()
def quantise(model: M, kind: Kind) -> M:
    """Replace the linears of the model's blocks by quantised ones, in place; head, embedding and norms stay.

    "int8" is almost lossless and faster than bf16 for one answer on a processor, "int4" five bits a weight and
    faster still, "nf4" what QLoRA trains on. Raises InputError for another kind, for weights that are not finite, and
    for a model that is quantised already.
    """
    if kind not in WAYS:
        raise InputError(f"there is no quantisation {kind!r}", fix=f"use one of {', '.join(KINDS)}")
    for name, linear in linears(model).items():
        if isinstance(linear, QuantisedLinear):
            raise InputError(f"{name} is {linear.kind} already", fix="load the model anew, or dequantise it")
        if not linear.weight.isfinite().all():
            raise InputError(f"{name}.weight holds values that are not finite", fix="train or fetch the model again")
        model.set_submodule(name, WAYS[kind].of(linear))
    return model


@torch.no_grad()
def dequantise(model: M, dtype: torch.dtype = torch.float32) -> M:
    """Make plain linears of the quantised ones, in place: what can be trained whole, exported, or quantised anew."""
    for name, linear in linears(model).items():
        if isinstance(linear, QuantisedLinear):
            plain = Linear(linear.in_features, linear.out_features)
            plain.weight, plain.bias = nn.Parameter(linear.dequantised(dtype)), linear.bias
            model.set_submodule(name, plain)
    return model


def linears(model: nn.Module) -> dict[str, Linear | QuantisedLinear]:
    """The model's products by name, without its head."""
    kinds = (Linear, QuantisedLinear)
    return {name: module for name, module in model.named_modules() if isinstance(module, kinds) and name != HEAD}
