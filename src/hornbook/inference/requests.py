"""What is asked of the engine and what it answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from hornbook.core.errors import InputError


class PromptTooLongError(InputError):
    """A prompt that the model's window does not hold."""


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen, in Hugging Face's words and order: temperature, top-k, top-p, min-p.

    temperature: 0 takes the likeliest token. top_k: 0 keeps all. top_p: the smallest set of tokens that holds this much
    probability (Holtzman et al. 2020). min_p: drops what is less likely than this part of the likeliest (Nguyen et al.
    2024).
    stop: texts that end the answer and are no part of it. seed: the same request with the same seed samples the same
    tokens whatever else is in the batch.

    Raises InputError for a value out of its range.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    max_tokens: int = 64
    stop: Sequence[str] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.stop, str):
            object.__setattr__(self, "stop", (self.stop,))
        _within("temperature", self.temperature, 0.0, 100.0)
        _within("top_k", self.top_k, 0, math.inf)
        _within("top_p", self.top_p, 0.0, 1.0, above=True)
        _within("min_p", self.min_p, 0.0, 1.0)
        _within("max_tokens", self.max_tokens, 1, math.inf)
        if not all(isinstance(text, str) and text for text in self.stop):
            raise InputError("a stop must be a text of at least one character", where="stop")


def _within(name: str, value: float, low: float, high: float, *, above: bool = False) -> None:
    good = isinstance(value, int | float) and low <= value <= high and not (above and value == low)
    if not good:
        edge = "above" if above else "at least"
        limit = "" if high == math.inf else f" and at most {high:g}"
        raise InputError(f"must be {edge} {low:g}{limit}, not {value!r}", where=name)


@dataclass(frozen=True)
class Request:
    """One thing to answer: token ids to go on from, or messages in OpenAI's form that the chat template renders.

    Raises InputError unless exactly one of `ids` and `messages` is given and not empty.
    """

    ids: Sequence[int] | None = None
    messages: Sequence[dict] | None = None
    sampling: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        if (self.ids is None) == (self.messages is None):
            raise InputError("a request carries either ids or messages", fix="give one of the two")
        given = self.ids if self.ids is not None else self.messages
        if given is None or len(given) == 0:
            raise InputError("a request must not be empty", fix="give at least one token or message")


@dataclass(frozen=True)
class Completion:
    """The answer to a request.

    ids: every token sampled, the one that ended the answer included. text: without end tokens and stop texts.
    logprobs: natural logarithm of each id's probability under the untempered, unfiltered model, computed in fp32.
    finish_reason: "stop" (an end token or a stop text), "length" (max_tokens or the model's window) or "cancelled".
    """

    ids: list[int]
    text: str
    logprobs: list[float]
    finish_reason: str
    prompt_tokens: int = 0


@dataclass(frozen=True)
class Chunk:
    """A piece of an answer as it comes. The last one carries the whole completion; its text may be empty."""

    text: str
    completion: Completion | None = None
