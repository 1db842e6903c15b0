"""Weights in few bits: `quantise(model, kind)` for inference, and NF4 to fine-tune on (QLoRA)."""

from hornbook.models.quantise.linear import QuantisedLinear
from hornbook.models.quantise.model import KINDS, Kind, dequantise, quantise

__all__ = ["KINDS", "Kind", "QuantisedLinear", "dequantise", "quantise"]
