"""What the tests train: a tiny model, the same global batch however many processes read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from hornbook.models import Transformer, TransformerConfig
from hornbook.tokens.loader import PackedBatches
from hornbook.training.fit import FitResult, fit
from hornbook.training.objectives.next_token import next_token
from hornbook.training.optimiser import Optimiser, Rates
from hornbook.training.parallel.place import place
from hornbook.training.parallel.world import World, shared_rows
from hornbook.training.schedule import warmup_stable_cooldown

CONFIG = TransformerConfig(
    vocab_size=24, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, head_dim=8,
)
STEPS, ROWS = 6, 4


def in_full_precision() -> None:
    """Newton-Schulz in this process's fp32: in bf16 the last bit of a sum is a hundredth of an update."""
    torch.Tensor.bfloat16 = torch.Tensor.float


def batches(world: World, rows: int = ROWS) -> PackedBatches:
    random = np.random.default_rng(0)
    texts = [np.cumsum(random.integers(0, 2, random.integers(3, 40))) % 24 for _ in range(60)]
    return PackedBatches(texts, None, window=16, rows=rows, seed=1, rank=world.reader, world=world.readers)


def train(
    folder: Path | None, *, shard: bool = False, tensor: int = 1, steps: int = STEPS, rows: int = ROWS,
    accumulate: int = 1, objective: Any = next_token, exact: bool = True, **options: Any,
) -> tuple[dict[str, torch.Tensor], FitResult, World, Any]:  # fmt: skip
    """Train in the processes there are; the whole weights in each, and more."""
    if exact:
        in_full_precision()
    world = World.join(tensor=tensor, shard=shard)
    model = Transformer(CONFIG, seed=0)
    place(model, world)
    own = Optimiser(model, Rates(weight_decay=0.1), world)
    rows, accumulate = shared_rows(rows, accumulate, world.readers)
    options = {"checkpoint_every": 3, **options}
    result = fit(
        model, batches(world, rows), objective, own, warmup_stable_cooldown(STEPS), folder=folder, device="cpu",
        steps=steps, accumulate=accumulate, world=world, **options,
    )  # fmt: skip
    return whole(model), result, world, (model, own)


def whole(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    weights = {name: p.detach() for name, p in model.named_parameters()}
    return {name: (p.full_tensor() if hasattr(p, "full_tensor") else p).clone() for name, p in weights.items()}


def difference(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)
