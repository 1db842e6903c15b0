"""How well a base model goes on with given text, by a sharp measure and by smooth ones of the same answers.

What looks like a leap of ability with size is often the measure's: an answer is right only where every token is, and
p^k leaps where p climbs evenly (Schaeffer et al. 2023, arXiv:2304.15004).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from hornbook.inference.engine import Engine
from hornbook.inference.requests import Request, Sampling

Ids = Sequence[int]
LENGTHS = (1, 2, 4, 8)  # tokens that must all be right


@dataclass(frozen=True)
class Item:
    """Tokens that are read, and those that come next."""

    prompt: Ids
    answer: Ids


@dataclass(frozen=True)
class Completed:
    """`length` of the answer in tokens; `right`: how many of them were said before the first wrong one, the likeliest
    taken each time; `edits`: Levenshtein's distance to the answer, by its length; `logprob`: nats a token of the
    answer, 0 at best."""

    length: int
    right: int
    edits: float
    logprob: float


def complete(engine: Engine, items: Sequence[Item]) -> list[Completed]:
    """Each item's prompt gone on with greedily for as many tokens as its answer has. Raises InputError for a prompt
    that the model's window does not hold."""
    requests = [Request(ids=item.prompt, sampling=Sampling(max_tokens=len(item.answer))) for item in items]
    said = [completion.ids for completion in engine.generate(requests)]
    whole = [[*item.prompt, *item.answer] for item in items]
    scores = engine.score(whole, [len(item.answer) for item in items])
    return [
        Completed(
            len(item.answer), _agreeing(ids, item.answer), distance(ids, item.answer) / len(item.answer),
            float(score.mean()),
        )
        for item, ids, score in zip(items, said, scores, strict=True)
    ]  # fmt: skip


def measures(done: Sequence[Completed]) -> dict[str, float]:
    """Means over the items: `exact`, the sharp one (the share that is right to its end); `edits` and `logprob`, the
    smooth ones; `exact_K` for each of LENGTHS that every answer has: the share whose first K tokens are right."""
    shortest = min(each.length for each in done)
    return {
        "exact": fmean(each.right == each.length for each in done),
        **{f"exact_{k}": fmean(each.right >= k for each in done) for k in LENGTHS if k <= shortest},
        "edits": fmean(each.edits for each in done),
        "logprob": fmean(each.logprob for each in done),
    }


def spans(documents: Sequence[np.ndarray], length: int, *, most: int, seed: int) -> list[np.ndarray]:
    """At most `most` stretches of so many tokens, drawn by chance from those that the documents hold side by side."""
    places = [
        (index, start) for index, ids in enumerate(documents) for start in range(0, len(ids) - length + 1, length)
    ]
    chosen = sorted(np.random.default_rng(seed).permutation(len(places))[:most])
    return [documents[index][start : start + length] for index, start in (places[number] for number in chosen)]


def next_tokens(spans: Sequence[np.ndarray], answer: int) -> list[Item]:
    """An item of each stretch: its last `answer` tokens are to be said."""
    return [Item(span[:-answer].tolist(), span[-answer:].tolist()) for span in spans]


def distance(first: Ids, second: Ids) -> int:
    """How many tokens must be put in, taken out or changed to make one of the other (Levenshtein 1966).

    >>> distance([1, 2, 3], [1, 3, 4])
    2
    """
    before = list(range(len(second) + 1))
    for row, left in enumerate(first, 1):
        now = [row]
        for column, right in enumerate(second, 1):
            now.append(min(before[column] + 1, now[-1] + 1, before[column - 1] + (left != right)))
        before = now
    return before[-1]


def _agreeing(said: Ids, answer: Ids) -> int:
    pairs = zip(said, answer, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(said), len(answer)))
