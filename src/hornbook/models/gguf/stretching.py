"""Llama 3's stretched positions as llama.cpp keeps them: a tensor that says how many times slower each pair turns.

GGUF has no words for the kind's own numbers; `hornbook.models.rope.Llama3` has nothing else. So out of the numbers the
tensor is made, and out of the tensor numbers that make it again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import ValidationError

from hornbook.core.errors import InputError
from hornbook.models.config import TransformerConfig
from hornbook.models.positions import pair_frequencies
from hornbook.models.rope import Llama3

FREQUENCIES = "rope_freqs.weight"
NEAR = 1e-5  # of a factor: some rounding in fp32, magnified where a pair is slowed nearly in full
PUBLISHED = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}


def factors(config: TransformerConfig) -> np.ndarray | None:
    """How many times slower each of the head's pairs turns than plain positions would, (E/2,) in fp32; None where the
    model has not Llama 3's."""
    if not isinstance(config.rope_scaling, Llama3):
        return None
    slower, most = _plain(config) / pair_frequencies(config).double().numpy(), config.rope_scaling.factor
    return np.where(np.isclose(slower, most, rtol=NEAR, atol=0), most, slower).astype(np.float32)


def stretched(config: TransformerConfig, factors_E: np.ndarray, where: object) -> TransformerConfig:
    """The configuration with the stretching that gives these factors: that of plain positions, whose factors are ones,
    or Llama 3's. Raises InputError for others."""
    if (factors_E == 1).all():
        return config
    for numbers in (*_solved(config, factors_E.astype(np.float64)), PUBLISHED):
        try:
            scaling = Llama3(factor=float(str(factors_E.max())), **numbers)
        except ValidationError:
            continue
        made = config.model_copy(update={"rope_scaling": scaling})
        told = factors(made)
        if told is not None and np.allclose(told, factors_E, rtol=NEAR, atol=0):
            return made
    raise InputError(f"{FREQUENCIES} does not stretch positions as Llama 3 does", where=where,
                     fix="take the Hugging Face folder")


def _solved(config: TransformerConfig, factors_E: np.ndarray) -> list[dict[str, Any]]:
    """Llama 3's numbers out of the pairs that are slowed in part. How much one is left as it is grows in proportion to
    how fast it turns: a line, from which two of three numbers follow; the third, of which the others are multiples, is
    the lowest turns, 1 in every model that was published."""
    most = factors_E.max()
    between = (factors_E > 1 + NEAR) & (factors_E < most * (1 - NEAR))
    if between.sum() < 2:
        return []
    turns = _plain(config)[between] / (2 * np.pi)
    left = (1 / factors_E[between] - 1 / most) / (1 - 1 / most)
    slope, start = np.polyfit(turns, left, 1)
    if not start < 0 < slope:
        return []
    high = 1 - 1 / start
    return [
        {"low_freq_factor": 1.0, "high_freq_factor": float(f"{high:.{digits}g}"),
         "original_max_position_embeddings": round(-slope / start)} for digits in (3, 6, 15)
    ]  # fmt: skip


def _plain(config: TransformerConfig) -> np.ndarray:
    """The frequencies of plain positions, in double precision."""
    return pair_frequencies(config.model_copy(update={"rope_scaling": None})).double().numpy()
