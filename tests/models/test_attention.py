"""Attention by tiles against torch's own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from hornbook.models import attention


def inputs(dtype: torch.dtype, kv_heads: int = 4) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(3, 4, 40, 8), (3, kv_heads, 40, 8), (3, kv_heads, 40, 8)]
    return tuple(torch.randn(shape, generator=generator).to(dtype).requires_grad_() for shape in shapes)


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
@pytest.mark.parametrize("tile_bytes", [1, 40 * 40 * 4 * 3, 1 << 20])
def test_values_and_gradients_are_torchs(monkeypatch: pytest.MonkeyPatch, tile_bytes: int, kv_heads: int) -> None:
    monkeypatch.setattr(attention, "TILE_BYTES", tile_bytes)
    q, k, v = inputs(torch.float32, kv_heads)
    documents_BT = torch.tensor([[0] * 13 + [1] * 27, [0] * 40, [0] * 5 + [1] * 5 + [-1] * 30])
    mask = attention.attention_mask(documents_BT, 40, torch.float32, q.device)
    seen = (documents_BT[:, :, None] == documents_BT[:, None, :]).tril()[:, None]
    weights = torch.randn(3, 4, 40, 8, generator=torch.Generator().manual_seed(1))
    ours = attention.attend(q, k, v, mask)
    theirs = F.scaled_dot_product_attention(q, k, v, attn_mask=seen, enable_gqa=True)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    for own, other in zip(*(torch.autograd.grad((o * weights).sum(), (q, k, v)) for o in (ours, theirs)), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-5)


def test_bf16_is_as_near_to_fp32_as_torchs_kernel_is() -> None:
    q, k, v = inputs(torch.bfloat16)
    mask = attention.attention_mask(None, 40, torch.bfloat16, q.device)
    exact = F.scaled_dot_product_attention(q.float(), k.float(), v.float(), is_causal=True)
    ours = attention.attend(q, k, v, mask).float()
    theirs = F.scaled_dot_product_attention(q, k, v, is_causal=True).float()
    assert (ours - exact).norm() < 2 * (theirs - exact).norm()


def test_the_operator_is_one_that_compilers_understand() -> None:
    q, k, v = inputs(torch.float32)
    mask = attention.attention_mask(None, 40, torch.float32, q.device).expand(3, -1, -1, -1)
    checks = ("test_schema", "test_faketensor", "test_autograd_registration")
    torch.library.opcheck(torch.ops.hornbook.tiled_attention, (q, k, v, mask), test_utils=checks)
