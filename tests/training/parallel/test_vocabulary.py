"""Embedding and head shared by rows: the same rows looked up, the same loss, the same gradients."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from benchmarks.pretrain.crew import together

from hornbook.models.layers import Embedding, Linear, own_part
from hornbook.training.objectives.next_token import head_loss
from hornbook.training.parallel.vocabulary import share_vocabulary
from hornbook.training.parallel.world import World

WORDS, WIDTH, PLACES = 48, 16, 37
WAYS = {"two matrices": (False, WORDS), "one for both": (True, WORDS), "a word too many": (False, WORDS + 1)}
pytestmark = pytest.mark.timeout(900)  # processes meet, on a machine that may be at work


def worded(tied: bool, words: int) -> Any:
    """As much of a model as has words."""
    generator = torch.Generator().manual_seed(1)
    embedding, head = Embedding(words, WIDTH), Linear(WIDTH, words)
    for one in (embedding, head):
        one.weight.data.copy_(torch.randn(words, WIDTH, generator=generator))
    if tied:
        head.weight = embedding.weight
    config, trunk = SimpleNamespace(vocab_size=words), SimpleNamespace(embed_tokens=embedding)
    return SimpleNamespace(config=config, model=trunk, lm_head=head)


def learnt(model: Any) -> dict[str, torch.Tensor]:
    """What is looked up, the loss with and without gradients, and the gradients; some places weigh nothing."""
    generator, words = torch.Generator().manual_seed(2), model.config.vocab_size
    ids_N, targets_N = (torch.randint(0, words, (PLACES,), generator=generator) for _ in range(2))
    weights_N = torch.rand(PLACES, generator=generator).round()
    x_ND = model.model.embed_tokens(ids_N)
    loss = head_loss(x_ND, model.lm_head.weight, targets_N, weights_N, chunk=8)
    (loss * 3).backward()
    with torch.no_grad():
        alone = head_loss(x_ND, model.lm_head.weight, targets_N, weights_N, chunk=8)
    found = {"looked up": x_ND, "loss": loss, "loss alone": alone, "embedding": model.model.embed_tokens.weight.grad,
             "head": model.lm_head.weight.grad}  # fmt: skip
    return {name: (one.full_tensor() if hasattr(one, "full_tensor") else one).detach() for name, one in found.items()}


def shared() -> dict[str, tuple[dict[str, torch.Tensor], int]]:
    """The same in one of the processes, and how many rows it keeps."""
    world, made = World.join(tensor=int(os.environ["WORLD_SIZE"])), {}
    assert world.mesh is not None
    for name, way in WAYS.items():
        model = worded(*way)
        share_vocabulary(model, world.mesh["tensor"])
        made[name] = learnt(model), len(own_part(model.lm_head.weight))
    return made


@pytest.mark.parametrize("size", [2, 4])
def test_a_shared_vocabulary_learns_as_a_whole_one(size: int) -> None:
    made = together(size, shared)
    for name, (tied, words) in WAYS.items():
        whole = learnt(worded(tied, words))
        for process in made:
            found, rows = process[name]
            assert rows == (words if words % size else words // size)
            for part, expected in whole.items():
                far = (found[part] - expected).abs().max() / expected.abs().max()
                assert far <= (1e-6 if "loss" in part else 2e-6), (name, part)
