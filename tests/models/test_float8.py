"""Products in eight-bit floats: the roundings that are meant, as near as these allow, and where they are refused."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hornbook.core.errors import HornbookError
from hornbook.models import Transformer, TransformerConfig
from hornbook.models.float8 import GRADIENTS, VALUES, demand_float8, has_float8, product, use_float8
from hornbook.tokens.batch import Batch
from hornbook.training.batch import on_device
from hornbook.training.objectives.next_token import next_token

CONFIG = TransformerConfig(
    vocab_size=24, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
    num_key_value_heads=1, head_dim=16,
)


def emulated(x: Tensor, kind: torch.dtype) -> Tensor:
    """x as eight bits and one scale have it, in fp64: each number the nearest of the type's grid, halves to even."""
    unit = x.double().abs().max() / torch.finfo(kind).max
    bits, smallest = {VALUES: (3, -6), GRADIENTS: (2, -14)}[kind]
    scaled = (x.float() / unit.float()).double()
    exponent = torch.frexp(scaled)[1].sub(1).clamp(min=smallest)
    step = torch.ldexp(torch.ones_like(scaled), exponent - bits)
    return (scaled / step).round() * step * unit


def relative(found: Tensor, true: Tensor) -> float:
    found, true = found.detach().double(), true.detach().double()
    return float((found - true).norm() / true.norm())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("spread", [1e-6, 1.0, 1e6])
def test_products_and_gradients_are_those_of_rounded_numbers(dtype: torch.dtype, spread: float) -> None:
    generator = torch.Generator().manual_seed(0)
    x = (torch.randn(2, 32, 64, generator=generator) * spread).to(dtype).requires_grad_()
    weight = (torch.randn(48, 64, generator=generator) / 8).requires_grad_()
    dy = (torch.randn(2, 32, 48, generator=generator) * spread).to(dtype)
    y = product(x, weight)
    dx, dweight = torch.autograd.grad(y, (x, weight), dy)
    assert (y.dtype, dx.dtype, dweight.dtype) == (dtype, dtype, torch.float32)
    x8, weight8, dy8 = emulated(x, VALUES), emulated(weight, VALUES), emulated(dy, GRADIENTS)
    exact = (2e-3 if dtype == torch.bfloat16 else 1e-5)  # what the result is rounded to
    assert relative(y, x8 @ weight8.T) < exact
    assert relative(dx, dy8 @ weight8) < exact
    assert relative(dweight, dy8.flatten(0, 1).T @ x8.flatten(0, 1)) < 1e-5
    assert relative(y, x.double() @ weight.double().T) < 0.05  # e4m3 rounds to a part in 16
    assert relative(dx, dy.double() @ weight.double()) < 0.1  # e5m2 to one in 8


def test_zeros_are_zeros_and_what_is_not_finite_stays_so() -> None:
    weight = torch.randn(16, 16)
    assert not product(torch.zeros(16, 16), weight).any()
    for bad in (float("nan"), float("inf")):
        x = torch.ones(16, 16)
        x[3, 4] = bad
        assert not product(x, weight)[3].isfinite().any()


def batch_of(rows: int, window: int) -> Batch:
    generator = torch.Generator().manual_seed(0)
    batch = Batch.empty(rows, window)
    batch.ids_BT[:], batch.targets_BT[:] = torch.randint(0, 24, (2, rows, window), generator=generator).numpy()
    batch.documents_BT[:], batch.weights_BT[:] = 0, 1.0
    return on_device(batch, "cpu")


def gradient(model: Transformer) -> Tensor:
    model.zero_grad(set_to_none=True)
    next_token(model, batch_of(2, 16)).total.backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def test_a_model_trains_with_them_and_speaks_without() -> None:
    model = Transformer(CONFIG, seed=0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    exact, ids = gradient(model), torch.arange(16)[None]
    with torch.no_grad():
        said = model(ids)
    assert use_float8(model.model.layers) == 14
    rough = gradient(model)
    assert 0.001 < relative(rough, exact) < 0.2
    with torch.no_grad():
        assert torch.equal(model(ids), said)
    assert not model.lm_head.float8


def test_a_graph_makes_the_same_of_them() -> None:
    x, weight = torch.randn(32, 16, requires_grad=True), torch.randn(48, 16, requires_grad=True)
    traced = torch.compile(product, backend="aot_eager", fullgraph=True)(x, weight)
    plain = product(x, weight)
    dy = torch.randn(32, 48)
    for own, other in zip(
        [traced, *torch.autograd.grad(traced, (x, weight), dy)], [plain, *torch.autograd.grad(plain, (x, weight), dy)],
        strict=True,
    ):  # fmt: skip
        assert torch.equal(own, other)


def test_odd_sizes_stay_as_they_are() -> None:
    model = Transformer(CONFIG.model_copy(update={"intermediate_size": 40}), seed=0)
    assert use_float8(model.model.layers) == 8


def test_where_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not has_float8("cpu")
    with pytest.raises(HornbookError, match=r"\[pretrain\] fp8: cpu has no products of eight-bit floats; leave it out"):
        demand_float8("cpu", "[pretrain] fp8")
    for capability, there in (((8, 9), False), ((9, 0), True), ((10, 0), True)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, found=capability: found)
        assert has_float8("cuda") == there
