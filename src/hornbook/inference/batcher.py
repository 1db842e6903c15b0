"""Continuous batching: every step, each text under way gets one token, prompts are read in portions beside them, and
what ends makes room for what waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from hornbook.inference.paged import PagedCache
from hornbook.inference.pages import PAGE
from hornbook.inference.reading import Reader
from hornbook.inference.requests import EngineFigures, PromptTooLongError
from hornbook.inference.sampling import likeliest, sample
from hornbook.inference.schedule import Schedule
from hornbook.inference.shaping import shape_
from hornbook.inference.speculation import Guesser, guess, learn
from hornbook.inference.tickets import Ticket, stops
from hornbook.models.adapted import Adapter


class Batcher:
    """Reads what its schedule says, and samples. `add` requests, `step` until `busy` is false."""

    def __init__(
        self, model, *, ends: Sequence[int], slots: int, pages: int, prefix_cache: bool = True,
        guesser: Guesser | None = None, adapters: Mapping[str, Adapter] | None = None,
    ):  # fmt: skip
        config, weight = model.config, model.model.embed_tokens.weight
        cache = PagedCache(
            config.num_hidden_layers, config.num_key_value_heads, config.head_dim, pages,
            device=weight.device, dtype=weight.dtype, windows=config.windows,
        )  # fmt: skip
        self.ends, self._is_end = frozenset(ends), np.isin(np.arange(config.vocab_size), list(ends))
        self.window = min(config.max_position_embeddings, pages * PAGE)
        self.reader, self.guesser = Reader(model, cache, adapters), guesser
        self.schedule = Schedule(cache, pages, slots=slots, window=self.window, ends=ends, prefix_cache=prefix_cache)
        self.rows = self.schedule.rows
        self._sampled_tokens = 0

    @property
    def busy(self) -> bool:
        return self.schedule.busy

    @property
    def figures(self) -> EngineFigures:
        return self.schedule.figures(self._sampled_tokens)

    def check(self, prompt: Sequence[int]) -> None:
        """Raises PromptTooLongError when the prompt does not fit the model's window with one token to come."""
        if len(prompt) >= self.window:
            raise PromptTooLongError(
                f"the prompt has {len(prompt):,} tokens and this model reads at most {self.window - 1:,}",
                fix="shorten it",
            )

    def add(self, ticket: Ticket) -> None:
        """Queue a request whose prompt was checked."""
        self.schedule.waiting.append(ticket)

    @torch.inference_mode()
    def step(self) -> None:
        """One pass of the model over a token of every text that has been read, and over portions of those that are
        being read."""
        schedule, guesser = self.schedule, self.guesser
        schedule.make_room(guesser.most if guesser is not None else 0)
        if guesser is not None and schedule.active:
            guess(guesser, self.rows, len(schedule.active))
        counts_R = schedule.portions()
        count = len(schedule.active)
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
            slots, at = schedule.with_twins(slots, np.cumsum(asks_R[slots]) - asks_R[slots])
            asks = np.concatenate([asks_R, np.ones(len(schedule.active) - count, dtype=np.int64)])[slots]
            self._give(slots, asks, at, logits_NV)

    @torch.inference_mode()
    def cancel(self, ticket: Ticket) -> None:
        """Take a request out wherever it is; it gets a completion with the reason "cancelled"."""
        self.schedule.cancel(ticket)

    def forget(self) -> None:
        """Let no prompt find what was read before: the weights have changed. Only while nothing is active."""
        self.schedule.book.forget()
        self.reader.refresh()
        if self.guesser is not None:
            self.guesser.forget()

    def reset(self) -> None:
        """Forget every request, and all that was read."""
        self.schedule.reset()

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
            self.schedule.leave(finished)

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
            shape_(logits_NV[place], self.schedule.active[slot], self.rows.ids[slot, : self.rows.start[slot]], said)
        return logits_NV

    def _take(
        self, slots: np.ndarray, ids: np.ndarray, logprobs: np.ndarray, at: np.ndarray, logits_NV: Tensor,
        finished: dict[int, str],
    ) -> None:  # fmt: skip
        """One token more for each of these rows, told to who listens; adds who is done and why to `finished`."""
        rows = self.rows
        rows.append(slots, ids, logprobs)
        self._sampled_tokens += len(slots)
        ended = self._is_end[ids]
        for place in np.flatnonzero(~rows.plain_end[slots]):
            ended[place] = int(ids[place]) in stops(self.schedule.active[slots[place]].sampling, self.ends)
        for place in np.flatnonzero(rows.detailed[slots]):
            ticket = self.schedule.active[slots[place]]
            ticket.top.append(likeliest(logits_NV[int(at[place])], ticket.sampling.top_logprobs))
        for place in np.flatnonzero(rows.watched[slots]):
            ticket, token = self.schedule.active[slots[place]], int(ids[place])
            if ticket.guide is not None and not ended[place]:
                ticket.guide.advance(token)
            if not ended[place]:
                ticket.say(ticket.text.push(token), *rows.said(slots[place]))
                ended[place] |= ticket.text.stopped or (ticket.guide is not None and ticket.guide.done)
        full = rows.known[slots] >= rows.most[slots]
        for place in np.flatnonzero(ended | full):
            finished[int(slots[place])] = "stop" if ended[place] else "length"
