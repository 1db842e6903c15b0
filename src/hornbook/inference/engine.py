"""The one door to a model in use: chat, evaluation, rollouts, judges and retrieval's answers all pass it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import torch

from hornbook.core.errors import InputError
from hornbook.inference.batcher import Batcher
from hornbook.inference.paged import cache_dtype, page_bytes
from hornbook.inference.pages import PAGE
from hornbook.inference.requests import Chunk, Completion, EngineFigures, Request
from hornbook.inference.scoring import score
from hornbook.inference.speculation import Drafter, Lookup, check_draft
from hornbook.inference.text import TextStream
from hornbook.inference.tickets import Listener, Ticket
from hornbook.models.adapted import Adapter
from hornbook.models.device import memory_for, release_memory
from hornbook.models.layers import lay_side_by_side
from hornbook.models.transformer import Transformer
from hornbook.tokens.tokenizer import Tokenizer

MEMORY_SHARE = 4  # a quarter of the machine's memory holds keys and values, at most
GUESSED = 4  # tokens that a draft is asked for


class Engine:
    """Answers many requests at once with continuous batching, or streams one.

    The weights are the model's own, read when a call begins: a trainer that changes them in place is seen by the next
    call. Where they are kept in another type than the model computes in, the engine works on a copy in that type. Who
    says that they are `frozen` spares that, and what was read in one call is found by the next. At most `slots`
    requests are answered at a time, of together at most `tokens` tokens (a quarter of the memory's worth, if that is
    less than `slots` windows). With `keeps_memory` the cache of keys and values stays between calls, for who calls
    again and again. With `guessed` so many tokens are looked up in the text itself, or asked of a small model, the
    `draft`, and tried at once, with the same answers. Requests may ask for one of the `adapters` by name. Not for
    several threads: give one thread the engine and queue for it.
    """

    def __init__(
        self, model: Transformer, tokenizer: Tokenizer, *, slots: int = 256, tokens: int | None = None,
        frozen: bool = False, keeps_memory: bool = False, prefix_cache: bool = True, guessed: int = 0,
        draft: Transformer | None = None, adapters: Mapping[str, Adapter] | None = None,
    ):  # fmt: skip
        if tokenizer.vocab_size > model.config.vocab_size:
            what = f"the tokenizer has {tokenizer.vocab_size:,} tokens and the model {model.config.vocab_size:,}"
            raise InputError(what, where="the model", fix="use the tokenizer that the model was made with")
        self.tokenizer, self._trained = tokenizer, model
        self._adapters = {name: number for number, name in enumerate(adapters or (), 1)}
        self._frozen, self._keeps_memory = frozen, keeps_memory or frozen
        kept = model.model.embed_tokens.weight.dtype
        dtype = model.compute_dtype or kept
        self.model = model if dtype == kept else copy.deepcopy(model).to(dtype).requires_grad_(False)
        lay_side_by_side(self.model)
        if draft is not None:
            check_draft(draft, self.model)
            guessed = guessed or GUESSED
        pages = _pages(self.model, slots, tokens)
        guesser = partial(Drafter, draft, guessed, pages) if draft is not None else partial(Lookup, guessed)
        self._make = lambda: Batcher(
            self.model, ends=tokenizer.ends, slots=slots, pages=pages, prefix_cache=prefix_cache,
            guesser=guesser() if guessed else None, adapters=adapters,
        )
        self._made: Batcher | None = None

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """The completions in the order asked. A request gives the same tokens whatever the others are.

        Equal prompts are read once, and so is a beginning that prompts share. Raises InputError for a prompt that does
        not fit the model's window, before anything is computed.
        """
        tickets = [self.ticket(request) for request in requests]
        self.refresh()
        try:
            for ticket in _equal_together(tickets):
                self.add(ticket)
            while self.step():
                pass
        finally:
            for ticket in tickets:
                self.cancel(ticket)
            if not self._keeps_memory:
                self._release()
        return [ticket.completion for ticket in tickets if ticket.completion is not None]

    def stream(self, request: Request) -> Iterator[Chunk]:
        """The answer as it comes: pieces of whole characters, then a chunk that carries the completion."""
        chunks: list[Chunk] = []
        ticket = self.ticket(request, chunks.append)
        self.refresh()
        self.add(ticket)
        try:
            while ticket.completion is None:
                self.step()
                yield from chunks
                chunks.clear()
        finally:
            self.cancel(ticket)

    def score(self, sequences: Sequence[Sequence[int]], last: Sequence[int] | None = None) -> list[np.ndarray]:
        """log p(token t | tokens before t) of each sequence, natural, fp32, one shorter than the sequence; with `last`
        of so many tokens at its end."""
        self.refresh()
        return score(self.model, sequences, last)

    def ticket(self, request: Request, listener: Listener | None = None) -> Ticket:
        """A request made ready: its messages rendered, its ids checked. For those who drive `add` and `step`."""
        size = self.model.config.vocab_size
        if request.ids is not None:
            prompt = [int(token) for token in request.ids]
            _check_ids(prompt, size, "ids")
        else:
            prompt = self.tokenizer.prompt(request.messages or (), request.tools)
        sampling = request.sampling
        _check_ids(sampling.stop_ids, size, "stop_ids")
        _check_ids(list(sampling.logit_bias), size, "logit_bias")
        self._batcher.check(prompt)
        ticket = Ticket(prompt, request, TextStream(self.tokenizer, sampling.stop), listener)
        if request.adapter is not None:
            if request.adapter not in self._adapters:
                what, there = f"there is no adapter {request.adapter!r}", ", ".join(self._adapters) or "none"
                raise InputError(what, where="adapter", fix=f"those loaded are: {there}")
            ticket.adapter, ticket.root = self._adapters[request.adapter], request.adapter.encode()
        return ticket

    def room(self, length: int) -> int:
        """How many tokens can follow a prompt of this length."""
        return self._batcher.window + 1 - length

    def add(self, ticket: Ticket) -> None:
        """Queue a ticket for `step`."""
        self._batcher.add(ticket)

    @property
    def busy(self) -> bool:
        """Whether a ticket is waiting or being answered."""
        return self._made is not None and self._made.busy

    def figures(self) -> EngineFigures:
        """How busy it is, and what it has done."""
        return self._batcher.figures

    def step(self) -> bool:
        """Give every active request a token, and read prompts that wait. False when there was nothing to do."""
        if not self.busy:
            return False
        self._batcher.step()
        return True

    def cancel(self, ticket: Ticket) -> None:
        """Take a ticket out, wherever it is; nothing happens to one that is done."""
        if self._made is not None and ticket.completion is None:
            self._made.cancel(ticket)

    def reset(self) -> None:
        """Forget every ticket, done or not, and what was read; give the memory of the cache back, unless it is kept."""
        self._batcher.reset()
        if not self._keeps_memory:
            self._release()

    @torch.no_grad()
    def refresh(self) -> None:
        """Take over the weights as they are now, unless they are frozen. What was read with others is forgotten."""
        if self._frozen:
            return
        if self.model is not self._trained:
            pairs = zip(self.model.parameters(), self._trained.parameters(), strict=True)
            for own, trained in pairs:
                own.copy_(trained)
        if self._made is not None:
            self._made.forget()

    @property
    def _batcher(self) -> Batcher:
        if self._made is None:
            self._made = self._make()
        return self._made

    def _release(self) -> None:
        if not self.busy:
            self._made = None
            release_memory()


def _check_ids(ids: Sequence[int], size: int, where: str) -> None:
    if len(ids) and (min(ids) < 0 or max(ids) >= size):
        raise InputError(f"token ids lie between 0 and {size - 1}", where=where)


def _equal_together(tickets: Sequence[Ticket]) -> list[Ticket]:
    """In the order they came, but each after the first with the same prompt."""
    groups: dict[tuple[int, ...], list[Ticket]] = {}
    for ticket in tickets:
        groups.setdefault(tuple(ticket.prompt), []).append(ticket)
    return [ticket for group in groups.values() for ticket in group]


def _pages(model: Transformer, slots: int, tokens: int | None) -> int:
    """How many pages the cache has. Raises InputError for so few tokens that nothing can be read."""
    config, weight = model.config, model.model.embed_tokens.weight
    if tokens is not None:
        if tokens < 2 * PAGE:
            raise InputError(f"must be at least {2 * PAGE}, not {tokens}", where="tokens")
        return tokens // PAGE
    dtype = cache_dtype(weight.device, weight.dtype)
    each = page_bytes(config.num_hidden_layers, config.num_key_value_heads, config.head_dim, dtype)
    window = -(-config.max_position_embeddings // PAGE)
    return max(2, min(slots * window, memory_for(weight.device) // MEMORY_SHARE // each))
