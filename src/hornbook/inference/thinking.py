"""Thoughts before the answer, at most so many tokens of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from hornbook.core.errors import InputError
from hornbook.inference.guide import Guide
from hornbook.tokens.spoken import THINK, THOUGHT
from hornbook.tokens.tokenizer import Tokenizer


def thinking(tokenizer: Tokenizer, budget: int, then: Callable[[], Guide] | None = None) -> Callable[[], Guide]:
    """Guides that let the model think at most `budget` tokens between `<think>` and `</think>`; what follows is
    `then`'s to guide, or free, but for more thoughts.

    Whether it thinks is the model's to say, by its first token. Thoughts that reach the budget are closed for it, in
    Qwen3's form; with 0 there are none. Within thoughts the answer cannot end. Raises InputError for a budget that is
    no whole number, and for a tokenizer that has no tags for thoughts.
    """
    if not isinstance(budget, int) or isinstance(budget, bool) or budget < 0:
        raise InputError(f"must be a whole number of tokens, not {budget!r}", where="the budget of thoughts")
    if THINK not in tokenizer.special or THOUGHT not in tokenizer.special:
        raise InputError("this model has no tokens for thoughts", where=THINK, fix="ask without a budget of thoughts")
    opening, closing = tokenizer.special[THINK], tokenizer.special[THOUGHT]
    close = [*tokenizer.encode("\n"), closing, *tokenizer.encode("\n\n")]
    size = tokenizer.vocab_size
    masks = _Masks(
        thoughts=~_mask(size, [opening, *tokenizer.ends]), answer=~_mask(size, [opening]),
        alone={token: _mask(size, [token]) for token in (opening, *close)},
    )  # fmt: skip
    return lambda: _Thinking(opening, closing, close, masks, budget, then() if then is not None else None)


@dataclass(frozen=True)
class _Masks:
    thoughts: np.ndarray
    answer: np.ndarray
    alone: dict[int, np.ndarray]


@dataclass
class _Thinking:
    """One answer's: at the start, within its thoughts for the `left` tokens, or in the answer."""

    opening: int
    closing: int
    close: list[int]
    masks: _Masks
    left: int
    then: Guide | None
    where: str = "start"
    forced: list[int] = field(default_factory=list)

    def allowed(self) -> np.ndarray | None:
        """What may come next."""
        if self.forced:
            return self.masks.alone[self.forced[0]]
        if self.where == "thoughts":
            return self.masks.thoughts
        words = self.then.allowed() if self.then is not None else self.masks.answer
        if self.where == "answer" or words is None:
            return words
        return _either(words, self.masks.alone[self.opening])

    def advance(self, token: int) -> None:
        """The token that was chosen."""
        if self.forced:
            self.forced.pop(0)
        elif self.where == "start" and token == self.opening:
            self._think("thoughts")
        elif self.where == "thoughts":
            self.left -= 1
            self._think("answer" if token == self.closing else "thoughts")
        else:
            self.where = "answer"
            if self.then is not None:
                self.then.advance(token)

    def _think(self, where: str) -> None:
        self.where = where
        if where == "thoughts" and self.left <= 0:
            self.where, self.forced = "answer", list(self.close)

    @property
    def done(self) -> bool:
        """Whether nothing more may come."""
        return self.where == "answer" and not self.forced and self.then is not None and self.then.done


def _mask(size: int, tokens: Iterable[int]) -> np.ndarray:
    """These tokens alone, a bit each, as int32 words."""
    bits = np.zeros((size + 31) // 32 * 32, dtype=np.uint8)
    bits[list(tokens)] = 1
    return np.packbits(bits, bitorder="little").view(np.int32)


def _either(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """What either mask allows, though one may have fewer words."""
    short, long = sorted((one, other), key=len)
    both = long.copy()
    both[: len(short)] |= short
    return both
