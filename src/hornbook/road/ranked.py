"""Comparisons as the reward model and DPO read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from hornbook.core.words import counted
from hornbook.pipeline.run import Run
from hornbook.road.artifacts import Comparisons

if TYPE_CHECKING:
    from hornbook.tokens.tokenizer import Tokenizer
    from hornbook.training.comparisons import Ranked

HELD_OUT = 10  # of so many comparisons one is held out where the artifact holds none out itself
DRAWS = 1000


def split(preferences: Comparisons) -> tuple[list[dict], list[dict]]:
    """The comparisons to learn from and those held out; every tenth where the artifact holds none out itself."""
    rows, heldout = list(preferences.rows()), list(preferences.heldout())
    if heldout or len(rows) < 2 * HELD_OUT:
        return rows, heldout
    return [row for index, row in enumerate(rows) if index % HELD_OUT], rows[::HELD_OUT]


def fitting(rows: Sequence[dict], tokenizer: Tokenizer, window: int, run: Run) -> list[Ranked]:
    """The comparisons as token ids. One that the model's window does not hold is left out, and told of."""
    ranked = [as_ranked(row, tokenizer) for row in rows]
    short = [item for item in ranked if len(item.prompt) + max(map(len, item.answers)) <= window]
    if left := len(ranked) - len(short):
        run.warn(f"{counted(left, 'comparison')} longer than the model's {window:,} tokens: left out")
    return short


def as_ranked(row: dict, tokenizer: Tokenizer) -> Ranked:
    """One comparison as token ids, its pairs derived from the ranking."""
    from hornbook.conversations.comparisons import pairs
    from hornbook.tokens.chat import render
    from hornbook.training.comparisons import Ranked

    prompt = render(tokenizer, row["prompt"], for_answer=True).ids
    answers = [[*tokenizer.encode(answer.strip()), tokenizer.end_of_turn] for answer in row["answers"]]
    return Ranked(prompt, answers, pairs(row["ranking"]))


def right_pairs(ranked: Sequence[Ranked], scores: Sequence[float]) -> list[list[float]]:
    """For each comparison and each of its pairs 1 where the better answer has the higher score, a half where equal.

    `scores` are those of all the answers, one comparison after another.
    """
    right, begin = [], 0
    for item in ranked:
        own = scores[begin : begin + len(item.answers)]
        right.append([0.5 + 0.5 * (float(own[i] > own[j]) - float(own[i] < own[j])) for i, j in item.pairs])
        begin += len(item.answers)
    return right


def length_only(rows: Iterable[dict], heldout: Iterable[dict]) -> float:
    """How often the longer answer is the better one, or the shorter one if the training pairs say so; a tie is half."""
    longer = _longer_wins(heldout)
    return longer if _longer_wins(rows) >= 0.5 else 1 - longer


def bootstrap(right: Sequence[Sequence[float]], seed: int) -> list[float]:
    """The 95 % interval of the mean over all pairs; comparisons are drawn whole, for their pairs err together."""
    import numpy as np

    sums, counts = np.array([sum(part) for part in right]), np.array([len(part) for part in right])
    drawn = np.random.default_rng(seed).integers(0, len(right), (DRAWS, len(right)))
    means = sums[drawn].sum(1) / np.maximum(counts[drawn].sum(1), 1)
    return [float(end) for end in np.quantile(means, [0.025, 0.975])]


def _longer_wins(rows: Iterable[dict]) -> float:
    from hornbook.conversations.comparisons import pairs

    won = []
    for row in rows:
        lengths = [len(answer) for answer in row["answers"]]
        won += [0.5 + 0.5 * ((lengths[i] > lengths[j]) - (lengths[i] < lengths[j])) for i, j in pairs(row["ranking"])]
    return sum(won) / len(won) if won else 0.5
