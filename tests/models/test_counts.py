"""What a shape is made of and asks for, against models that are built and operations that are counted."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from hornbook.models import Transformer, TransformerConfig
from hornbook.models.counts import flops_a_token, newton_schulz_flops, parameters
from hornbook.models.kernels import use_kernels
from hornbook.training.optimiser import NEWTON_SCHULZ_STEPS, Muon

SHAPES = {
    "plain": {},
    "grouped": {"num_key_value_heads": 1},
    "tied": {"tie_word_embeddings": True},
    "qwen2": {"model_type": "qwen2"},
    "llama": {"model_type": "llama"},
    "biases": {"model_type": "llama", "attention_bias": True},
    "biases all through": {"model_type": "llama", "attention_bias": True, "mlp_bias": True},
    "wide heads": {"head_dim": 48},
}


def shaped(**changes: object) -> TransformerConfig:
    plain: dict = {
        "vocab_size": 97, "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 3, "num_attention_heads": 2,
        "num_key_value_heads": 2, "head_dim": 32,
    }  # fmt: skip
    return TransformerConfig(**plain | changes)


@pytest.mark.parametrize("changes", SHAPES.values(), ids=SHAPES)
def test_parameters_are_those_of_the_model(changes: dict) -> None:
    model, count = Transformer(shaped(**changes), seed=None), parameters(shaped(**changes))
    named = dict(model.named_parameters())
    assert count.total == sum(parameter.numel() for parameter in named.values())
    blocks = sum(p.numel() for name, p in named.items() if ".layers." in name and p.ndim == 2)
    assert (count.matrices, count.embedding) == (blocks, named["model.embed_tokens.weight"].numel())
    assert count.multiplying == blocks + model.lm_head.weight.numel()


@pytest.mark.parametrize("changes", [{}, {"head_dim": 48}, {"tie_word_embeddings": True}], ids=str)
def test_flops_are_those_torch_counts(changes: dict) -> None:
    shape, ids_BT = shaped(**changes), torch.randint(0, 97, (2, 32))
    model = Transformer(shape, compute_dtype=torch.float32)
    with FlopCounterMode(display=False) as counter:  # attention in tiles is plain products, all places to all
        model(ids_BT).sum().backward()
    assert counter.get_total_flops() == flops_a_token(shape, 32) * ids_BT.numel()


def test_the_optimisers_flops_are_those_torch_counts() -> None:
    shape = shaped(num_key_value_heads=1)
    model = Transformer(shape)
    muon = Muon([p for name, p in model.named_parameters() if ".layers." in name and p.ndim == 2], lr=0.02)
    use_kernels(False)  # whose products torch does not see
    with FlopCounterMode(display=False) as counter:
        muon.step()
    assert counter.get_total_flops() == newton_schulz_flops(shape, NEWTON_SCHULZ_STEPS)
