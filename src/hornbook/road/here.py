"""What of a recipe and of this machine bears on how a training step is computed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hornbook.core.processes import memory_limit

DOCUMENT_STEP = 64
USABLE = 0.9  # of a GPU's memory: its context and the holes between tensors take the rest

if TYPE_CHECKING:
    from hornbook.models import TransformerConfig
    from hornbook.pipeline.recipe import Recipe
    from hornbook.road.pretrain_config import PretrainConfig
    from hornbook.training.memory import Batching


def vocabulary(recipe: Recipe) -> int:
    """The tokens of the recipe's vocabulary, as far as it says: the text may fill fewer."""
    from hornbook.tokens.imported import import_tokenizer
    from hornbook.tokens.tokenizer import SMALLEST

    config: Any = recipe.configs["tokenizer"]
    if getattr(config, "init", None) is not None:
        return import_tokenizer(config.init)[0].vocab_size
    if getattr(config, "kind", "bpe") == "bytes":
        return SMALLEST
    return config.vocab_size or config.at_most


def document_tokens(recipe: Recipe, window: int) -> int:
    """The usual document a token stands in, cut at the window: that of the run's tokens where they are encoded already,
    else a whole window, which costs most. Attention's work grows with it.

    It is the mean over tokens, in steps of 64, for what a step costs and not for what a corpus is: a page more or less
    is no reason to measure anew.
    """
    import numpy as np

    from hornbook.road.artifacts import Tokens
    from hornbook.road.runs import workspace_of

    there = workspace_of(recipe).steps().get("tokens")
    if there is None:
        return window
    lengths = Tokens(there.path).train().lengths.astype(np.int64)
    whole, rest = lengths // window, lengths % window
    mean = (whole.sum() * window**2 + (rest**2).sum()) / max(1, lengths.sum())
    return int(min(window, max(1, round(mean / DOCUMENT_STEP)) * DOCUMENT_STEP))


def machine_of(recipe: Recipe) -> tuple[str, bool]:
    """The device, and whether kernels or graphs are compiled, that a stage of this recipe would be given."""
    from hornbook.models.device import can_compile, pick_device

    asked = recipe.machine
    device = str(pick_device()) if asked.device == "auto" else asked.device
    return device, can_compile(device) if asked.compile == "auto" else asked.compile


def fitted(shape: TransformerConfig, batching: Batching, device: str) -> Batching:
    """The same; on a GPU with as many blocks computed again on the way back as its memory asks for."""
    from dataclasses import replace

    from hornbook.training.memory import recomputed_to_fit

    if device == "cpu":
        return batching
    return replace(batching, recomputed=recomputed_to_fit(shape, batching, round(USABLE * memory_of(device))))


def memory_of(device: str) -> int:
    """Bytes that a process may hold there."""
    import torch

    if device == "cpu":
        return memory_limit()
    return torch.cuda.get_device_properties(torch.device(device)).total_memory


def batching_of(config: PretrainConfig, device: str, compile: bool) -> Batching:
    """How a step of this configuration is computed here."""
    from hornbook.models import pick_dtype
    from hornbook.models.attention import BLOCK
    from hornbook.models.kernels import found_kernels, has_attention, has_products
    from hornbook.road.pretrain_config import HEAD_DIM
    from hornbook.training.memory import Batching
    from hornbook.training.objectives.next_token import chunk_tokens

    bits = pick_dtype(device).itemsize
    kernels = compile and (device != "cpu" or found_kernels().loaded is not None)
    blocks = kernels and bits == 2 and device == "cpu" and has_attention()
    fits = config.window % BLOCK == 0 and HEAD_DIM % BLOCK == 0
    attention: Literal["blocks", "fused", "tiles"] = "tiles"
    if device != "cpu":
        attention = "fused"
    elif blocks and fits:
        attention = "blocks"
    products = kernels and bits == 2 and device == "cpu" and has_products()
    return Batching(
        config.rows, config.window, config.accumulate, 2 if bits == 2 else 4, kernels, attention, products,
        chunk_tokens(device),
    )  # fmt: skip


def processor() -> str:
    """Its name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith("model name")), "")
