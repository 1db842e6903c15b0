"""Ranked answers as batches, for the reward model and for DPO."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hornbook.core.errors import InputError
from hornbook.models.transformer import Transformer
from hornbook.tokens.batch import Batch
from hornbook.tokens.permutation import permuted
from hornbook.training.batch import on_device
from hornbook.training.objectives.logprobs import sequence_sums
from hornbook.training.sequences import answer_logprobs, pack_answers


@dataclass(frozen=True)
class Ranked:
    """A prompt, its answers (each with its end token) and the pairs (better, worse) of their indexes, as token ids."""

    prompt: Sequence[int]
    answers: Sequence[Sequence[int]]
    pairs: Sequence[tuple[int, int]]


@dataclass
class ComparisonBatches:
    """Batches of `rows` comparisons each, all answers of a prompt in one batch, in an order keyed by (seed, epoch).

    `extra["pairs_P2"]` holds the indexes of the better and the worse sequence of each pair, `extra["best_S"]` which
    sequences are never the worse; with `reference`, `extra["reference_S"]` holds the log-probability of each answer
    under the model that DPO starts from. `counts` are those of the pairs and of the best answers' tokens.
    The last batch of an epoch may be smaller. `cursor` counts the batches given.
    Raises InputError when no comparison has a pair.
    """

    comparisons: Sequence[Ranked]
    rows: int
    seed: int
    epochs: int = 1
    window: int = 512
    reference: Sequence[np.ndarray] | None = None
    cursor: int = 0

    def __post_init__(self) -> None:
        if not any(comparison.pairs for comparison in self.comparisons):
            raise InputError(
                "there is nothing to learn from: no answer was ranked above another", where="comparisons",
                fix="rank more answers, and not all in one place",
            )
        self._used = [index for index, comparison in enumerate(self.comparisons) if comparison.pairs]

    def __len__(self) -> int:
        return self.epochs * -(-len(self._used) // self.rows)

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        if self.cursor >= len(self):
            raise StopIteration
        epoch, place = divmod(self.cursor, len(self) // self.epochs)
        places = np.arange(place * self.rows, min((place + 1) * self.rows, len(self._used)))
        self.cursor += 1
        return self._batch([self._used[index] for index in permuted(places, len(self._used), self.seed, epoch)])

    def _batch(self, indexes: list[int]) -> Batch:
        chosen = [self.comparisons[index] for index in indexes]
        batch = ranked_batch(chosen, self.window)
        if self.reference is not None:
            batch.extra["reference_S"] = np.concatenate([self.reference[index] for index in indexes])
        return batch


def ranked_batch(comparisons: Sequence[Ranked], window: int) -> Batch:
    """Every answer behind its prompt, with the pairs among them and the best of them."""
    prompts = [comparison.prompt for comparison in comparisons for _ in comparison.answers]
    answers = [answer for comparison in comparisons for answer in comparison.answers]
    batch = pack_answers(prompts, answers, window=window)
    first, pairs = 0, []
    for comparison in comparisons:
        pairs += [(first + better, first + worse) for better, worse in comparison.pairs]
        first += len(comparison.answers)
    pairs_P2, best_S = np.array(pairs, dtype=np.int64).reshape(-1, 2), np.ones(len(answers), bool)
    best_S[pairs_P2[:, 1]] = False
    batch.extra |= {"pairs_P2": pairs_P2, "best_S": best_S}
    best = [answer for answer, is_best in zip(answers, best_S, strict=True) if is_best]
    batch.counts |= {"pairs": len(pairs), "best_tokens": sum(map(len, best))}
    return batch


@torch.no_grad()
def reference_logprobs(
    model: Transformer, comparisons: Sequence[Ranked], *, rows: int, window: int
) -> list[np.ndarray]:
    """log p of every answer of every comparison under `model`, in nats: made once, before DPO begins."""
    found = []
    for begin in range(0, len(comparisons), rows):
        part = comparisons[begin : begin + rows]
        batch: Any = on_device(ranked_batch(part, window), model.lm_head.weight.device)
        count = len(batch.extra["last_S"])
        sums_S = sequence_sums(answer_logprobs(model, batch), batch.extra["sequences_N"], count).cpu().numpy()
        ends = np.cumsum([len(comparison.answers) for comparison in part])
        found += np.split(sums_S, ends[:-1])
    return found
