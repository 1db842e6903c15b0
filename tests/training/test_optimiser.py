"""Muon against torch's own, AdamW against torch's own, and the schedule."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hornbook.models import Transformer, TransformerConfig
from hornbook.training.optimiser import Muon, Optimiser, Rates, evened, orthogonalised
from hornbook.training.schedule import constant, warmup_stable_cooldown

CONFIG = TransformerConfig(
    vocab_size=40, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
    num_key_value_heads=1, head_dim=16,
)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_muon_is_torchs(weight_decay: float) -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(32, 32), (48, 32), (32, 48), (32, 32), (16, 32)]
    ours = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
    theirs = [nn.Parameter(parameter.detach().clone()) for parameter in ours]
    own = Muon(ours, lr=0.02, momentum=0.95, weight_decay=weight_decay)
    other = torch.optim.Muon(theirs, lr=0.02, momentum=0.95, weight_decay=weight_decay, nesterov=True)
    for _ in range(4):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn(a.shape, generator=generator)
            b.grad = a.grad.clone()
        own.step()
        other.step()
    # both iterate in bf16, where a stack of products and single ones round apart
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=4 * 0.02 * 0.02)


def test_normuon_evens_the_rows() -> None:
    generator = torch.Generator().manual_seed(0)
    updates = [torch.randn(2, 6, 5, generator=generator) * torch.arange(1, 7)[:, None] for _ in range(3)]
    squares = torch.zeros(2, 6, 1)
    for count, update in enumerate(updates, 1):
        found = evened(update, squares, 0.9)
        # by the paper's words, its bias corrected: that is a number for all rows, and the norm is given back
        past = torch.stack([earlier.double().square().mean(2) for earlier in updates[:count]])
        kept = torch.tensor([0.1 * 0.9 ** (count - 1 - i) for i in range(count)], dtype=torch.float64)
        running = (kept[:, None, None] * past).sum(0) / (1 - 0.9**count)
        even = update.double() / running.sqrt()[..., None]
        wanted = even * update.double().norm(dim=(1, 2), keepdim=True) / even.norm(dim=(1, 2), keepdim=True)
        torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-6)
    rows = evened(updates[0], torch.zeros(2, 6, 1), 0.9).norm(dim=2)
    torch.testing.assert_close(rows, rows[:, :1].expand_as(rows))


def test_normuon_without_a_gradient_stays_where_it_is() -> None:
    weight = nn.Parameter(torch.ones(8, 4))
    Muon([weight], lr=0.1, row_memory=0.9).step()
    assert torch.equal(weight, torch.ones(8, 4))


def test_cautious_decay_leaves_alone_what_grows() -> None:
    generator = torch.Generator().manual_seed(0)
    start, gradient = torch.randn(2, 16, 12, generator=generator)
    ends = []
    for options in ({}, {"weight_decay": 0.5}, {"weight_decay": 0.5, "cautious": True}):
        weight = nn.Parameter(start.clone())
        weight.grad = gradient.clone()
        Muon([weight], lr=0.1, **options).step()
        ends.append(weight.detach())
    plain, decayed, cautious = ends
    shrinks = (start - plain) * start > 0
    assert 0.2 < shrinks.float().mean() < 0.8
    torch.testing.assert_close(cautious, torch.where(shrinks, decayed, plain))


def test_each_step_tells_rates_and_how_far_the_weights_moved() -> None:
    model = Transformer(CONFIG, seed=0)
    optimiser = Optimiser(model, Rates(matrices=0.1, embedding=0.2, head=0.3, vectors=0.4))
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(4))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    row = optimiser.step(0.5, look=True)
    rates = {"lr_matrices": 0.05, "lr_embedding": 0.1, "lr_head": 0.15, "lr_vectors": 0.2}
    assert rates.items() <= row.items()
    groups = {
        "matrices": [n for n, p in model.named_parameters() if ".layers." in n and p.ndim == 2],
        "embedding": ["model.embed_tokens.weight"], "head": ["lm_head.weight"],
        "vectors": [n for n, p in model.named_parameters() if p.ndim == 1],
    }  # fmt: skip
    for group, names in groups.items():
        weights = torch.cat([before[name].flatten() for name in names])
        moved = torch.cat([model.get_parameter(name).detach().flatten() for name in names]) - weights
        assert row[f"update_{group}"] == pytest.approx(float(moved.norm() / weights.norm()), rel=1e-5)
    assert optimiser.step(0.25) == {name: rate / 2 for name, rate in rates.items()}


@pytest.mark.parametrize("shape", [(3, 20, 20), (2, 20, 50), (2, 50, 20), (1, 1, 9)])
def test_orthogonalised_matrices_have_singular_values_near_one(shape: tuple[int, ...]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.svdvals(orthogonalised(matrices).float())
    assert values.min() > 0.4
    assert values.max() < 1.4
    assert torch.isfinite(orthogonalised(torch.zeros(shape))).all()


def test_what_is_no_hidden_matrix_goes_to_adamw() -> None:
    model, reference = Transformer(CONFIG, seed=0), Transformer(CONFIG, seed=0)
    rates = Rates(embedding=0.3, head=0.02, vectors=0.01)
    optimiser = Optimiser(model, rates)
    names = ("model.embed_tokens.weight", "lm_head.weight", "model.norm.weight")
    lrs = (0.3, 0.02, 0.01)
    other = torch.optim.AdamW(
        [{"params": [reference.get_parameter(n)], "lr": lr * 0.5} for n, lr in zip(names, lrs, strict=True)],
        betas=rates.betas, eps=rates.eps, weight_decay=0.0, fused=True,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(2)
    for _ in range(3):
        for name, parameter in model.named_parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
            reference.get_parameter(name).grad = parameter.grad.clone()
        optimiser.step(0.5)
        other.step()
    for name in names:
        assert torch.equal(model.get_parameter(name), reference.get_parameter(name)), name
    fresh = Transformer(CONFIG, seed=0)
    assert not any(torch.equal(p, fresh.get_parameter(name)) for name, p in model.named_parameters())


@pytest.mark.parametrize("rates", [Rates(), Rates(row_memory=0.9, weight_decay=0.1, cautious=True)])
def test_its_state_comes_back_and_another_models_is_refused(rates: Rates) -> None:
    one, two = Transformer(CONFIG, seed=0), Transformer(CONFIG, seed=0)
    optimisers = [Optimiser(one, rates), Optimiser(two, rates)]
    generator = torch.Generator().manual_seed(3)

    def step(which: list[int]) -> None:
        gradients = {name: torch.randn(p.shape, generator=generator) for name, p in one.named_parameters()}
        for index in which:
            for name, parameter in (one, two)[index].named_parameters():
                parameter.grad = gradients[name].clone()
            optimisers[index].step()

    step([0])
    two.load_state_dict(one.state_dict())
    optimisers[1].load_state_dict({name: value.clone() for name, value in optimisers[0].state_dict().items()})
    step([0, 1])
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    wider = Transformer(CONFIG.model_copy(update={"intermediate_size": 64}), seed=0)
    with pytest.raises(ValueError, match="mlp"):
        Optimiser(wider, rates).load_state_dict(optimisers[0].state_dict())
    plain = Optimiser(two)
    if rates.row_memory:
        with pytest.raises(ValueError, match="squares"):
            plain.load_state_dict(optimisers[0].state_dict())
        with pytest.raises(ValueError, match="another way"):
            optimisers[1].load_state_dict(plain.state_dict())


@given(st.integers(1, 500), st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 1))
def test_the_schedule_climbs_stays_and_falls(steps: int, warmup: float, cooldown: float, floor: float) -> None:
    factors = [warmup_stable_cooldown(steps, warmup=warmup, cooldown=cooldown, floor=floor)(s) for s in range(steps)]
    assert all(0 < factor <= 1 for factor in factors)
    top = factors.index(max(factors))
    assert factors[: top + 1] == sorted(factors[: top + 1])
    assert factors[top:] == sorted(factors[top:], reverse=True)
    assert max(factors) == 1.0


def test_the_schedule_by_hand() -> None:
    factor = warmup_stable_cooldown(10, warmup=0.2, cooldown=0.5)
    assert [factor(step) for step in range(10)] == [0.5, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2]
    assert constant(7) == 1.0
    with pytest.raises(ValueError, match="no schedule"):
        warmup_stable_cooldown(10, warmup=0.7, cooldown=0.7)


def test_a_step_imports_no_compiler() -> None:
    code = """if True:
        import sys, torch
        from hornbook.training.optimiser import Optimiser
        layer = torch.nn.Linear(2, 2)
        layer(torch.ones(1, 2)).sum().backward()
        Optimiser(layer).step()
        assert not {"torch._dynamo", "sympy"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", code], check=True)
