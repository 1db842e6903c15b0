"""A request on its way through the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from hornbook.inference.guide import Guide
from hornbook.inference.pages import Key
from hornbook.inference.requests import Chunk, Completion, Request, Sampling, Top
from hornbook.inference.text import TextStream

Listener = Callable[[Chunk], None]


class Ticket:
    """One request on its way: waiting, then in a row, then with its completion.

    `ids` and `logprobs` are what it has said, while it stands in no row. `twins` are requests with the same prompt that
    wait for this one to have read it. `adapter` is the number of its adapter, 0 for none, and `root` what the keys of
    its pages begin with: what one adapter makes of a text is not what another does.
    """

    def __init__(self, prompt: Sequence[int], request: Request, text: TextStream, listener: Listener | None):
        self.prompt, self.sampling, self.text, self.listener = list(prompt), request.sampling, text, listener
        self.guide: Guide | None = request.guide() if request.guide is not None else None
        self.completion: Completion | None = None
        self.ids: list[int] = []
        self.logprobs: list[float] = []
        self.top: list[Top] = []
        self.keys: list[Key] = []
        self.twins: list[Ticket] = []
        self.cached = 0
        self.adapter, self.root = 0, b""
        self._told = 0
        sampling = request.sampling
        # Who listens, or may be stopped by what is said, is followed token by token; the rest is read when it is done.
        self.watched = listener is not None or bool(sampling.stop) or self.guide is not None
        self.shaped = sampling.shapes or self.guide is not None
        self.detailed = sampling.top_logprobs > 0

    @property
    def fresh(self) -> bool:
        """Whether it has said nothing yet."""
        return not self.ids

    def say(self, piece: str, ids: np.ndarray, logprobs: np.ndarray) -> None:
        """Tell who listens, if there is anything to show; `ids` and `logprobs` are all that was said."""
        if self.listener is not None and piece:
            self.listener(self._chunk(piece, None, ids, logprobs))

    def complete(self, ids: np.ndarray, logprobs: np.ndarray, reason: str, ends: frozenset[int]) -> None:
        """The end: everything that was said, and why it ends."""
        if not self.watched:
            words = ids[:-1] if len(ids) and int(ids[-1]) in ends else ids
            self.text.push(*words.tolist())
        self.say(self.text.finish(), ids, logprobs)
        self.completion = Completion(
            ids.tolist(), self.text.text, logprobs.tolist(), reason, len(self.prompt), self.cached, self.top
        )
        if self.listener is not None:
            self.listener(self._chunk("", self.completion, ids, logprobs))

    def _chunk(self, text: str, completion: Completion | None, ids: np.ndarray, logprobs: np.ndarray) -> Chunk:
        begin, self._told = self._told, len(ids)
        return Chunk(text, completion, ids[begin:].tolist(), logprobs[begin:].tolist(), self.top[begin:])


def stops(sampling: Sampling, ends: frozenset[int]) -> frozenset[int]:
    """The tokens that end an answer."""
    return frozenset(sampling.stop_ids) | (frozenset() if sampling.ignore_end else ends)
