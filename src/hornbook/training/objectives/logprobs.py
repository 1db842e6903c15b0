"""Log-probabilities of given tokens, and their gradient, without ever holding tokens x vocabulary."""

from __future__ import annotations

import torch
from torch import Tensor

CHUNK_TOKENS = 2048


def token_logprobs(hidden_ND: Tensor, head_VD: Tensor, targets_N: Tensor, *, chunk: int = CHUNK_TOKENS) -> Tensor:
    """log p(targets_N | hidden_ND), in nats, fp32, shape (N,); differentiable in the hidden states and in the head.

    The logits are made `chunk` tokens at a time in the forward pass and once more in the backward pass; each is thrown
    away as soon as it is used. The product is taken in the dtype of `hidden_ND`, the softmax always in fp32.
    Source of the idea: Wijmans et al., "Cut Your Losses in Large-Vocabulary Language Models", arXiv:2411.09009.
    """
    return _TokenLogprobs.apply(hidden_ND, head_VD, targets_N, chunk)


@torch.no_grad()
def token_entropies(hidden_ND: Tensor, head_VD: Tensor, *, chunk: int = CHUNK_TOKENS) -> Tensor:
    """The entropy of the next-token distribution at each place, in nats, fp32, shape (N,); carries no gradient."""
    entropies_N = torch.empty(len(hidden_ND), dtype=torch.float32, device=hidden_ND.device)
    for begin in range(0, len(hidden_ND), chunk):
        part = slice(begin, begin + chunk)
        logprobs_CV = torch.log_softmax(_logits(hidden_ND[part], head_VD), dim=-1)
        entropies_N[part] = -(logprobs_CV.exp() * logprobs_CV).sum(-1)
    return entropies_N


def sequence_sums(values_N: Tensor, sequences_N: Tensor, count: int) -> Tensor:
    """The sum of `values_N` within each of `count` sequences, shape (count,); `sequences_N` says whose each one is."""
    return torch.zeros(count, dtype=values_N.dtype, device=values_N.device).index_add(0, sequences_N, values_N)


def _logits(hidden_CD: Tensor, head_VD: Tensor) -> Tensor:
    with torch.autocast(hidden_CD.device.type, enabled=False):
        return (hidden_CD @ head_VD.to(hidden_CD.dtype).T).float()


class _TokenLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden_ND: Tensor, head_VD: Tensor, targets_N: Tensor, chunk: int) -> Tensor:
        logprobs_N = torch.empty(len(hidden_ND), dtype=torch.float32, device=hidden_ND.device)
        normalisers_N = torch.empty_like(logprobs_N)
        for begin in range(0, len(hidden_ND), chunk):
            part = slice(begin, begin + chunk)
            logits_CV = _logits(hidden_ND[part], head_VD)
            normalisers_N[part] = torch.logsumexp(logits_CV, dim=-1)
            logprobs_N[part] = logits_CV.gather(1, targets_N[part, None])[:, 0] - normalisers_N[part]
        ctx.save_for_backward(hidden_ND, head_VD, targets_N, normalisers_N)
        ctx.chunk = chunk
        return logprobs_N

    @staticmethod
    def backward(ctx, gradient_N: Tensor):
        hidden_ND, head_VD, targets_N, normalisers_N = ctx.saved_tensors
        hidden_gradient_ND = torch.empty_like(hidden_ND)
        head_gradient_VD = torch.zeros_like(head_VD, dtype=torch.float32)
        for begin in range(0, len(hidden_ND), ctx.chunk):
            part = slice(begin, begin + ctx.chunk)
            # d log p(target) / d logits = one-hot(target) - softmax
            logits_CV = _logits(hidden_ND[part], head_VD)
            wanted_CV = logits_CV.sub_(normalisers_N[part, None]).exp_().mul_(-gradient_N[part, None])
            wanted_CV.scatter_add_(1, targets_N[part, None], gradient_N[part, None])
            wanted_CV = wanted_CV.to(hidden_ND.dtype)
            with torch.autocast(hidden_ND.device.type, enabled=False):
                hidden_gradient_ND[part] = wanted_CV @ head_VD.to(hidden_ND.dtype)
                head_gradient_VD += wanted_CV.T @ hidden_ND[part]
        return hidden_gradient_ND, head_gradient_VD.to(head_VD.dtype), None, None
