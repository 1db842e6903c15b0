"""A training so small that it can be done a hundred times: the same global batch however many processes read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from hornbook.models import Transformer, TransformerConfig
from hornbook.models.kernels import use_kernels
from hornbook.tokens.loader import PackedBatches
from hornbook.training.fit import FitResult, fit
from hornbook.training.objectives.next_token import next_token
from hornbook.training.optimiser import Optimiser, Rates
from hornbook.training.parallel.place import place
from hornbook.training.parallel.world import World, shared_rows
from hornbook.training.schedule import warmup_stable_cooldown

WORDS, WINDOW, ROWS, STEPS = 24, 16, 4, 6
CONFIG = TransformerConfig(
    vocab_size=WORDS, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, head_dim=8,
)
Weights = dict[str, torch.Tensor]


def in_full_precision() -> None:
    """Newton-Schulz in fp32, in this process: in bf16 the last bit of a sum is a hundredth of an update, and nothing
    could be said of the rest."""
    use_kernels(False)
    torch.Tensor.bfloat16 = torch.Tensor.float


def train(
    folder: Path | None, *, shard: bool = False, tensor: int = 1, steps: int = STEPS, of: int | None = None,
    rows: int = ROWS, accumulate: int = 1, config: TransformerConfig = CONFIG, objective: Any = next_token,
    exact: bool = True, **options: Any,
) -> tuple[Weights, FitResult, World, Any]:  # fmt: skip
    """Train for `steps` of `of` steps in the processes there are: the whole weights in each, how it went, and model and
    optimiser as they lie. Options are `fit`'s."""
    if exact:
        in_full_precision()
    world = World.join(tensor=tensor, shard=shard)
    model = Transformer(config, seed=0)
    place(model, world)
    optimiser = Optimiser(model, Rates(weight_decay=0.1), world)
    rows, accumulate = shared_rows(rows, accumulate, world.readers)
    result = fit(
        model, batches(world, rows, config), objective, optimiser, warmup_stable_cooldown(of or steps),
        folder=folder, device="cpu", steps=steps, accumulate=accumulate, world=world,
        **{"checkpoint_every": 3, **options},
    )  # fmt: skip
    return whole_weights(model), result, world, (model, optimiser)


def batches(world: World, rows: int, config: TransformerConfig = CONFIG) -> PackedBatches:
    """Texts that count upwards, with pauses; of each batch this process's share."""
    random = np.random.default_rng(0)
    texts = [np.cumsum(random.integers(0, 2, random.integers(3, 40))) % config.vocab_size for _ in range(60)]
    return PackedBatches(texts, None, window=WINDOW, rows=rows, seed=1, rank=world.reader, world=world.readers)


def whole_weights(model: torch.nn.Module) -> Weights:
    """The model's weights, put together from all processes."""
    weights: dict[str, Any] = {name: parameter.detach() for name, parameter in model.named_parameters()}
    return {name: (p.full_tensor() if hasattr(p, "full_tensor") else p).clone() for name, p in weights.items()}


def difference(a: Weights, b: Weights) -> float:
    """The largest difference of two weights of the same place."""
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)
