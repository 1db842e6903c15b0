"""The one door to a model in use: chat, evaluation, rollouts, judges and retrieval's answers all pass it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from hornbook.core.errors import InputError
from hornbook.inference.batcher import Batcher, Listener, Ticket, shared_prefix
from hornbook.inference.requests import Chunk, Completion, Request
from hornbook.inference.scoring import score
from hornbook.inference.text import TextStream
from hornbook.models.device import release_memory
from hornbook.models.layers import lay_side_by_side
from hornbook.models.transformer import Transformer
from hornbook.tokens.chat import render
from hornbook.tokens.tokenizer import Tokenizer

LEAST_PREFIX = 16  # a shorter common beginning is cheaper read again


class Engine:
    """Answers many requests at once with continuous batching, or streams one.

    The weights are the model's own, read when a call begins: a trainer that changes them in place is seen by the next
    call. Where they are kept in another type than the model computes in, the engine works on a copy in that type. At
    most `slots` requests are active at a time, fewer where the cache is kept in a wider type than the model's. With
    `keeps_memory` the cache of keys and values stays between calls, for who calls again and again. Not for several
    threads: give one thread the engine and queue for it.
    """

    def __init__(
        self, model: Transformer, tokenizer: Tokenizer, *, slots: int = 256, keeps_memory: bool = False
    ):
        if tokenizer.vocab_size > model.config.vocab_size:
            what = f"the tokenizer has {tokenizer.vocab_size:,} tokens and the model {model.config.vocab_size:,}"
            raise InputError(what, where="the model", fix="use the tokenizer that the model was made with")
        self.tokenizer, self._trained, self._keeps_memory = tokenizer, model, keeps_memory
        kept = model.model.embed_tokens.weight.dtype
        self._dtype = model.compute_dtype or kept
        self.model = model if self._dtype == kept else copy.deepcopy(model).to(self._dtype).requires_grad_(False)
        lay_side_by_side(self.model)
        self._batcher = Batcher(self.model, ends=(tokenizer.end_of_turn, tokenizer.end_of_document), slots=slots)

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        """The completions in the order asked. A request gives the same tokens whatever the others are.

        Equal prompts are read once, and so is a beginning that all prompts share. Raises InputError for a prompt that
        does not fit the model's window, before anything is computed.
        """
        if not requests:
            return []
        tickets = [self.ticket(request) for request in requests]
        self.refresh()
        self._batcher.begin_with([])
        shared = shared_prefix([ticket.prompt for ticket in tickets])
        alike = all(ticket.prompt == tickets[0].prompt for ticket in tickets)
        if shared >= LEAST_PREFIX and not alike:
            self._batcher.begin_with(tickets[0].prompt[:shared])
        try:
            # Prompts of one length together pad little; equal ones side by side are read once.
            for ticket in sorted(tickets, key=lambda ticket: (len(ticket.prompt), ticket.prompt)):
                self._batcher.add(ticket)
            while self._batcher.busy:
                self._batcher.step()
        finally:
            self._batcher.reset()
            if not self._keeps_memory:
                self._batcher.cache.clear()
                release_memory()
        return [ticket.completion for ticket in tickets if ticket.completion is not None]

    def stream(self, request: Request) -> Iterator[Chunk]:
        """The answer as it comes: pieces of whole characters, then a chunk that carries the completion."""
        chunks: list[Chunk] = []
        ticket = self.ticket(request, chunks.append)
        self.refresh()
        self._batcher.add(ticket)
        try:
            while ticket.completion is None:
                self._batcher.step()
                yield from chunks
                chunks.clear()
        finally:
            self._batcher.cancel(ticket)

    def score(self, sequences: Sequence[Sequence[int]], last: Sequence[int] | None = None) -> list[np.ndarray]:
        """log p(token t | tokens before t) of each sequence, natural, fp32, one shorter than the sequence; with `last`
        of so many tokens at its end."""
        self.refresh()
        return score(self.model, sequences, last)

    def ticket(self, request: Request, listener: Listener | None = None) -> Ticket:
        """A request made ready: its messages rendered, its ids checked. For those who drive `add` and `step`."""
        if request.ids is not None:
            prompt = [int(token) for token in request.ids]
            if min(prompt) < 0 or max(prompt) >= self.model.config.vocab_size:
                raise InputError(f"token ids lie between 0 and {self.model.config.vocab_size - 1}", where="ids")
        else:
            prompt = render(self.tokenizer, request.messages or (), for_answer=True).ids
        self._batcher.check(prompt)
        return Ticket(prompt, request.sampling, TextStream(self.tokenizer, request.sampling.stop), listener)

    def add(self, ticket: Ticket) -> None:
        """Queue a ticket for `step`."""
        self._batcher.add(ticket)

    @property
    def busy(self) -> bool:
        """Whether a ticket is waiting or being answered."""
        return self._batcher.busy

    def step(self) -> bool:
        """Give every active request a token, or read prompts that wait. False when there was nothing to do."""
        if not self.busy:
            return False
        self._batcher.step()
        return True

    def cancel(self, ticket: Ticket) -> None:
        """Take a ticket out, wherever it is; nothing happens to one that is done."""
        self._batcher.cancel(ticket)

    def reset(self) -> None:
        """Forget every ticket, done or not, and give the memory of the cache back."""
        self._batcher.reset()
        self._batcher.cache.clear()

    @torch.no_grad()
    def refresh(self) -> None:
        """Take over the weights as they are now."""
        if self.model is not self._trained:
            pairs = zip(self.model.parameters(), self._trained.parameters(), strict=True)
            for own, trained in pairs:
                own.copy_(trained)
