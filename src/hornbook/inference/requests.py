"""What is asked of the engine and what it answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from hornbook.core.errors import InputError
from hornbook.core.seeds import derive

if TYPE_CHECKING:
    from hornbook.inference.guide import Guide


class PromptTooLongError(InputError):
    """A prompt that the model's window does not hold."""


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen, in Hugging Face's words and order: penalties and bias, temperature, top-k, top-p,
    min-p.

    temperature: 0 takes the likeliest token. top_k: 0 keeps all. top_p: the smallest set of tokens that holds this much
    probability (Holtzman et al. 2020). min_p: drops what is less likely than this part of the likeliest (Nguyen et al.
    2024).
    repetition_penalty: divides the positive scores of what was read or said and multiplies the negative ones (CTRL,
    arXiv:1909.05858). presence_penalty and frequency_penalty: taken off the score of what was said, once or each time,
    as OpenAI has them. logit_bias: added to the scores of these tokens.
    stop: texts that end the answer and are no part of it. stop_ids: tokens that do, beside the model's end tokens,
    which `ignore_end` makes tokens like any. seed: the same request with the same seed samples the same tokens whatever
    else is in the batch. top_logprobs: how many of the likeliest tokens are told with each that was chosen.

    Raises InputError for a value out of its range.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    max_tokens: int = 64
    stop: Sequence[str] = ()
    seed: int = 0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    stop_ids: Sequence[int] = ()
    ignore_end: bool = False
    top_logprobs: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.stop, str):
            object.__setattr__(self, "stop", (self.stop,))
        _within("temperature", self.temperature, 0.0, 100.0)
        _within("top_k", self.top_k, 0, math.inf)
        _within("top_p", self.top_p, 0.0, 1.0, above=True)
        _within("min_p", self.min_p, 0.0, 1.0)
        _within("max_tokens", self.max_tokens, 1, math.inf)
        _within("repetition_penalty", self.repetition_penalty, 0.0, 100.0, above=True)
        _within("presence_penalty", self.presence_penalty, -100.0, 100.0)
        _within("frequency_penalty", self.frequency_penalty, -100.0, 100.0)
        _within("top_logprobs", self.top_logprobs, 0, 1000)
        for token, bias in self.logit_bias.items():
            _within(f"logit_bias of {token}", bias, -1000.0, 1000.0)
        if not all(isinstance(text, str) and text for text in self.stop):
            raise InputError("a stop must be a text of at least one character", where="stop")

    @property
    def shapes(self) -> bool:
        """Whether scores are changed before anything is drawn."""
        plain = self.repetition_penalty == 1.0 and self.presence_penalty == self.frequency_penalty == 0.0
        return not plain or bool(self.logit_bias)


def _within(name: str, value: float, low: float, high: float, *, above: bool = False) -> None:
    good = isinstance(value, int | float) and low <= value <= high and not (above and value == low)
    if not good:
        edge = "above" if above else "at least"
        limit = "" if high == math.inf else f" and at most {high:g}"
        raise InputError(f"must be {edge} {low:g}{limit}, not {value!r}", where=name)


@dataclass(frozen=True)
class Request:
    """One thing to answer: token ids to go on from, or messages in OpenAI's form that the chat template renders, with
    the `tools` that may be called.

    `guide` makes what says token by token which may come next (`inference/guide.py`): a new one for each answer.
    `adapter` is the name of one of the engine's adapters.
    Raises InputError unless exactly one of `ids` and `messages` is given and not empty.
    """

    ids: Sequence[int] | None = None
    messages: Sequence[dict] | None = None
    sampling: Sampling = field(default_factory=Sampling)
    guide: Callable[[], Guide] | None = None
    tools: Sequence[dict] = ()
    adapter: str | None = None

    def __post_init__(self) -> None:
        if (self.ids is None) == (self.messages is None):
            raise InputError("a request carries either ids or messages", fix="give one of the two")
        given = self.ids if self.ids is not None else self.messages
        if given is None or len(given) == 0:
            raise InputError("a request must not be empty", fix="give at least one token or message")

    def repeated(self, count: int) -> list[Request]:
        """The same request `count` times, each with a seed of its own, the first with the one it has."""
        seeds = [self.sampling.seed, *(derive(self.sampling.seed, "answer", index) for index in range(1, count))]
        return [replace(self, sampling=replace(self.sampling, seed=seed)) for seed in seeds]


Top = list[tuple[int, float]]  # tokens and their log-probabilities, the likeliest first


@dataclass(frozen=True)
class Completion:
    """The answer to a request.

    ids: every token sampled, the one that ended the answer included. text: without end tokens and stop texts.
    logprobs: natural logarithm of each id's probability under the untempered, unfiltered model, computed in fp32.
    top: for each id the likeliest tokens, where they were asked for. finish_reason: "stop" (an end token, a stop text
    or a guide that had enough), "length" (max_tokens or the model's window) or "cancelled". cached_tokens: of the
    prompt's, those that had been read before.
    """

    ids: list[int]
    text: str
    logprobs: list[float]
    finish_reason: str
    prompt_tokens: int = 0
    cached_tokens: int = 0
    top: list[Top] = field(default_factory=list)

    @property
    def likelihood(self) -> float:
        """The mean log-probability of its tokens, by which the best of several is told."""
        return sum(self.logprobs) / max(1, len(self.logprobs))


@dataclass(frozen=True)
class Chunk:
    """A piece of an answer as it comes, and the tokens since the last piece. The last one carries the whole completion;
    its text may be empty."""

    text: str
    completion: Completion | None = None
    ids: Sequence[int] = ()
    logprobs: Sequence[float] = ()
    top: Sequence[Top] = ()


@dataclass(frozen=True)
class EngineFigures:
    """How busy an engine is, and what it has done since it was made.

    used: the share of the cache's pages that requests hold. Tokens are counted: `prompt_tokens` of prompts taken in, of
    which `cached_tokens` had been read before, and `sampled_tokens`. preemptions: how often a request had to give its
    memory back and was read again.
    """

    running: int
    waiting: int
    used: float
    prompt_tokens: int
    cached_tokens: int
    sampled_tokens: int
    preemptions: int
