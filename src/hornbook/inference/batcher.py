"""Continuous batching: every step, each active request gets one token; what ends makes room for what waits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from hornbook.inference.cache import Extending, Filling, SlotCache
from hornbook.inference.requests import Chunk, Completion, PromptTooLongError, Sampling
from hornbook.inference.sampling import RowSettings, sample
from hornbook.inference.text import TextStream
from hornbook.models.attention import BLOCK

PREFILL_TOKENS = 4096  # at most so many prompt tokens, padding counted, are read in one pass
ADMIT_SHARE = 8  # prompts are read when an eighth of the slots is free, so that few passes read many

Listener = Callable[[Chunk], None]


class Ticket:
    """One request on its way: waiting, then in a slot, then with its completion."""

    def __init__(self, prompt: Sequence[int], sampling: Sampling, text: TextStream, listener: Listener | None):
        self.prompt, self.sampling, self.text, self.listener = list(prompt), sampling, text, listener
        self.completion: Completion | None = None
        # Who listens, or may be stopped by a text, is followed token by token; the rest is read when it is done.
        self.watched = listener is not None or bool(sampling.stop)

    def say(self, piece: str) -> None:
        if self.listener is not None and piece:
            self.listener(Chunk(piece))


class Batcher:
    """Holds the slots. `add` requests, `step` until `busy` is false; the weights may change between steps.

    The active requests are always the first slots, so that a step works on slices.
    """

    def __init__(self, model, *, ends: Sequence[int], slots: int):
        self.model = model
        self.ends = frozenset(ends)
        self._ends = np.asarray(sorted(self.ends))
        self.window = model.config.max_position_embeddings
        weight = model.model.embed_tokens.weight
        config = model.config
        self.device = weight.device
        self.cache = SlotCache(
            config.num_hidden_layers, config.num_key_value_heads, config.head_dim,
            device=weight.device, dtype=weight.dtype, windows=config.windows,
        )  # fmt: skip
        # As many as fill the memory that the model's own type would: where the cache is wider there are fewer.
        self.slots = max(1, slots * weight.dtype.itemsize // self.cache.dtype.itemsize)
        self.waiting: deque[Ticket] = deque()
        self.active: list[Ticket] = []
        self.rows = _Rows(self.slots)
        self.prefix: list[int] = []
        self.prefix_kv: Tensor | None = None

    @property
    def busy(self) -> bool:
        return bool(self.waiting or self.active)

    def check(self, prompt: Sequence[int]) -> None:
        """Raises PromptTooLongError when the prompt does not fit the model's window with one token to come."""
        if len(prompt) >= self.window:
            raise PromptTooLongError(
                f"the prompt has {len(prompt):,} tokens and this model reads at most {self.window - 1:,}",
                fix="shorten it",
            )

    def add(self, ticket: Ticket) -> None:
        """Queue a request whose prompt was checked, and begins with what `begin_with` read."""
        self.waiting.append(ticket)

    @torch.inference_mode()
    def begin_with(self, prefix: Sequence[int]) -> None:
        """Read once what every request added from now on begins with; [] forgets it. Only while nothing is active."""
        self.prefix, self.prefix_kv = list(prefix), None
        if prefix:
            self.cache.reserve(1, len(prefix))
            slot = np.zeros(1, dtype=np.int64)
            self.model.hidden(self._tensor([prefix]), cache=Filling(self.cache, slot, slot))
            self.prefix_kv = torch.stack([kv[:, 0, :, : len(prefix)] for kv in self.cache.kv], 1)

    @torch.inference_mode()
    def step(self) -> None:
        """Read waiting prompts if there is room, else give every active request its next token."""
        free = self.slots - len(self.active)
        if self.waiting and free >= min(len(self.waiting), max(1, self.slots // ADMIT_SHARE)):
            self._admit(free)
        elif self.active:
            self._extend()

    @torch.inference_mode()
    def cancel(self, ticket: Ticket) -> None:
        """Take a request out wherever it is; it gets a completion with the reason "cancelled"."""
        if ticket in self.waiting:
            self.waiting.remove(ticket)
            ticket.completion = Completion([], "", [], "cancelled", len(ticket.prompt))
        elif ticket in self.active:
            self._leave(np.asarray([self.active.index(ticket)]), ["cancelled"])

    def reset(self) -> None:
        """Forget every request and prefix."""
        self.waiting.clear()
        self.active.clear()
        self.prefix, self.prefix_kv = [], None

    def _admit(self, free: int) -> None:
        """Read the prompts of as many waiting requests as fit the slots and one pass; equal prompts are read once."""
        tickets: list[Ticket] = []
        prompts: list[list[int]] = []
        row_of: list[int] = []
        longest = 0
        while self.waiting and len(tickets) < free:
            prompt = self.waiting[0].prompt
            if not prompts or prompt != prompts[-1]:
                longest = max(longest, len(prompt) - len(self.prefix))
                if prompts and longest * (len(prompts) + 1) > PREFILL_TOKENS:
                    break
                prompts.append(prompt)
            row_of.append(len(prompts) - 1)
            tickets.append(self.waiting.popleft())
        first, row_of_R = len(self.active), np.asarray(row_of)
        slots_R = np.arange(first, first + len(tickets))
        self.cache.reserve(first + len(tickets), max(len(prompt) for prompt in prompts) + 1)
        x_UD = self._read(prompts, Filling(self.cache, row_of_R, slots_R, self.prefix_kv))
        self.rows.enter(slots_R, tickets)
        self.active.extend(tickets)
        logits_UV = self.model.logits(x_UD)
        self._give(slots_R, logits_UV[torch.from_numpy(row_of_R).to(self.device)])

    def _read(self, prompts: list[list[int]], cache: Filling) -> Tensor:
        """The hidden state after each prompt's last token, x_UD."""
        start = len(self.prefix)
        lengths = [len(prompt) - start for prompt in prompts]
        longest = -(-max(lengths) // BLOCK) * BLOCK  # the kernel's measure; what is padded nobody looks at
        ids_UT = np.zeros((len(prompts), min(longest, self.window - start)), dtype=np.int64)
        for row, prompt in enumerate(prompts):
            ids_UT[row, : lengths[row]] = prompt[start:]
        positions_1T = np.arange(start, start + ids_UT.shape[1])[None]
        ends_U = np.arange(len(prompts)) * ids_UT.shape[1] + np.asarray(lengths) - 1
        ids_UT, positions_1T, ends_U = (self._tensor(x) for x in (ids_UT, positions_1T, ends_U))
        return self.model.hidden(ids_UT, positions_1T, cache=cache, places_N=ends_U)

    def _extend(self) -> None:
        count = len(self.active)
        length = self.rows.length[:count]
        self.cache.reserve(count, int(length.max()) + 1)
        ids_R1, positions_R1 = self._tensor(self.rows.last[:count, None]), self._tensor(length[:, None])
        x_R1D = self.model.hidden(ids_R1, positions_R1, cache=Extending(self.cache, length))
        self.rows.length[:count] += 1
        self._give(np.arange(count), self.model.logits(x_R1D[:, 0]))

    def _give(self, slots_R: np.ndarray, logits_RV: Tensor) -> None:
        """Sample a token for each of these slots, tell who listens, and let go what is finished."""
        rows = self.rows
        ids_R, logprobs_R = sample(logits_RV, rows.settings(slots_R))
        ids, logprobs = ids_R.cpu().numpy(), logprobs_R.cpu().numpy()
        rows.append(slots_R, ids, logprobs)
        ended = np.isin(ids, self._ends)
        full = (rows.step[slots_R] >= rows.most[slots_R]) | (rows.length[slots_R] >= self.window)
        for place in np.flatnonzero(rows.watched[slots_R] & ~ended):
            ticket = self.active[slots_R[place]]
            ticket.say(ticket.text.push(int(ids[place])))
            ended[place] |= ticket.text.stopped
        finished = np.flatnonzero(ended | full)
        if len(finished):
            self._leave(slots_R[finished], ["stop" if ended[place] else "length" for place in finished])

    def _leave(self, slots: np.ndarray, reasons: list[str]) -> None:
        """Complete the requests in these slots and move the last active ones into the holes."""
        for slot, reason in zip(slots, reasons, strict=True):
            self._complete(int(slot), reason)
        left = len(self.active) - len(slots)
        gone = set(slots.tolist())
        holes = np.asarray(sorted(slot for slot in gone if slot < left), dtype=np.int64)
        movers = np.asarray([slot for slot in range(left, len(self.active)) if slot not in gone], dtype=np.int64)
        if len(holes):
            self.cache.move(movers, holes, int(self.rows.length[movers].max()))
            self.rows.move(movers, holes)
            for mover, hole in zip(movers, holes, strict=True):
                self.active[hole] = self.active[mover]
        del self.active[left:]

    def _complete(self, slot: int, reason: str) -> None:
        ticket, (ids, logprobs) = self.active[slot], self.rows.given(slot)
        if not ticket.watched:
            ticket.text.push(*(ids[:-1] if ids[-1] in self.ends else ids))
        ticket.say(ticket.text.finish())
        ticket.completion = Completion(ids, ticket.text.text, logprobs, reason, len(ticket.prompt))
        if ticket.listener is not None:
            ticket.listener(Chunk("", ticket.completion))

    def _tensor(self, values) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, dtype=np.int64)).to(self.device)


class _Rows:
    """What is known of every slot, as arrays, so that a step has no loop over requests."""

    def __init__(self, slots: int):
        self.length = np.zeros(slots, dtype=np.int64)  # tokens in the cache
        self.last = np.zeros(slots, dtype=np.int64)  # sampled and not yet in the cache
        self.most = np.zeros(slots, dtype=np.int64)
        self.watched = np.zeros(slots, dtype=bool)
        self.step = np.zeros(slots, dtype=np.int64)
        self.temperature = np.zeros(slots)
        self.top_k = np.zeros(slots, dtype=np.int64)
        self.top_p = np.ones(slots)
        self.min_p = np.zeros(slots)
        self.seed = np.zeros(slots, dtype=np.uint64)
        self.ids = np.zeros((slots, 64), dtype=np.int64)
        self.logprobs = np.zeros((slots, 64), dtype=np.float32)

    def enter(self, slots: np.ndarray, tickets: list[Ticket]) -> None:
        self.step[slots] = 0
        self.length[slots] = [len(ticket.prompt) for ticket in tickets]
        self.watched[slots] = [ticket.watched for ticket in tickets]
        self.most[slots] = [ticket.sampling.max_tokens for ticket in tickets]
        self.seed[slots] = np.asarray([ticket.sampling.seed % (1 << 64) for ticket in tickets], dtype=np.uint64)
        for name in ("temperature", "top_k", "top_p", "min_p"):
            getattr(self, name)[slots] = [getattr(ticket.sampling, name) for ticket in tickets]

    def settings(self, slots: np.ndarray) -> RowSettings:
        return RowSettings(
            temperature=self.temperature[slots], top_k=self.top_k[slots], top_p=self.top_p[slots],
            min_p=self.min_p[slots], seed=self.seed[slots], step=self.step[slots],
        )  # fmt: skip

    def append(self, slots: np.ndarray, ids: np.ndarray, logprobs: np.ndarray) -> None:
        if self.step[slots].max() >= self.ids.shape[1]:
            self.ids = np.concatenate([self.ids, np.zeros_like(self.ids)], axis=1)
            self.logprobs = np.concatenate([self.logprobs, np.zeros_like(self.logprobs)], axis=1)
        self.ids[slots, self.step[slots]] = ids
        self.logprobs[slots, self.step[slots]] = logprobs
        self.last[slots] = ids
        self.step[slots] += 1

    def given(self, slot: int) -> tuple[list[int], list[float]]:
        count = self.step[slot]
        return self.ids[slot, :count].tolist(), self.logprobs[slot, :count].tolist()

    def move(self, source: np.ndarray, target: np.ndarray) -> None:
        for values in vars(self).values():
            values[target] = values[source]


def shared_prefix(prompts: Sequence[list[int]]) -> int:
    """How many tokens all the prompts begin with, the last token of each never counted."""
    first, last = min(prompts), max(prompts)  # what these two share, all between them share
    most = min(len(prompt) for prompt in prompts) - 1
    return next((place for place in range(most) if first[place] != last[place]), most)
