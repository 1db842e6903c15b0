"""A needle in a page: a fact planted somewhere in a long text, and asked for at its end.

Source of the test: Kamradt 2023 (github.com/gkamradt/LLMTest_NeedleInAHaystack). For base models, which answer no
questions: the fact's beginning is written again, and its value must be likelier than others that never stood there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from hornbook.core.errors import InputError
from hornbook.core.seeds import derive
from hornbook.evaluation.completion import spans
from hornbook.evaluation.intervals import wilson
from hornbook.inference.engine import Engine

FACT = "\n\nThe watchword of {name} {value}.\n\n"
ASKED = "\n\nThe watchword of {name}"
CHOICES = 8  # the right value among them: guessing is right one time in so many
DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
SYLLABLES = ("ba", "do", "fen", "gil", "ka", "lor", "mi", "nu", "per", "ros", "sel", "tam", "vu", "wen", "yar", "zo")


@dataclass(frozen=True)
class Found:
    """How often the right value was the likeliest, of `n`, for pages of `length` tokens with the fact at `depth` (0:
    where the page begins, 1: right before it is asked for)."""

    length: int
    depth: float
    right: int
    n: int

    @property
    def share(self) -> float:
        return self.right / self.n

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.right, self.n)


def needle(
    engine: Engine, documents: Sequence[np.ndarray], *, lengths: Sequence[int], depths: Sequence[float] = DEPTHS,
    n: int = 16, seed: int = 0,
) -> list[Found]:
    """Every length with every depth, each on `n` pages cut from the documents; `lengths` count all tokens, the
    question's and the value's too. Raises InputError where no document is long enough."""
    found = []
    for length in lengths:
        pages = _pages(documents, length, n, derive(seed, "needle", length))
        for depth in depths:
            right = sum(_right(engine, page, depth, length, seed=index) for index, page in enumerate(pages))
            found.append(Found(length, depth, right, n))
    return found


def _right(engine: Engine, page: list[int], depth: float, length: int, *, seed: int) -> bool:
    """Whether the right value is the likeliest of CHOICES, by the mean of its tokens' log p."""
    random, encode = Random(seed), engine.tokenizer.encode
    name, *values = _words(random, 1 + CHOICES)
    fact, asked = encode(FACT.format(name=name, value=values[0])), encode(ASKED.format(name=name))
    answers = [encode(f" {value}") for value in values]
    room = length - len(fact) - len(asked) - max(map(len, answers))
    at = round(depth * room)
    read = [*page[:at], *fact, *page[at:room], *asked]
    scores = engine.score([[*read, *answer] for answer in answers], [len(answer) for answer in answers])
    return int(np.argmax([score.mean() for score in scores])) == 0


def _pages(documents: Sequence[np.ndarray], length: int, n: int, seed: int) -> list[list[int]]:
    cut = spans(documents, length, most=n, seed=seed)
    if not cut:
        raise InputError(f"no document has {length} tokens", where="needle", fix="ask for shorter pages")
    return [cut[index % len(cut)].tolist() for index in range(n)]


def _words(random: Random, count: int) -> list[str]:
    """Different words that mean nothing."""
    words: dict[str, None] = {}
    while len(words) < count:
        words["".join(random.sample(SYLLABLES, 3)).capitalize()] = None
    return list(words)
