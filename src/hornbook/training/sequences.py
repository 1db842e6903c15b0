"""Prompts with their answers as one batch, packed side by side, and what a model makes of the answers' tokens.

`S` counts sequences (a prompt and its answer), `N` the tokens of all the answers, sequence after sequence. A place is
`row * T + column` in the flattened batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from hornbook.core.errors import InputError
from hornbook.models.transformer import Transformer
from hornbook.tokens.batch import Batch
from hornbook.tokens.packing import best_fit
from hornbook.training.objectives.logprobs import token_logprobs

Ids = Sequence[int]


def pack_answers(prompts: Sequence[Ids], answers: Sequence[Ids], *, window: int) -> Batch:
    """One batch whose rows hold whole sequences; a sequence longer than `window` makes every row as long as itself.

    The answers' tokens have weight 1. `extra` holds
    places_N:    int64, where each answer token is predicted (the place of the token before it);
    sequences_N: int64, the index of its sequence, which is also the number in documents_BT;
    last_S:      int64, the place of each sequence's last token, which the model reads as well.

    Raises InputError when a prompt or an answer has no token: there would be nothing to go on from, or to learn.
    """
    for index, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        if not len(prompt) or not len(answer):
            what = "the answer" if len(prompt) else "the prompt"
            raise InputError(f"{what} is empty", where=f"sequence {index}", fix="leave it out")
    lengths = [len(prompt) + len(answer) for prompt, answer in zip(prompts, answers, strict=True)]
    width = max([window, *lengths])
    rows = best_fit(lengths, width)
    batch = Batch.empty(len(rows), width)
    first_S = np.zeros(len(lengths), np.int64)
    for row, pieces in enumerate(rows):
        column = 0
        for sequence, _, length in pieces:
            span = slice(column, column + length)
            ids = np.concatenate([prompts[sequence], answers[sequence]])
            batch.ids_BT[row, span] = ids
            batch.targets_BT[row, column : column + length - 1] = ids[1:]
            batch.positions_BT[row, span] = np.arange(length)
            batch.documents_BT[row, span] = sequence
            first_S[sequence] = row * width + column
            column += length
    begins, sizes = [len(prompt) for prompt in prompts], [len(answer) for answer in answers]
    places = [first + begin - 1 + np.arange(size) for first, begin, size in zip(first_S, begins, sizes, strict=True)]
    batch.extra["places_N"] = np.concatenate(places).astype(np.int64)
    batch.extra["sequences_N"] = np.repeat(np.arange(len(sizes)), sizes)
    batch.extra["last_S"] = first_S + np.asarray(lengths) - 1
    batch.weights_BT.reshape(-1)[batch.extra["places_N"]] = 1.0
    return batch


def answer_hidden(model: Transformer, batch: Any) -> Tensor:
    """The hidden states from which the answers' tokens are predicted, x_ND. `batch` holds tensors, as in `fit`."""
    x_BTD = model.hidden(batch.ids_BT, batch.positions_BT, batch.documents_BT)
    return x_BTD.flatten(0, 1)[batch.extra["places_N"]]


def answer_logprobs(model: Transformer, batch: Any) -> Tensor:
    """log p of each answer token given all before it in its sequence, in nats, (N,); with gradient."""
    targets_N = batch.targets_BT.flatten()[batch.extra["places_N"]]
    return token_logprobs(answer_hidden(model, batch), model.lm_head.weight, targets_N)


def padded(values_N: np.ndarray, sequences_N: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(N,) values as (count, L) with zeros after each answer's end, L the longest, and the mask of what is there."""
    sizes_S = np.bincount(sequences_N, minlength=count)
    mask_SL = np.arange(max(sizes_S, default=0)) < sizes_S[:, None]
    values_SL = np.zeros(mask_SL.shape, values_N.dtype)
    values_SL[mask_SL] = values_N
    return values_SL, mask_SL
