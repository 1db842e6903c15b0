"""Who is read in a step, and on which pages: texts under way first, then portions of prompts, and requests that wait
while there is room."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from hornbook.inference.paged import PagedCache
from hornbook.inference.pages import PAGE, PageBook, page_keys
from hornbook.inference.requests import EngineFigures
from hornbook.inference.rows import Rows
from hornbook.inference.tickets import Ticket, stops

BUDGET = 2048  # tokens read in one step, so that no prompt keeps those who are being answered waiting for long
ADMIT_SHARE = 8  # prompts are read when an eighth of the rows is free, so that few steps read many


class Schedule:
    """Holds the rows and the pages. The active texts are always the first rows, so that a step works on slices.

    A text whose pages do not fit any more gives them back and is read again later: of the active ones the last that
    came. A beginning that is in the cache, or that another text reads in the same step, is not read again.
    """

    def __init__(
        self, cache: PagedCache, pages: int, *, slots: int, window: int, ends: Sequence[int], prefix_cache: bool
    ):
        self.cache, self.book, self.slots, self.ends = cache, PageBook(pages), slots, frozenset(ends)
        self.waiting: deque[Ticket] = deque()
        self.active: list[Ticket] = []
        self.rows = Rows(slots, window)
        self._prefix_cache = prefix_cache
        self._prompt_tokens = self._cached_tokens = self._preemptions = 0

    @property
    def busy(self) -> bool:
        return bool(self.waiting or self.active)

    def figures(self, sampled_tokens: int) -> EngineFigures:
        """How busy it is, and what it has done."""
        used = 1 - self.book.available / self.book.total
        twins = sum(len(ticket.twins) for ticket in self.active)
        return EngineFigures(
            len(self.active) + twins, len(self.waiting), used, self._prompt_tokens, self._cached_tokens, sampled_tokens,
            self._preemptions,
        )  # fmt: skip

    def cancel(self, ticket: Ticket) -> None:
        """Take a request out wherever it is; it gets a completion with the reason "cancelled"."""
        if ticket in self.active:
            self.leave({self.active.index(ticket): "cancelled"})
            return
        for queue in (self.waiting, *(leader.twins for leader in self.active)):
            if ticket in queue:
                queue.remove(ticket)
                ids, logprobs = np.asarray(ticket.ids, dtype=np.int64), np.asarray(ticket.logprobs)
                ticket.complete(ids, logprobs, "cancelled", self.ends)

    def reset(self) -> None:
        """Forget every request, and all that was read."""
        self.waiting.clear()
        self.active.clear()
        self.book = PageBook(self.book.total)

    def make_room(self, guesses: int) -> None:
        """See that every text has pages for what it will read, so many guesses with it, if need be by putting others
        back."""
        rows, count = self.rows, len(self.active)
        wanted = rows.known[:count]
        ready = rows.length[:count] == wanted - 1
        wanted = np.minimum(wanted + guesses * ready, np.maximum(rows.most[:count] - 1, wanted))
        for slot in np.flatnonzero(wanted > rows.held[:count] * PAGE).tolist():
            need = -(-int(wanted[slot]) // PAGE) - int(rows.held[slot])
            while slot < len(self.active) and self.book.available < need:
                self._put_back(len(self.active) - 1)
            if slot < len(self.active):
                rows.hold(slot, self.book.take(need))
        rows.guessed[:count] = 0

    def portions(self) -> np.ndarray:
        """How many tokens each row reads in this step. Requests that wait are taken in while there is room."""
        rows, count = self.rows, len(self.active)
        counts_R = np.zeros(self.slots, dtype=np.int64)
        left_R = rows.known[:count] - rows.length[:count]
        counts_R[:count] = np.where(left_R == 1, 1 + rows.guessed[:count], 0)
        budget = BUDGET - int(counts_R.sum())
        for slot in np.flatnonzero(left_R > 1).tolist():
            counts_R[slot] = portion = max(0, min(budget, int(left_R[slot])))
            budget -= portion
            self._name(slot, int(rows.length[slot]) + portion)
        free = self.slots - count - sum(len(ticket.twins) for ticket in self.active)
        if self.waiting and free >= min(len(self.waiting), max(1, self.slots // ADMIT_SHARE)):
            self._admit(counts_R, budget, free)
        return counts_R

    def with_twins(self, slots: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows that get a token, and where each one's first logits are, with those who waited for one of them to
        have read their prompt: they share its full pages and get a copy of the one that is not full."""
        more_slots, more_at, source, target = [], [], [], []
        for slot, place in zip(slots.tolist(), at.tolist(), strict=True):
            twins, self.active[slot].twins = self.active[slot].twins, []
            if not twins:
                continue
            length, pages = int(self.rows.length[slot]), self.rows.pages(slot)
            full, part = pages[: length // PAGE], pages[length // PAGE :]
            for index, twin in enumerate(twins):
                if self.book.available < len(part):
                    self.waiting.extendleft(reversed(twins[index:]))
                    break
                own = self.book.take(len(part))
                self.book.hold(full)
                source += part
                target += own
                self.rows.enter(len(self.active), twin, full + own, length)
                twin.keys = self.active[slot].keys
                more_slots.append(len(self.active))
                more_at.append(place)
                self.active.append(twin)
        if not more_slots:
            return slots, at
        if source:
            self.cache.copy(source, target)
        return np.concatenate([slots, more_slots]).astype(np.int64), np.concatenate([at, more_at]).astype(np.int64)

    def leave(self, reasons: dict[int, str]) -> None:
        """Complete the requests in these rows, and give their pages back."""
        for slot, reason in reasons.items():
            ticket = self.active[slot]
            self._release(slot)
            ticket.complete(*self.rows.said(slot), reason, stops(ticket.sampling, self.ends))
        self._close_up(set(reasons))

    def _admit(self, counts_R: np.ndarray, budget: int, free: int) -> None:
        """Take in who waits, as many as rows, pages and the budget allow. A beginning that is in the cache, or that
        another reads in this step, is not read again; of equal prompts one is read."""
        rows = self.rows
        while self.waiting and free > 0 and budget > 0:
            ticket, last = self.waiting[0], len(self.active) - 1
            if last >= 0 and rows.length[last] < rows.start[last] and _equal(ticket, self.active[last]):
                self.active[last].twins.append(self.waiting.popleft())
                ticket.cached = len(ticket.prompt)
                self._count(ticket)
                free -= 1
                continue
            known = np.asarray([*ticket.prompt, *ticket.ids], dtype=np.int64)
            if self._prefix_cache:
                ticket.keys = page_keys(known, len(known), ticket.keys, ticket.root)
            pages = self.book.known(ticket.keys[: (len(known) - 1) // PAGE])
            need = -(-len(known) // PAGE) - len(pages)
            if need + len(self.active) > self.book.free_with(pages):  # a page for each is left to grow by
                break
            self.book.hold(pages)
            slot, length = last + 1, len(pages) * PAGE
            rows.enter(slot, ticket, pages + self.book.take(need), length)
            self.active.append(self.waiting.popleft())
            if ticket.fresh:
                ticket.cached = length
                self._count(ticket)
            counts_R[slot] = portion = min(budget, len(known) - length)
            budget, free = budget - portion, free - 1
            self._name(slot, length + portion)

    def _put_back(self, slot: int) -> None:
        """Let the request wait again, with what it has said."""
        ticket, (ids, logprobs) = self.active[slot], self.rows.said(slot)
        self._release(slot)
        ticket.ids, ticket.logprobs = ids.tolist(), logprobs.tolist()
        self.waiting.appendleft(ticket)
        self._preemptions += 1
        self._close_up({slot})

    def _release(self, slot: int) -> None:
        ticket = self.active[slot]
        self._name(slot, int(self.rows.length[slot]))
        self.waiting.extendleft(reversed(ticket.twins))
        ticket.twins = []
        self.book.release(self.rows.pages(slot))

    def _name(self, slot: int, length: int) -> None:
        """Let the full pages among the first `length` tokens be found by who begins alike."""
        if self._prefix_cache:
            ticket, tables = self.active[slot], self.rows.tables[slot]
            named, full = len(ticket.keys), length // PAGE
            if named < full:
                ticket.keys = page_keys(self.rows.ids[slot], length, ticket.keys, ticket.root)
            for page in range(full):
                self.book.name(int(tables[page]), ticket.keys[page])

    def _close_up(self, gone: set[int]) -> None:
        """Move the last active rows into the holes."""
        left = len(self.active) - len(gone)
        holes = np.asarray(sorted(slot for slot in gone if slot < left), dtype=np.int64)
        movers = np.asarray([slot for slot in range(left, len(self.active)) if slot not in gone], dtype=np.int64)
        self.rows.move(movers, holes)
        for mover, hole in zip(movers.tolist(), holes.tolist(), strict=True):
            self.active[hole] = self.active[mover]
        del self.active[left:]

    def _count(self, ticket: Ticket) -> None:
        self._prompt_tokens += len(ticket.prompt)
        self._cached_tokens += ticket.cached


def _equal(ticket: Ticket, leader: Ticket) -> bool:
    alike = ticket.fresh and leader.fresh and ticket.adapter == leader.adapter
    return alike and ticket.prompt == leader.prompt
