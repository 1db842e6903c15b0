"""What is known of every text under way, as arrays, so that a step has no loop over texts."""

from __future__ import annotations

import numpy as np

from hornbook.inference.pages import PAGE
from hornbook.inference.sampling import RowSettings
from hornbook.inference.tickets import Ticket

SETTINGS = ("temperature", "top_k", "top_p", "min_p")


class Rows:
    """`length` tokens of a text are in the cache, in the first `held` pages of `tables`; `known` of its `ids` are
    known, the first `start` of them its prompt, and at most `most` will be. Behind them in `ids` are `guessed` more."""

    def __init__(self, slots: int, window: int):
        self.window = window
        self.length, self.known, self.start, self.most = np.zeros((4, slots), dtype=np.int64)
        self.held, self.guessed, self.drafted = np.zeros((3, slots), dtype=np.int64)
        self.failed, self.resting, self.adapter = np.zeros((3, slots), dtype=np.int64)
        self.watched, self.shaped, self.detailed, self.plain_end = np.zeros((4, slots), dtype=bool)
        self.temperature, self.top_p, self.min_p = np.zeros((3, slots))
        self.top_k = np.zeros(slots, dtype=np.int64)
        self.seed = np.zeros(slots, dtype=np.uint64)
        # Memory of these that no text reaches is never touched, and so takes no room.
        self.tables = np.zeros((slots, -(-window // PAGE)), dtype=np.int32)
        self.ids = np.zeros((slots, window + PAGE), dtype=np.int64)
        self.logprobs = np.zeros((slots, window + PAGE), dtype=np.float32)

    def enter(self, slot: int, ticket: Ticket, pages: list[int], length: int) -> None:
        """Put a text into a free row; `length` of its tokens are in the first of its pages."""
        sampling, start = ticket.sampling, len(ticket.prompt)
        known = start + len(ticket.ids)
        self.length[slot], self.known[slot], self.start[slot] = length, known, start
        self.most[slot] = min(start + sampling.max_tokens, self.window + 1)
        self.watched[slot], self.shaped[slot], self.detailed[slot] = ticket.watched, ticket.shaped, ticket.detailed
        self.plain_end[slot] = not sampling.stop_ids and not sampling.ignore_end
        self.adapter[slot] = ticket.adapter
        self.seed[slot] = sampling.seed % (1 << 64)
        for name in SETTINGS:
            getattr(self, name)[slot] = getattr(sampling, name)
        self.ids[slot, :start] = ticket.prompt
        self.ids[slot, start:known] = ticket.ids
        self.logprobs[slot, start:known] = ticket.logprobs
        for name in ("held", "guessed", "drafted", "failed", "resting"):
            getattr(self, name)[slot] = 0
        self.hold(slot, pages)

    def hold(self, slot: int, pages: list[int]) -> None:
        """Add pages to the end of a text's."""
        held = self.held[slot]
        self.tables[slot, held : held + len(pages)] = pages
        self.held[slot] += len(pages)

    def pages(self, slot: int) -> list[int]:
        return self.tables[slot, : self.held[slot]].tolist()

    def append(self, slots: np.ndarray, ids: np.ndarray, logprobs: np.ndarray) -> None:
        """One token more for each of these."""
        self.ids[slots, self.known[slots]] = ids
        self.logprobs[slots, self.known[slots]] = logprobs
        self.known[slots] += 1

    def said(self, slot: int) -> tuple[np.ndarray, np.ndarray]:
        """The tokens sampled so far, and their log-probabilities."""
        part = slice(self.start[slot], self.known[slot])
        return self.ids[slot, part], self.logprobs[slot, part]

    def settings(self, slots: np.ndarray, ahead: np.ndarray) -> RowSettings:
        """How the token `ahead` places after the next is to be drawn for each of these."""
        return RowSettings(
            temperature=self.temperature[slots], top_k=self.top_k[slots], top_p=self.top_p[slots],
            min_p=self.min_p[slots], seed=self.seed[slots], step=self.known[slots] - self.start[slots] + ahead,
        )  # fmt: skip

    def move(self, source: np.ndarray, target: np.ndarray) -> None:
        """Copy rows over others."""
        if not len(source):
            return
        known, held = int(self.known[source].max()), int(self.held[source].max())
        for name, values in vars(self).items():
            if name in ("ids", "logprobs"):
                values[target, :known] = values[source, :known]
            elif name == "tables":
                values[target, :held] = values[source, :held]
            elif isinstance(values, np.ndarray):
                values[target] = values[source]
