"""Next-token prediction: what pretraining and fine-tuning learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from hornbook.models.head_entropy import has_head_kernel, head_entropy
from hornbook.models.products import back, forward, ready
from hornbook.models.rows import cross_entropy_
from hornbook.models.transformer import Transformer
from hornbook.training.loss import Loss
from hornbook.training.objectives.places import weighed

CHUNK_TOKENS = 1024
GPU_CHUNK_TOKENS = 8192  # each chunk reads and writes the head's gradient once, and a GPU has the room for few
CrossEntropy = Callable[..., Tensor]  # as `cross_entropy_`
SPARSE = 0.8  # fine-tuning weighs a third of its places: head and last block, a third of the work, leave out the others


def next_token(model: Transformer, batch: Any) -> Loss:
    """- log p(target), in nats, summed with the batch's weights; the weight is the sum of the weights.

    `batch` is a `hornbook.tokens.batch.Batch` of tensors: ids_BT, targets_BT, positions_BT, documents_BT, weights_BT.
    Pretraining weighs every token 1, fine-tuning (arXiv:2203.02155) only the assistant's.
    """
    places_N, targets_N, weights_N = None, batch.targets_BT.flatten(), batch.weights_BT.flatten()
    may_choose = weights_N.device.type == "cpu" and not torch.compiler.is_compiling()  # graphs want one shape
    if may_choose and int(weights_N.count_nonzero()) < SPARSE * len(weights_N):
        places_N, targets_N, weights_N = weighed(batch.targets_BT, batch.weights_BT)
    x = model.hidden(batch.ids_BT, batch.positions_BT, batch.documents_BT, places_N=places_N)
    total = head_loss(x.flatten(0, -2), model.lm_head.weight, targets_N, weights_N)
    return Loss(total, weights_N.sum())


def chunk_tokens(device: torch.device | str) -> int:
    """How many tokens' scores are held at once there."""
    return CHUNK_TOKENS if torch.device(device).type == "cpu" else GPU_CHUNK_TOKENS


def head_loss(
    x_ND: Tensor, head_VD: Tensor, targets_N: Tensor, weights_N: Tensor, *, chunk: int | None = None
) -> Tensor:
    """sum_n weights_N[n] * cross entropy(head_VD x_ND[n], targets_N[n]) without ever holding tokens x vocabulary.

    The gradient is made in the forward pass, `chunk` tokens at a time (as many as suit the device), while their logits
    are at hand: nothing is computed twice and nothing of the vocabulary's size is kept. The product is taken in the
    type of `x_ND`, the softmax in fp32. Source of the idea: Liger kernel, arXiv:2410.10989. Of a head that several
    processes share (`parallel/vocabulary.py`) each has some rows, and all get the same.
    """
    chunk, entropy_ = chunk or chunk_tokens(x_ND.device), cross_entropy_
    if hasattr(head_VD, "placements"):
        from hornbook.training.parallel.vocabulary import head_part

        x_ND, head_VD, entropy_ = head_part(x_ND, cast(Any, head_VD))
    if not torch.is_grad_enabled():
        return _chunks(x_ND, head_VD, targets_N, weights_N, chunk, entropy_, gradients=False)[0]
    return _HeadLoss.apply(x_ND, head_VD, targets_N, weights_N, chunk, entropy_)


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx, x_ND: Tensor, head_VD: Tensor, targets_N: Tensor, weights_N: Tensor, chunk: int, entropy_: CrossEntropy
    ) -> Tensor:
        total, x_gradient_ND, head_gradient_VD = _chunks(
            x_ND, head_VD, targets_N, weights_N, chunk, entropy_, gradients=True
        )
        ctx.save_for_backward(x_gradient_ND, head_gradient_VD)
        return total

    @staticmethod
    def backward(ctx, gradient: Tensor):
        x_gradient_ND, head_gradient_VD = ctx.saved_tensors
        if gradient.device.type == "cpu" and float(gradient) == 1.0:  # as the loop asks: nothing to copy
            return x_gradient_ND, head_gradient_VD, None, None, None, None
        return x_gradient_ND * gradient.to(x_gradient_ND.dtype), head_gradient_VD * gradient, None, None, None, None


def _chunks(
    x_ND: Tensor, head_VD: Tensor, targets_N: Tensor, weights_N: Tensor, chunk: int, entropy_: CrossEntropy, *,
    gradients: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    if entropy_ is cross_entropy_ and has_head_kernel(x_ND, head_VD, chunk):
        losses_N, *found = head_entropy(x_ND, head_VD, targets_N, weights_N, chunk, gradients=gradients)
        return losses_N.sum(), found[0], found[1]
    total = torch.zeros((), dtype=torch.float32, device=x_ND.device)
    x_gradient_ND = torch.empty_like(x_ND if gradients else x_ND[:0])
    head_gradient_VD = torch.zeros_like(head_VD if gradients else head_VD[:0], dtype=torch.float32)
    head_VD = ready(head_VD, x_ND)
    # new memory for every chunk costs a tenth more, but a graph plans its own
    room_CV = None if torch.compiler.is_compiling() else x_ND.new_empty(min(chunk, len(x_ND)), len(head_VD))
    for begin in range(0, len(x_ND), chunk):
        part = slice(begin, begin + chunk)
        scores_CV = forward(x_ND[part], head_VD, out=None if room_CV is None else room_CV[: len(x_ND[part])])
        total = total + entropy_(scores_CV, targets_N[part], weights_N[part], gradients=gradients).sum()
        if gradients:
            x_gradient_ND[part] = back(scores_CV, x_ND[part], head_VD, head_gradient_VD)
    return total, x_gradient_ND, head_gradient_VD
