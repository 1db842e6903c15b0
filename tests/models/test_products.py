"""The products of linear layers and Newton-Schulz's iteration by kernel, against the exact ones and against torch's."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hornbook.models import kernels, products
from hornbook.models.kernels import has_products, use_kernels
from hornbook.models.kernels import kernels as library
from hornbook.training.optimiser import NEWTON_SCHULZ, orthogonalised

pytestmark = pytest.mark.skipif(
    library() is None or not has_products(), reason="the processor has no vectors that multiply pairs of bf16"
)


@pytest.fixture(autouse=True)
def _by_kernel():
    yield
    use_kernels(True)


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@given(
    places=st.integers(128, 700), outputs=st.integers(1, 150), inputs=st.integers(1, 5), seed=st.integers(0, 2**31)
)
@settings(max_examples=20)
def test_a_linear_layer_is_the_exact_one_rounded_once(
    dtype: torch.dtype, places: int, outputs: int, inputs: int, seed: int
) -> None:
    M, N, K = 2 * places, 2 * outputs, 32 * inputs
    x = numbers(seed, M, K).bfloat16().requires_grad_()
    weight = numbers(seed + 1, N, K).to(dtype).requires_grad_()
    dy = numbers(seed + 2, M, N).bfloat16()
    y = products.linear(x, weight)
    dx, dw = torch.autograd.grad(y, [x, weight], dy)
    rounded = weight.detach().bfloat16().double()
    places_MK = x.detach().double()
    for own, exact in ((y, places_MK @ rounded.T), (dx, dy.double() @ rounded), (dw, dy.double().T @ places_MK)):
        once = 2**-8 if own.dtype == torch.bfloat16 else 2e-6  # half a unit of bf16's last place, and fp32's sum
        torch.testing.assert_close(own.detach().double(), exact, rtol=once, atol=2e-5 * float(exact.abs().max()))


def test_the_same_bits_whatever_the_threads() -> None:
    x, weight, dy = numbers(0, 1500, 96).bfloat16(), numbers(1, 200, 96), numbers(2, 1500, 200).bfloat16()
    found, before = [], torch.get_num_threads()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        gradient = torch.zeros(200, 96)
        found.append([products.forward(x, weight), products.back(dy, x, weight, gradient), gradient])
    torch.set_num_threads(before)
    assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


def test_a_gradient_is_added_to_what_is_there() -> None:
    x, weight, dy = numbers(0, 512, 64).bfloat16(), numbers(1, 70, 64), numbers(2, 512, 70).bfloat16()
    was = numbers(3, 70, 64)
    gradient = was.clone()
    products.back(dy, x, weight, gradient)
    torch.testing.assert_close(gradient, was + (dy.double().T @ x.double()).float(), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("places", "outputs", "inputs"), [(255, 64, 64), (257, 64, 64), (512, 63, 64), (512, 64, 40)])
def test_what_does_not_fit_is_left_to_torch(places: int, outputs: int, inputs: int) -> None:
    x, weight = numbers(0, places, inputs).bfloat16(), numbers(1, outputs, inputs)
    assert torch.equal(products.forward(x, weight), torch.nn.functional.linear(x, weight.bfloat16()))


def test_a_product_in_a_place_that_is_given() -> None:
    x, weight = numbers(0, 512, 64).bfloat16(), numbers(1, 66, 64)
    out = torch.empty(512, 66, dtype=torch.bfloat16)
    assert products.forward(x, weight, out=out) is out
    assert torch.equal(out, products.forward(x, weight))


@pytest.mark.parametrize("shape", [(3, 64, 64), (2, 96, 32), (2, 32, 96), (1, 160, 64), (2, 64, 224), (4, 32, 32)])
@pytest.mark.parametrize("spread", [0.0, -2.0, -4.0])
def test_orthogonalised_is_within_twice_the_error_of_plain_products(shape: tuple[int, ...], spread: float) -> None:
    matrices = numbers(0, *shape)
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    matrices = left @ torch.diag(torch.logspace(0, spread, left.shape[-1])) @ right
    exact = _exact(matrices)
    own = orthogonalised(matrices)
    use_kernels(False)
    plain = orthogonalised(matrices).float()

    def error(found: Tensor) -> float:
        return float((found - exact).norm() / exact.norm())

    assert error(own) < max(2 * error(plain), 0.02)
    assert torch.linalg.svdvals(own).max() < 1.3


def _exact(matrices: Tensor) -> Tensor:
    """The iteration in double precision."""
    a, b, c = NEWTON_SCHULZ
    x = matrices.double()
    x = x.mT if x.shape[1] > x.shape[2] else x
    x = x / x.norm(dim=(1, 2), keepdim=True)
    for _ in range(5):
        g = x @ x.mT
        x = a * x + (b * g + c * g @ g) @ x
    return (x.mT if matrices.shape[1] > matrices.shape[2] else x).float()


def test_kernels_named_here_exist() -> None:
    loaded = kernels.kernels()
    assert loaded is not None
    assert all(hasattr(loaded, name) for name in ("linear_f32", "linear_back_bf16", "orthogonal_f32"))
