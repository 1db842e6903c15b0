"""Telling the spans that were cut out of a text: what encoder-decoders learn."""

from __future__ import annotations

from typing import Any

from hornbook.models.encoder_decoder import EncoderDecoder
from hornbook.training.loss import Loss
from hornbook.training.objectives.masked import weighed
from hornbook.training.objectives.next_token import head_loss


def infilling(model: EncoderDecoder, batch: Any) -> Loss:
    """- log p(next token of the answer), in nats, given the source and the answer so far, summed with the batch's
    weights; the weight is their sum. `batch` is what `hornbook.tokens.corruption.infill` made, as tensors; any source
    with its answer, laid out alike, is learned so. T5, arXiv:1910.10683.
    """
    given = batch.extra
    source_BTD = model.encode(batch.ids_BT, batch.documents_BT)
    x_BUD = model.decode(given["target_ids_BU"], source_BTD, given["target_documents_BU"], batch.documents_BT)
    places_N, targets_N, weights_N = weighed(given["targets_BU"], given["target_weights_BU"])
    total = head_loss(x_BUD.flatten(0, 1)[places_N], model.lm_head.weight, targets_N, weights_N)
    return Loss(total, weights_N.sum())
