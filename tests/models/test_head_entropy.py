"""The head and its loss in one kernel, against the exact ones."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hornbook.models.head_entropy import has_head_kernel, head_entropy
from hornbook.models.kernels import has_products
from hornbook.models.kernels import kernels as library
from hornbook.training.objectives.next_token import head_loss

pytestmark = pytest.mark.skipif(
    library() is None or not has_products(), reason="the processor has no vectors that multiply pairs of bf16"
)


def made(seed: int, places: int, words: int, width: int, scale: float = 0.2) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x_ND = torch.randn(places, width, generator=generator).bfloat16()
    head_VD = torch.randn(words, width, generator=generator) * scale
    targets_N = torch.randint(0, words, (places,), generator=generator)
    weights_N = torch.rand(places, generator=generator) * (torch.arange(places) % 5 > 0)
    return x_ND, head_VD, targets_N, weights_N


def exact(x_ND: Tensor, head_VD: Tensor, targets_N: Tensor, weights_N: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    x, head = x_ND.double().requires_grad_(), head_VD.bfloat16().double().requires_grad_()
    losses_N = F.cross_entropy(x @ head.T, targets_N, reduction="none") * weights_N
    x_gradient_ND, head_gradient_VD = torch.autograd.grad(losses_N.sum(), (x, head))
    return losses_N.detach(), x_gradient_ND, head_gradient_VD


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@given(
    places=st.integers(128, 400), words=st.integers(1, 500), width=st.integers(1, 5), chunk=st.integers(16, 300),
    scale=st.sampled_from([0.01, 0.2, 3.0]), seed=st.integers(0, 2**31),
)  # fmt: skip
@settings(max_examples=25)
def test_losses_are_the_exact_ones_and_gradients_those_rounded(
    dtype: torch.dtype, places: int, words: int, width: int, chunk: int, scale: float, seed: int
) -> None:
    x_ND, head_VD, targets_N, weights_N = made(seed, 2 * places, 2 * words, 32 * width, scale)
    head_VD = head_VD.to(dtype)
    assert has_head_kernel(x_ND, head_VD, 2 * chunk)
    own = head_entropy(x_ND, head_VD, targets_N, weights_N, 2 * chunk, gradients=True)
    expected = exact(x_ND, head_VD, targets_N, weights_N)
    torch.testing.assert_close(own[0].double(), expected[0], rtol=2e-6, atol=1e-6 * (1 + 30 * scale))
    for found, gradient in zip(own[1:], expected[1:], strict=True):  # each score's share is rounded to bf16, twice
        assert (found.double() - gradient).norm() <= 2**-7 * gradient.norm() + 1e-6
    alone = head_entropy(x_ND, head_VD, targets_N, weights_N, 2 * chunk, gradients=False)
    assert torch.equal(alone[0], own[0])
    assert alone[1].numel() == alone[2].numel() == 0


def test_the_same_bits_whatever_the_threads() -> None:
    given_, found, before = made(0, 900, 2300, 96), [], torch.get_num_threads()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.append(head_entropy(*given_, 512, gradients=True))
    torch.set_num_threads(before)
    assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


def test_what_is_not_finite_is_not_hidden() -> None:
    x_ND, head_VD, targets_N, weights_N = made(1, 256, 400, 32)
    x_ND[3, 5], head_VD[390, 7] = torch.nan, torch.inf
    losses_N = head_entropy(x_ND, head_VD, targets_N, weights_N, 256, gradients=True)[0]
    assert losses_N[3].isnan()
    assert not losses_N.sum().isfinite()


def test_the_loss_of_a_head_goes_through_it_and_may_go_back_twice() -> None:
    x_ND, head_VD, targets_N, weights_N = made(2, 512, 600, 64)
    x_ND.requires_grad_()
    head_VD.requires_grad_()
    loss = head_loss(x_ND, head_VD, targets_N, weights_N)
    for times in (1.0, 2.0):
        gradients = torch.autograd.grad(loss * times, (x_ND, head_VD), retain_graph=True)
        for found, expected in zip(gradients, exact(x_ND.detach(), head_VD.detach(), targets_N, weights_N)[1:],
                                   strict=True):  # fmt: skip
            assert (found.double() - times * expected).norm() <= 2**-7 * times * expected.norm()
