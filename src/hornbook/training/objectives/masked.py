"""Masked language modelling: what encoders learn."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hornbook.models.encoder import Encoder
from hornbook.training.loss import Loss
from hornbook.training.objectives.next_token import head_loss


def masked_tokens(model: Encoder, batch: Any) -> Loss:
    """- log p(token), in nats, of the tokens asked for, summed with the batch's weights; the weight is their sum.

    `batch` is what `hornbook.tokens.corruption.mask_tokens` made, as tensors. Last block and head are made at the
    places asked for alone. BERT, arXiv:1810.04805.
    """
    places_N, targets_N, weights_N = weighed(batch.targets_BT, batch.weights_BT)
    x_ND = model.head(model.hidden(batch.ids_BT, batch.positions_BT, batch.documents_BT, places_N))
    x_ND, head_VD = _with_bias(x_ND, model.decoder.weight, model.decoder.bias)
    return Loss(head_loss(x_ND, head_VD, targets_N, weights_N), weights_N.sum())


def weighed(targets_BT: Tensor, weights_BT: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The places (row * T + column) that have a weight, and their targets and weights, each (N,)."""
    places_N = weights_BT.flatten().nonzero()[:, 0]
    return places_N, targets_BT.flatten()[places_N], weights_BT.flatten()[places_N]


def _with_bias(x_ND: Tensor, head_VD: Tensor, bias_V: Tensor | None) -> tuple[Tensor, Tensor]:
    """The bias as one more column of the head, which meets a one in every state."""
    if bias_V is None:
        return x_ND, head_VD
    return torch.cat([x_ND, torch.ones_like(x_ND[:, :1])], 1), torch.cat([head_VD, bias_V[:, None]], 1)
