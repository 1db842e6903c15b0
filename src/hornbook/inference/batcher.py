"""Continuous batching: every step, each text under way gets one token, prompts are read in portions beside them, and
what ends makes room for what waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from hornbook.inference.paged import PagedCache
from hornbook.inference.pages import PAGE, PageBook, page_keys
from hornbook.inference.reading import Reader
from hornbook.inference.requests import EngineFigures, PromptTooLongError
from hornbook.inference.rows import Rows
from hornbook.inference.sampling import likeliest, sample
from hornbook.inference.shaping import shape_
from hornbook.inference.speculation import Guesser, guess, learn
from hornbook.inference.tickets import Ticket, stops
from hornbook.models.adapted import Adapter

BUDGET = 2048  # tokens read in one step, so that no prompt keeps those who are being answered waiting for long
ADMIT_SHARE = 8  # prompts are read when an eighth of the rows is free, so that few steps read many


class Batcher:
    """Holds the texts under way. `add` requests, `step` until `busy` is false.

    The active texts are always the first rows, so that a step works on slices. A text whose pages do not fit any more
    gives them back and is read again later: of the active ones the last that came.
    """

    def __init__(
        self, model, *, ends: Sequence[int], slots: int, pages: int, prefix_cache: bool = True,
        guesser: Guesser | None = None, adapters: Mapping[str, Adapter] | None = None,
    ):  # fmt: skip
        self.ends = frozenset(ends)
        self._ends = np.asarray(sorted(self.ends))
        config, weight = model.config, model.model.embed_tokens.weight
        self.cache = PagedCache(
            config.num_hidden_layers, config.num_key_value_heads, config.head_dim, pages,
            device=weight.device, dtype=weight.dtype, windows=config.windows,
        )  # fmt: skip
        self.window = min(config.max_position_embeddings, pages * PAGE)
        self.reader, self.guesser = Reader(model, self.cache, adapters), guesser
        self.slots, self._prefix_cache = slots, prefix_cache
        self.book = PageBook(pages)
        self.waiting: deque[Ticket] = deque()
        self.active: list[Ticket] = []
        self.rows = Rows(slots, self.window)
        self._prompt_tokens = self._cached_tokens = self._sampled_tokens = self._preemptions = 0

    @property
    def busy(self) -> bool:
        return bool(self.waiting or self.active)

    @property
    def figures(self) -> EngineFigures:
        used = 1 - self.book.available / self.book.total
        twins = sum(len(ticket.twins) for ticket in self.active)
        return EngineFigures(
            len(self.active) + twins, len(self.waiting), used, self._prompt_tokens, self._cached_tokens,
            self._sampled_tokens, self._preemptions,
        )  # fmt: skip

    def check(self, prompt: Sequence[int]) -> None:
        """Raises PromptTooLongError when the prompt does not fit the model's window with one token to come."""
        if len(prompt) >= self.window:
            raise PromptTooLongError(
                f"the prompt has {len(prompt):,} tokens and this model reads at most {self.window - 1:,}",
                fix="shorten it",
            )

    def add(self, ticket: Ticket) -> None:
        """Queue a request whose prompt was checked."""
        self.waiting.append(ticket)

    @torch.inference_mode()
    def step(self) -> None:
        """One pass of the model over a token of every text that has been read, and over portions of those that are
        being read."""
        self._make_room()
        counts_R = self._portions()
        count = len(self.active)
        if not count:
            return
        rows, counts_R = self.rows, counts_R[:count]
        begins_R = rows.length[:count].copy()
        firsts_R = np.cumsum(counts_R) - counts_R
        row_M = np.repeat(np.arange(count), counts_R)
        ids_M = rows.ids[row_M, np.arange(len(row_M)) + np.repeat(begins_R - firsts_R, counts_R)]
        # Who will have read all that is known is asked what follows, and so is each guess beyond that.
        asks_R = np.maximum(begins_R + counts_R - rows.known[:count] + 1, 0) * (counts_R > 0)
        asked_N = np.flatnonzero(np.arange(len(row_M)) >= np.repeat(firsts_R + counts_R - asks_R, counts_R))
        try:
            logits_NV = self.reader.read(
                ids_M, rows.tables[:count], begins_R, counts_R, asked_N, rows.adapter[:count]
            )
        except BaseException:
            self.reset()  # pages that can be found may not have been filled
            raise
        rows.length[:count] = np.minimum(begins_R + counts_R, rows.known[:count])
        slots = np.flatnonzero(asks_R)
        if len(slots):
            slots, at = self._with_twins(slots, np.cumsum(asks_R[slots]) - asks_R[slots])
            asks = np.concatenate([asks_R, np.ones(len(self.active) - count, dtype=np.int64)])[slots]
            self._give(slots, asks, at, logits_NV)

    @torch.inference_mode()
    def cancel(self, ticket: Ticket) -> None:
        """Take a request out wherever it is; it gets a completion with the reason "cancelled"."""
        if ticket in self.active:
            self._leave({self.active.index(ticket): "cancelled"})
            return
        for queue in (self.waiting, *(leader.twins for leader in self.active)):
            if ticket in queue:
                queue.remove(ticket)
                ids, logprobs = np.asarray(ticket.ids, dtype=np.int64), np.asarray(ticket.logprobs)
                ticket.complete(ids, logprobs, "cancelled", self.ends)

    def forget(self) -> None:
        """Let no prompt find what was read before: the weights have changed. Only while nothing is active."""
        self.book.forget()
        self.reader.refresh()
        if self.guesser is not None:
            self.guesser.forget()

    def reset(self) -> None:
        """Forget every request, and all that was read."""
        self.waiting.clear()
        self.active.clear()
        self.book = PageBook(self.book.total)

    def _make_room(self) -> None:
        """See that every text has pages for what it will read, if need be by putting others back, and guess what may
        follow."""
        rows, count = self.rows, len(self.active)
        wanted = rows.known[:count]
        if self.guesser is not None:
            ready = rows.length[:count] == wanted - 1
            wanted = np.minimum(wanted + self.guesser.most * ready, np.maximum(rows.most[:count] - 1, wanted))
        for slot in np.flatnonzero(wanted > rows.held[:count] * PAGE).tolist():
            need = -(-int(wanted[slot]) // PAGE) - int(rows.held[slot])
            while slot < len(self.active) and self.book.available < need:
                self._put_back(len(self.active) - 1)
            if slot < len(self.active):
                rows.hold(slot, self.book.take(need))
        rows.guessed[:count] = 0
        if self.guesser is not None and self.active:
            guess(self.guesser, rows, len(self.active))

    def _portions(self) -> np.ndarray:
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

    def _with_twins(self, slots: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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

    def _give(self, slots: np.ndarray, asks: np.ndarray, at: np.ndarray, logits_NV: Tensor) -> None:
        """Sample for each of these rows, and go on as far as its guesses prove right. Row i has `asks[i]` logits from
        `at[i]` on."""
        rows = self.rows
        guessed = asks.max() > 1
        ahead = np.arange(asks.sum()) - np.repeat(np.cumsum(asks) - asks, asks)
        places = np.repeat(at, asks) + ahead
        owners = np.repeat(slots, asks)
        if len(places) != len(logits_NV) or (places != np.arange(len(places))).any():
            logits_NV = logits_NV[torch.from_numpy(places).to(logits_NV.device)]
        shaped_NV = self._shaped(owners, logits_NV)
        ids_N, logprobs_N = sample(logits_NV, rows.settings(owners, ahead), shaped_NV)
        ids, logprobs = ids_N.cpu().numpy(), logprobs_N.cpu().numpy()
        finished: dict[int, str] = {}
        first = np.cumsum(asks) - asks
        if not guessed:
            self._take(slots, ids, logprobs, first, logits_NV, finished)
        else:
            right = self._right(slots, asks, first, ids)
            for turn in range(int(right.max()) + 1):
                going = np.flatnonzero((right >= turn) & ~np.isin(slots, list(finished)))
                rows.length[slots[going]] = rows.known[slots[going]]
                self._take(
                    slots[going], ids[first[going] + turn], logprobs[first[going] + turn], first[going] + turn,
                    logits_NV, finished,
                )  # fmt: skip
        if finished:
            self._leave(finished)

    def _right(self, slots: np.ndarray, asks: np.ndarray, first: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """How many guesses of each row are what was then sampled."""
        right = np.zeros(len(slots), dtype=np.int64)
        for place in np.flatnonzero(asks > 1):
            slot, count = slots[place], asks[place] - 1
            known = self.rows.known[slot]
            same = self.rows.ids[slot, known : known + count] == ids[first[place] : first[place] + count]
            right[place] = count if same.all() else int(same.argmin())
            if self.guesser is not None:
                learn(self.guesser, self.rows, int(slot), int(right[place]))
        return right

    def _shaped(self, owners: np.ndarray, logits_NV: Tensor) -> Tensor | None:
        """The scores to draw from, where they are not the model's own for all."""
        shaped = np.flatnonzero(self.rows.shaped[owners])
        if not len(shaped):
            return None
        logits_NV = logits_NV.float().clone()
        for place in shaped:
            slot = int(owners[place])
            said, _ = self.rows.said(slot)
            shape_(logits_NV[place], self.active[slot], self.rows.ids[slot, : self.rows.start[slot]], said)
        return logits_NV

    def _take(
        self, slots: np.ndarray, ids: np.ndarray, logprobs: np.ndarray, at: np.ndarray, logits_NV: Tensor,
        finished: dict[int, str],
    ) -> None:  # fmt: skip
        """One token more for each of these rows, told to who listens; adds who is done and why to `finished`."""
        rows = self.rows
        rows.append(slots, ids, logprobs)
        self._sampled_tokens += len(slots)
        ended = np.isin(ids, self._ends)
        for place in np.flatnonzero(~rows.plain_end[slots]):
            ended[place] = int(ids[place]) in stops(self.active[slots[place]].sampling, self.ends)
        for place in np.flatnonzero(rows.detailed[slots]):
            ticket = self.active[slots[place]]
            ticket.top.append(likeliest(logits_NV[int(at[place])], ticket.sampling.top_logprobs))
        for place in np.flatnonzero(rows.watched[slots]):
            ticket, token = self.active[slots[place]], int(ids[place])
            if ticket.guide is not None and not ended[place]:
                ticket.guide.advance(token)
            if not ended[place]:
                ticket.say(ticket.text.push(token), *rows.said(slots[place]))
                ended[place] |= ticket.text.stopped or (ticket.guide is not None and ticket.guide.done)
        full = rows.known[slots] >= rows.most[slots]
        for place in np.flatnonzero(ended | full):
            finished[int(slots[place])] = "stop" if ended[place] else "length"

    def _leave(self, reasons: dict[int, str]) -> None:
        """Complete the requests in these rows, and give their pages back."""
        for slot, reason in reasons.items():
            ticket = self.active[slot]
            self._release(slot)
            ticket.complete(*self.rows.said(slot), reason, stops(ticket.sampling, self.ends))
        self._close_up(set(reasons))

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
