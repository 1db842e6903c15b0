"""Telling labels: of whole texts, and of their tokens."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from hornbook.models.encoder import SequenceClassifier, TokenClassifier
from hornbook.training.loss import Loss
from hornbook.training.objectives.masked import weighed


def text_labels(model: SequenceClassifier, batch: Any) -> Loss:
    """- log p(label), in nats, of each row's text, whose label is in `extra["labels_B"]`; the weight is how many."""
    logits_BL = model(batch.ids_BT, batch.positions_BT, batch.documents_BT)
    labels_B = batch.extra["labels_B"]
    return _loss(logits_BL, labels_B, labels_B.new_ones(len(labels_B)).float())


def token_labels(model: TokenClassifier, batch: Any) -> Loss:
    """- log p(label), in nats, of each token, whose label is in `targets_BT`, summed with `weights_BT`; the weight is
    their sum."""
    places_N, labels_N, weights_N = weighed(batch.targets_BT, batch.weights_BT)
    x_ND = model.hidden(batch.ids_BT, batch.positions_BT, batch.documents_BT, places_N)
    return _loss(model.logits(x_ND), labels_N, weights_N)


def _loss(logits_NL: Tensor, labels_N: Tensor, weights_N: Tensor) -> Loss:
    losses_N = F.cross_entropy(logits_NL.float(), labels_N, reduction="none")
    right_N = (logits_NL.argmax(-1) == labels_N) * weights_N
    return Loss((losses_N * weights_N).sum(), weights_N.sum(), {"accuracy": right_N.sum()})
