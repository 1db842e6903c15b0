"""Each piece of element-wise work by kernel against the same in plain torch, values and gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hornbook.models import kernels, rows

pytestmark = pytest.mark.skipif(not kernels.found_kernels().loaded, reason="there is no C++ compiler here")
TOLERANCE = {torch.float32: {"rtol": 2e-5, "atol": 2e-5}, torch.bfloat16: {"rtol": 3e-2, "atol": 3e-2}}




def both_ways(work: Callable[..., Tensor | tuple[Tensor, ...]], given: list[Tensor]) -> list[list[Tensor]]:
    """Outputs and gradients with kernels, and without."""
    found = []
    for wanted in (True, False):
        kernels.use_kernels(wanted)
        leaves = [x.detach().clone().requires_grad_() for x in given]
        made = work(*leaves)
        made = (made,) if isinstance(made, Tensor) else made
        generator = torch.Generator().manual_seed(5)
        weights = [torch.randn(x.shape, generator=generator).to(x.dtype) for x in made]
        found.append([*made, *torch.autograd.grad(made, leaves, weights)])
    return found


def numbers(seed: int, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def check(work: Callable, given: list[Tensor], dtype: torch.dtype) -> None:
    for own, other in zip(*both_ways(work, given), strict=True):
        assert own.dtype == other.dtype
        scale = other.abs().max().clamp(min=1.0)
        torch.testing.assert_close(own / scale, other / scale, **TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@given(places=st.integers(1, 70), width=st.integers(1, 300), seed=st.integers(0, 2**31))
@settings(max_examples=25)
def test_norm(dtype: torch.dtype, places: int, width: int, seed: int) -> None:
    x = numbers(seed, 2, places, width, dtype=dtype)
    check(lambda x, w: rows.rms_norm(x, w, 1e-6), [x, numbers(seed + 1, width)], dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@given(places=st.integers(1, 70), width=st.integers(1, 300), seed=st.integers(0, 2**31))
@settings(max_examples=25)
def test_swiglu(dtype: torch.dtype, places: int, width: int, seed: int) -> None:
    check(rows.swiglu, [3 * numbers(seed, places, 2 * width, dtype=dtype)], dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("normed", [True, False])
@pytest.mark.parametrize(("heads", "width", "rotations"), [((4, 4), 64, 3), ((4, 2), 16, 1), ((3, 1), 6, 3)])
def test_heads(dtype: torch.dtype, normed: bool, heads: tuple[int, int], width: int, rotations: int) -> None:
    x = numbers(0, 3, 20, (heads[0] + 2 * heads[1]) * width, dtype=dtype)
    angles = numbers(1, rotations, 20, width // 2).repeat(1, 1, 2)
    norms = [numbers(2, width), numbers(3, width)] if normed else []

    def split(x: Tensor, *norms: Tensor) -> tuple[Tensor, ...]:
        return rows.split_heads(x, heads, norms or None, 1e-6, (angles.cos(), angles.sin()))  # type: ignore[arg-type]

    check(split, [x, *norms], dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@given(places=st.integers(1, 40), words=st.integers(2, 3000), seed=st.integers(0, 2**31))
@settings(max_examples=25)
def test_cross_entropy(dtype: torch.dtype, places: int, words: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = 5 * numbers(seed, places, words, dtype=dtype)
    targets, weights = torch.randint(0, words, (places,), generator=generator), torch.rand(places, generator=generator)
    leaf = scores.float().requires_grad_()
    losses = torch.nn.functional.cross_entropy(leaf, targets, reduction="none") * weights
    (gradient,) = torch.autograd.grad(losses.sum(), leaf)
    for wanted in (True, False):
        kernels.use_kernels(wanted)
        work = scores.clone()
        torch.testing.assert_close(rows.cross_entropy_(work, targets, weights, gradients=False), losses.detach())
        assert torch.equal(work, scores)
        rows.cross_entropy_(work, targets, weights, gradients=True)
        torch.testing.assert_close(work.float(), gradient, rtol=1e-2 if dtype == torch.bfloat16 else 1e-4, atol=1e-6)


def test_what_is_no_number_stays_none_and_the_rest_is_whole() -> None:
    for bad in (float("nan"), float("inf")):
        x = numbers(0, 4, 32)
        x[1, 3] = bad
        for y in (rows.rms_norm(x, torch.ones(32), 1e-6), rows.swiglu(x)):
            assert not y[1].isfinite().all()
            assert y[[0, 2, 3]].isfinite().all()
        weights, targets = torch.ones(4), torch.zeros(4, dtype=torch.int64)
        losses = rows.cross_entropy_(x.bfloat16(), targets, weights, gradients=True)
        assert losses.isfinite().tolist() == [True, False, True, True]


def test_scores_far_apart() -> None:
    scores = torch.tensor([[0.0, -1e4, 3e38], [-3e38, 0.0, 50.0]])
    losses = rows.cross_entropy_(scores, torch.tensor([2, 1]), torch.ones(2), gradients=True)
    torch.testing.assert_close(losses, torch.tensor([0.0, 50.0]))
    torch.testing.assert_close(scores, torch.tensor([[0.0, 0.0, 0.0], [0.0, -1.0, 1.0]]))
