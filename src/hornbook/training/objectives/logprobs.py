"""Log-probabilities of given tokens, and their gradient, without ever holding tokens x vocabulary."""

from __future__ import annotations

import torch
from torch import Tensor

from hornbook.models.products import back, forward, ready
from hornbook.models.rows import cross_entropy_

CHUNK_TOKENS = 2048


def token_logprobs(hidden_ND: Tensor, head_VD: Tensor, targets_N: Tensor, *, chunk: int = CHUNK_TOKENS) -> Tensor:
    """log p(targets_N | hidden_ND), in nats, fp32, shape (N,); differentiable in the hidden states and in the head.

    The logits are made `chunk` tokens at a time in the forward pass and once more in the backward pass; each is thrown
    away as soon as it is used. The product is taken in the dtype of `hidden_ND`, the softmax always in fp32.
    Source of the idea: Wijmans et al., "Cut Your Losses in Large-Vocabulary Language Models", arXiv:2411.09009.
    """
    return _TokenLogprobs.apply(hidden_ND, head_VD, targets_N, chunk)


def sequence_sums(values_N: Tensor, sequences_N: Tensor, count: int) -> Tensor:
    """The sum of `values_N` within each of `count` sequences, shape (count,); `sequences_N` says whose each one is."""
    return torch.zeros(count, dtype=values_N.dtype, device=values_N.device).index_add(0, sequences_N, values_N)


class _TokenLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden_ND: Tensor, head_VD: Tensor, targets_N: Tensor, chunk: int) -> Tensor:
        ctx.save_for_backward(hidden_ND, head_VD, targets_N)
        ctx.chunk = chunk
        head_VD, ones_N = ready(head_VD, hidden_ND), torch.ones(len(hidden_ND), device=hidden_ND.device)
        logprobs_N = torch.empty_like(ones_N)
        for begin in range(0, len(hidden_ND), chunk):
            part = slice(begin, begin + chunk)
            logits_CV = forward(hidden_ND[part], head_VD)
            logprobs_N[part] = -cross_entropy_(logits_CV, targets_N[part], ones_N[part], gradients=False)
        return logprobs_N

    @staticmethod
    def backward(ctx, gradient_N: Tensor):
        hidden_ND, head_VD, targets_N = ctx.saved_tensors
        hidden_gradient_ND, dtype = torch.empty_like(hidden_ND), head_VD.dtype
        head_gradient_VD = torch.zeros_like(head_VD, dtype=torch.float32)
        head_VD = ready(head_VD, hidden_ND)
        for begin in range(0, len(hidden_ND), ctx.chunk):
            part = slice(begin, begin + ctx.chunk)
            # d log p(target) / d logits = one-hot(target) - softmax: the gradient of a cross entropy weighed by -1
            wanted_CV = forward(hidden_ND[part], head_VD)
            cross_entropy_(wanted_CV, targets_N[part], -gradient_N[part], gradients=True)
            hidden_gradient_ND[part] = back(wanted_CV, hidden_ND[part], head_VD, head_gradient_VD)
        return hidden_gradient_ND, head_gradient_VD.to(dtype), None, None
