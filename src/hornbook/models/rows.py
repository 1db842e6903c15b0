"""The element-wise work of a transformer: norms, the split into heads, SwiGLU and cross entropy.

Each has two forms with one meaning: plain torch, which compilers understand and every device runs, and on a processor
with a C++ compiler one pass of `cpp/rows.cpp` forward and one back. The plain form is what the other is tested against.
Shapes: N rows, D width, F feed-forward width, B rows of T places, H heads, K key-value heads, E head width, V words.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hornbook.models.kernels import call, has_kernels

Rotation = tuple[Tensor, Tensor]  # cos and sin of every place's angles, each (B or 1, T, E), fp32


def rms_norm(x: Tensor, weight_D: Tensor, eps: float) -> Tensor:
    """x / rms(x) * weight over the last axis, in fp32 inside (arXiv:1910.07467)."""
    if has_kernels(x):
        return _applied(_RMSNorm, x, weight_D, eps)
    y = x.float()
    y = y * torch.rsqrt(y.square().mean(-1, keepdim=True) + eps)
    return weight_D.to(x.dtype) * y.to(x.dtype)


def swiglu(gate_and_up: Tensor) -> Tensor:
    """silu(gate) * up of (..., 2F), the gate before the up, as (..., F) (arXiv:2002.05202)."""
    if has_kernels(gate_and_up):
        return _applied(_SwiGLU, gate_and_up)
    gate, up = gate_and_up.chunk(2, dim=-1)
    return F.silu(gate) * up


def split_heads(
    x_BTC: Tensor, heads: tuple[int, int], norms: tuple[Tensor, Tensor] | None, eps: float, rotation: Rotation
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values side by side, C = (H + 2K) E, as q_BHTE, k_BKTE and v_BKTE.

    `heads` is (H, K). Queries and keys are normed head by head where there are `norms` (of width E, for queries and
    for keys), then turned by their places' angles.
    """
    H, K = heads
    if has_kernels(x_BTC):
        q_norm, k_norm = norms or (None, None)
        return _applied(_SplitHeads, x_BTC, q_norm, k_norm, eps, rotation, H, K)
    x_BTHE = x_BTC.unflatten(-1, (H + 2 * K, -1))
    q_BTHE, k_BTKE, v_BTKE = x_BTHE.split((H, K, K), dim=2)
    if norms:
        q_BTHE, k_BTKE = rms_norm(q_BTHE, norms[0], eps), rms_norm(k_BTKE, norms[1], eps)
    return rotate(q_BTHE.transpose(1, 2), rotation), rotate(k_BTKE.transpose(1, 2), rotation), v_BTKE.transpose(1, 2)


def rotate(x_BHTE: Tensor, rotation: Rotation) -> Tensor:
    """Turn the pairs (e, e + E/2) of every head by its place's angles, as Llama's checkpoints have them."""
    cos, sin = (part[:, None].to(x_BHTE.dtype) for part in rotation)
    left, right = x_BHTE.chunk(2, dim=-1)
    return x_BHTE * cos + torch.cat((-right, left), dim=-1) * sin


def cross_entropy_(scores_NV: Tensor, targets_N: Tensor, weights_N: Tensor, *, gradients: bool) -> Tensor:
    """- weight log softmax(scores)[target] of each row, fp32, (N,). Not differentiable itself: with `gradients` the
    scores are overwritten by the gradient of the losses' sum, weight (softmax - one-hot of the target)."""
    if has_kernels(scores_NV):
        losses_N = torch.empty(len(scores_NV), dtype=torch.float32)
        targets_N, weights_N = targets_N.contiguous(), weights_N.float().contiguous()
        call("cross_entropy", scores_NV, targets_N, weights_N, losses_N, *scores_NV.shape, int(gradients))
        return losses_N
    targets_N1, weights_N1 = targets_N[:, None], weights_N[:, None]
    logprobs_NV = torch.log_softmax(scores_NV.float(), dim=-1)
    if gradients:
        gradients_NV = logprobs_NV.exp() * weights_N1
        if torch.compiler.is_compiling():  # in the same pass; to scatter, a graph would write them all first
            here_NV = torch.arange(scores_NV.shape[1], device=scores_NV.device) == targets_N1
            gradients_NV = torch.where(here_NV, gradients_NV - weights_N1, gradients_NV)
        else:
            gradients_NV = gradients_NV.scatter_add(1, targets_N1, -weights_N1)
        scores_NV.copy_(gradients_NV)
    return -(logprobs_NV.gather(1, targets_N1) * weights_N1)[:, 0]


class _NoWayBack:
    """Stands for autograd's context where there are no gradients: to enter autograd costs as much as a small kernel."""

    needs_input_grad = (False,) * 8

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Nothing goes back."""


def _applied(function: type[torch.autograd.Function], *arguments: Any) -> Any:
    return function.apply(*arguments) if torch.is_grad_enabled() else function.forward(_NoWayBack(), *arguments)


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight_D: Tensor, eps: float) -> Tensor:
        x, w = x.contiguous(), weight_D.float()
        y, rows = torch.empty_like(x), x.numel() // x.shape[-1]
        scale_N = torch.empty(rows) if ctx.needs_input_grad[0] or ctx.needs_input_grad[1] else None
        call("rms_norm", x, w, eps, y, scale_N, rows, x.shape[-1])
        ctx.save_for_backward(x, weight_D, scale_N)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor):
        x, weight_D, scale_N = ctx.saved_tensors
        dy = gradients[0].contiguous()
        dx, dw = torch.empty_like(x), torch.empty(x.shape[-1])
        call("rms_norm_back", dy, x, weight_D.float(), scale_N, dx, dw, len(scale_N), x.shape[-1])
        return dx, dw.to(weight_D.dtype), None


class _SwiGLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, both: Tensor) -> Tensor:
        both = both.contiguous()
        y = both.new_empty(*both.shape[:-1], both.shape[-1] // 2)
        call("swiglu", both, y, y.numel() // y.shape[-1], y.shape[-1])
        ctx.save_for_backward(both)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor):
        (both,) = ctx.saved_tensors
        dy, dboth = gradients[0].contiguous(), torch.empty_like(both)
        call("swiglu_back", dy, both, dboth, dy.numel() // dy.shape[-1], dy.shape[-1])
        return dboth


class _SplitHeads(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_BTC: Tensor, q_norm, k_norm, eps: float, rotation: Rotation, H: int, K: int):
        x_BTC = x_BTC.contiguous()
        B, T, C = x_BTC.shape
        E = C // (H + 2 * K)
        cos, sin = (part.contiguous() for part in rotation)
        sizes = (B, T, H, K, E, 0 if len(cos) == 1 else T * E)
        q, k, v = (x_BTC.new_empty(B, heads, T, E) for heads in (H, K, K))
        scale = torch.empty(B * T * (H + K)) if q_norm is not None and any(ctx.needs_input_grad[:3]) else None
        call("split_heads", x_BTC, _fp32(q_norm), _fp32(k_norm), eps, cos, sin, q, k, v, scale, *sizes)
        ctx.save_for_backward(x_BTC, q_norm, k_norm, cos, sin, scale)
        ctx.sizes = sizes
        return q, k, v

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor):
        x_BTC, q_norm, k_norm, cos, sin, scale = ctx.saved_tensors
        dq, dk, dv = (gradient.contiguous() for gradient in gradients)
        dx = torch.empty_like(x_BTC)
        dq_norm, dk_norm = (None if norm is None else torch.empty(norm.shape) for norm in (q_norm, k_norm))
        call("split_heads_back", dq, dk, dv, x_BTC, _fp32(q_norm), _fp32(k_norm), cos, sin, scale, dx, dq_norm,
              dk_norm, *ctx.sizes)  # fmt: skip
        ours = (None if gradient is None else gradient.to(norm.dtype)
                for gradient, norm in ((dq_norm, q_norm), (dk_norm, k_norm)))  # fmt: skip
        return dx, *ours, None, None, None, None


def _fp32(weight: Tensor | None) -> Tensor | None:
    return None if weight is None else weight.float()
