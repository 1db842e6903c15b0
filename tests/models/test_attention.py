"""Our attention, by blocks and by tiles, against torch's own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hornbook.models import attention, kernels
from hornbook.models.attention import attend, attention_mask, mask_between

needs_products = pytest.mark.skipif(not kernels.has_attention(), reason="this processor multiplies no bf16")


def inputs(dtype: torch.dtype, shape: tuple[int, ...], kv_heads: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    B, H, T, E = shape
    heads = (H, kv_heads, kv_heads)
    return [torch.randn(B, count, T, E, generator=generator).to(dtype).requires_grad_() for count in heads]


def found(attended: Tensor, qkv: list[Tensor]) -> list[Tensor]:
    """The output and the gradients of some function of it."""
    weights = torch.randn(attended.shape, generator=torch.Generator().manual_seed(1)).to(attended.dtype)
    return [attended, *torch.autograd.grad(attended, qkv, weights)]


def torchs(qkv: list[Tensor], documents_BT: Tensor, prefixes_BT: Tensor | None = None) -> list[Tensor]:
    prefixes_BT = documents_BT if prefixes_BT is None else prefixes_BT
    own, prefix = (numbers_BT[:, :, None] == documents_BT[:, None, :] for numbers_BT in (documents_BT, prefixes_BT))
    seen = (own | prefix).tril()[:, None]
    return found(F.scaled_dot_product_attention(*qkv, attn_mask=seen, enable_gqa=True).transpose(1, 2), qkv)


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
@pytest.mark.parametrize("tile_bytes", [1, 40 * 40 * 4 * 3, 1 << 20])
def test_tiles_are_torchs(monkeypatch: pytest.MonkeyPatch, tile_bytes: int, kv_heads: int) -> None:
    monkeypatch.setattr(attention, "TILE_BYTES", tile_bytes)
    qkv = inputs(torch.float32, (3, 4, 40, 8), kv_heads)
    documents_BT = torch.tensor([[0] * 13 + [1] * 27, [0] * 40, [0] * 5 + [1] * 5 + [-1] * 30])
    for prefixes_BT in (None, torch.where(documents_BT == 1, 0, documents_BT)):
        ours = found(attend(*qkv, attention_mask(qkv[0], 3, 40, qkv[0].shape[-1], documents_BT, prefixes_BT)), qkv)
        for own, other in zip(ours, torchs(qkv, documents_BT, prefixes_BT), strict=True):
            torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-5)


def test_tiles_in_bf16_are_as_near_to_fp32_as_torchs_kernel_is() -> None:
    qkv = inputs(torch.bfloat16, (3, 4, 40, 8), 4)
    exact = torchs([x.detach().float().requires_grad_() for x in qkv], torch.zeros(3, 40))
    ours = found(attend(*qkv, attention_mask(qkv[0], 3, 40, qkv[0].shape[-1])), qkv)
    for own, other, true in zip(ours, torchs(qkv, torch.zeros(3, 40)), exact, strict=True):
        assert (own - true).norm() < 1.5 * (other - true).norm()


@pytest.mark.parametrize("tile_bytes", [1, 40 * 24 * 4 * 3, 1 << 20])
@pytest.mark.parametrize(("causal", "window"), [(False, None), (True, None), (False, 5)])
def test_tiles_both_ways_with_a_bias_are_torchs(monkeypatch: pytest.MonkeyPatch, tile_bytes, causal, window) -> None:
    """Queries and keys of different numbers, a bias that learns, documents, and scores that are not scaled."""
    monkeypatch.setattr(attention, "TILE_BYTES", tile_bytes)
    q, _, _ = inputs(torch.float32, (3, 4, 40, 8), 4)
    _, k, v = inputs(torch.float32, (3, 4, 24, 8), 4)
    bias = torch.randn(1, 4, 40, 24, generator=torch.Generator().manual_seed(2)).requires_grad_()
    queries_BT = torch.tensor([[0] * 13 + [1] * 27, [0] * 40, [0] * 5 + [1] * 5 + [-1] * 30])
    keys_BS = torch.tensor([[0] * 13 + [1] * 11, [0] * 24, [0] * 4 + [1] * 20])  # no padding for padding to look at
    ahead = torch.arange(24) - torch.arange(40)[:, None]
    seen = queries_BT[:, :, None] == keys_BS[:, None]
    seen = seen & (ahead <= 0) if causal else seen
    seen = seen if window is None else seen & (ahead.abs() <= window)
    seen = (seen | ~seen.any(-1, keepdim=True))[:, None]
    added = bias.masked_fill(~seen, float("-inf"))
    theirs = F.scaled_dot_product_attention(q, k, v, attn_mask=added, scale=1.0).transpose(1, 2)
    mask = mask_between(q, (40, 24), queries_BT, keys_BS, causal=causal, window=window)
    ours = attend(q, k, v, mask, scale=1.0, bias_1HTS=bias)
    for own, other in zip(found(ours, [q, k, v, bias]), found(theirs, [q, k, v, bias]), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-5)
    with torch.no_grad():  # torch's kernel through the same door
        torch.testing.assert_close(attend(q, k, v, mask, scale=1.0, bias_1HTS=bias), ours, rtol=1e-5, atol=1e-5)


@needs_products
@pytest.mark.parametrize(("shape", "kv_heads"), [((2, 4, 64, 32), 4), ((3, 4, 96, 64), 2), ((1, 6, 32, 128), 1)])
def test_blocks_are_as_near_to_fp32_as_torchs_kernel_is(shape: tuple[int, ...], kv_heads: int) -> None:
    B, _, T, _ = shape
    generator = torch.Generator().manual_seed(2)
    documents_BT = torch.randint(0, 3, (B, T), generator=generator).sort(1).values
    documents_BT[-1, -20:] = -1  # padding
    documents_BT[0] = torch.randint(0, 3, (T,), generator=generator)  # documents in many pieces
    qkv = inputs(torch.bfloat16, shape, kv_heads)
    for prefixes_BT in (None, torch.where(documents_BT == 2, 0, documents_BT)):
        exact = torchs([x.detach().float().requires_grad_() for x in qkv], documents_BT, prefixes_BT)
        ours = found(attend(*qkv, attention_mask(qkv[0], B, T, qkv[0].shape[-1], documents_BT, prefixes_BT)), qkv)
        for own, other, true in zip(ours, torchs(qkv, documents_BT, prefixes_BT), exact, strict=True):
            assert (own - true).norm() < 1.2 * (other - true).norm()


@needs_products
def test_blocks_leave_the_tiles_of_others_as_they_were() -> None:
    """torch's own products use the same units and may not find them changed."""
    generator = torch.Generator().manual_seed(3)
    a, b = (torch.randn(256, 256, generator=generator).bfloat16() for _ in range(2))
    before = a @ b
    qkv = inputs(torch.bfloat16, (4, 4, 64, 32), 4)
    for _ in range(3):
        found(attend(*qkv, attention_mask(qkv[0], 4, 64, qkv[0].shape[-1])), qkv)
        assert torch.equal(a @ b, before)


@needs_products
def test_a_nan_stays_one() -> None:
    q, k, v = inputs(torch.bfloat16, (1, 1, 32, 32), 1)
    with torch.no_grad():
        k[0, 0, 3, 0] = float("nan")
    o_BTHE = attend(q, k, v, attention_mask(q, 1, 32, q.shape[-1]))
    assert not o_BTHE[0, :3].isnan().any()
    assert o_BTHE[0, 3:].isnan().all()
