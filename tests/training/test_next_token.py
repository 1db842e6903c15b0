"""The chunked head loss against plain cross entropy."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from hornbook.models import Transformer, TransformerConfig
from hornbook.training.objectives.next_token import head_loss, next_token

TOKENS, WIDTH, VOCABULARY = 50, 24, 97


def inputs(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    x_ND = torch.randn(TOKENS, WIDTH, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
    head_VD = torch.randn(VOCABULARY, WIDTH, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()
    targets_N = torch.randint(0, VOCABULARY, (TOKENS,), generator=generator)
    weights_N = torch.rand(TOKENS, generator=generator).masked_fill(torch.arange(TOKENS) % 5 == 0, 0.0)
    return x_ND, head_VD, targets_N, weights_N


@pytest.mark.parametrize("chunk", [1, 7, 25, 50, 1000])
def test_value_and_gradients_are_those_of_cross_entropy(chunk: int) -> None:
    x_ND, head_VD, targets_N, weights_N = inputs()
    plain = (F.cross_entropy(x_ND @ head_VD.T, targets_N, reduction="none") * weights_N).sum()
    ours = head_loss(x_ND, head_VD, targets_N, weights_N, chunk=chunk)
    assert abs(float((ours / plain).detach()) - 1) < 1e-6
    expected = torch.autograd.grad(plain * 0.3, (x_ND, head_VD))
    for own, other in zip(torch.autograd.grad(ours * 0.3, (x_ND, head_VD)), expected, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        assert torch.equal(head_loss(x_ND, head_VD, targets_N, weights_N, chunk=chunk), ours.detach())


def test_a_place_of_weight_zero_teaches_nothing() -> None:
    x_ND, head_VD, targets_N, weights_N = inputs()
    head_loss(x_ND, head_VD, targets_N, weights_N, chunk=8).backward()
    assert (x_ND.grad[weights_N == 0] == 0).all()
    assert (x_ND.grad[weights_N > 0] != 0).any(dim=1).all()


def test_bf16_states_with_fp32_head_come_near() -> None:
    x_ND, head_VD, targets_N, weights_N = inputs()
    exact = head_loss(x_ND, head_VD, targets_N, weights_N)
    near = head_loss(x_ND.bfloat16(), head_VD, targets_N, weights_N)
    assert near.dtype == torch.float32
    assert abs(float((near / exact).detach()) - 1) < 1e-2


def test_the_objective_sums_over_the_weights_of_the_batch() -> None:
    config = TransformerConfig(
        vocab_size=31, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8,
    )
    model = Transformer(config, seed=0)
    generator = torch.Generator().manual_seed(1)
    ids_BT, targets_BT = torch.randint(0, 31, (2, 2, 9), generator=generator)
    documents_BT = torch.tensor([[0] * 4 + [1] * 5, [0] * 9])
    weights_BT = torch.rand(2, 9, generator=generator)
    batch = SimpleNamespace(
        ids_BT=ids_BT, targets_BT=targets_BT, positions_BT=torch.arange(9).expand(2, 9), documents_BT=documents_BT,
        weights_BT=weights_BT,
    )
    loss = next_token(model, batch)
    logits = model(ids_BT, batch.positions_BT, documents_BT)
    each = F.cross_entropy(logits.flatten(0, 1), targets_BT.flatten(), reduction="none")
    torch.testing.assert_close(loss.total, (each * weights_BT.flatten()).sum(), rtol=1e-6, atol=0)
    assert float(loss.weight) == float(weights_BT.sum())
