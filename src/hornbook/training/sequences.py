"""Prompts with their answers as one batch, packed side by side, and what a model makes of the answers' tokens.

A prompt that several answers follow is read once, and each of them goes on from it. `S` counts sequences (a prompt and
its answer), `N` the tokens of all the answers, sequence after sequence. A place is `row * T + column` in the flattened
batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    Answers that stand one after another behind the same prompt share it, as far as a row holds them.

    There are no targets in the rows: after a prompt several tokens may follow. `extra` holds
    targets_N:   int64, the answers' tokens;
    places_N:    int64, where each of them is predicted (the place of the token before it);
    sequences_N: int64, the index of its sequence, which is also its number in documents_BT;
    last_S:      int64, the place of each sequence's last token, which the model reads as well;
    prefixes_BT: int32, the number in documents_BT of the prompt that a place goes on from, its own where there is none.

    Raises InputError when a prompt or an answer has no token: there would be nothing to go on from, or to learn.
    """
    for index, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        if not len(prompt) or not len(answer):
            what = "the answer" if len(prompt) else "the prompt"
            raise InputError(f"{what} is empty", where=f"sequence {index}", fix="leave it out")
    width = max([window, *(len(prompt) + len(answer) for prompt, answer in zip(prompts, answers, strict=True))])
    families = list(_families(prompts, answers, width))
    lengths = [len(prompts[own[0]]) + sum(len(answers[index]) for index in own) for own in families]
    rows = best_fit(lengths, width)
    batch = Batch.empty(len(rows), width)
    prefixes_BT = batch.documents_BT.copy()
    places: list[list[int]] = [[]] * len(answers)
    last_S = np.zeros(len(answers), np.int64)

    def put(row: int, column: int, ids: Ids, position: int, document: int, prefix: int) -> int:
        span = slice(column, column + len(ids))
        batch.ids_BT[row, span] = ids
        batch.positions_BT[row, span] = np.arange(position, position + len(ids))
        batch.documents_BT[row, span], prefixes_BT[row, span] = document, prefix
        return span.stop

    for row, pieces in enumerate(rows):
        column = 0
        for family, _, _ in pieces:
            prompt, number = prompts[families[family][0]], len(answers) + family
            column = put(row, column, prompt, 0, number, number)
            fork = row * width + column - 1
            for index in families[family]:
                begin = row * width + column
                column = put(row, column, answers[index], len(prompt), index, number)
                last_S[index] = row * width + column - 1
                places[index] = [fork, *range(begin, int(last_S[index]))]
    sizes = [len(answer) for answer in answers]
    batch.extra["targets_N"] = np.concatenate([np.asarray(answer, np.int64) for answer in answers])
    batch.extra["places_N"] = np.concatenate(places).astype(np.int64)
    batch.extra["sequences_N"] = np.repeat(np.arange(len(sizes)), sizes)
    batch.extra["last_S"] = last_S
    batch.extra["prefixes_BT"] = prefixes_BT
    return batch


def packed_hidden(model: Transformer, batch: Any, places_N: Tensor) -> Tensor:
    """The hidden states x_ND at these places of what `pack_answers` made. `batch` holds tensors, as in `fit`."""
    prefixes_BT = batch.extra["prefixes_BT"]
    return model.hidden(
        batch.ids_BT, batch.positions_BT, batch.documents_BT, prefixes_BT=prefixes_BT, places_N=places_N
    )


def answer_logprobs(model: Transformer, batch: Any) -> Tensor:
    """log p of each answer token given all before it in its sequence, in nats, (N,); with gradient."""
    x_ND = packed_hidden(model, batch, batch.extra["places_N"])
    return token_logprobs(x_ND, model.lm_head.weight, batch.extra["targets_N"])


def padded(values_N: np.ndarray, sequences_N: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(N,) values as (count, L) with zeros after each answer's end, L the longest, and the mask of what is there."""
    sizes_S = np.bincount(sequences_N, minlength=count)
    mask_SL = np.arange(max(sizes_S, default=0)) < sizes_S[:, None]
    values_SL = np.zeros(mask_SL.shape, values_N.dtype)
    values_SL[mask_SL] = values_N
    return values_SL, mask_SL


def _families(prompts: Sequence[Ids], answers: Sequence[Ids], width: int) -> Iterator[list[int]]:
    """The indexes of answers that share a prompt, no more of them than `width` holds."""
    family: list[int] = []
    length = 0
    for index, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        if not family or length + len(answer) > width or list(prompt) != list(prompts[family[0]]):
            if family:
                yield family
            family, length = [], len(prompt)
        family.append(index)
        length += len(answer)
    if family:
        yield family
