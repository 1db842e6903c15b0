"""Beam search: of all answers the most probable that can be found while so many are followed at once.

Each step asks for one token of every beam with what is likeliest there; beams find the beginning they share in the
engine's prefix cache, so that a step reads little more than the last token of each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hornbook.core.errors import InputError
from hornbook.inference.engine import Engine
from hornbook.inference.requests import Completion, Request, Sampling


@dataclass(frozen=True)
class Beam:
    """An answer under way: its ids and the log-probability of each."""

    ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()

    @property
    def total(self) -> float:
        return sum(self.logprobs)

    def score(self, length_penalty: float) -> float:
        """The sum of the log-probabilities over length to the power of the penalty."""
        return self.total / len(self.ids) ** length_penalty


def beam_search(engine: Engine, request: Request, width: int = 4, *, length_penalty: float = 1.0) -> list[Completion]:
    """The `width` best answers, the best first; of the request's sampling `max_tokens` alone is followed.

    As transformers' `generate(num_beams=width, early_stopping=False)`: it ends when no beam can any more become better
    than the worst answer found, judged by its score at its present length. Raises InputError for a width below 1, and
    as `Engine.generate`.
    """
    if width < 1:
        raise InputError(f"must be at least 1, not {width}", where="width")
    whole = engine.ticket(replace(request, sampling=Sampling(), guide=None)).prompt
    ends = frozenset(engine.tokenizer.ends)
    # Enough that `width` of them do not end, whichever ends are among them.
    sampling = Sampling(max_tokens=1, ignore_end=True, top_logprobs=(1 + len(ends)) * width)
    beams, found = [Beam()], list[Beam]()
    engine.refresh()
    for _ in range(min(request.sampling.max_tokens, engine.room(len(whole)))):
        tickets = [engine.ticket(Request(ids=[*whole, *beam.ids], sampling=sampling)) for beam in beams]
        for ticket in tickets:
            engine.add(ticket)
        while engine.step():
            pass
        grown = [
            Beam((*beam.ids, token), (*beam.logprobs, logprob))
            for beam, ticket in zip(beams, tickets, strict=True)
            for token, logprob in ticket.top[0]
        ]
        grown.sort(key=lambda beam: -beam.total)
        found += [beam for beam in grown[:width] if beam.ids[-1] in ends]
        found = sorted(found, key=lambda beam: -beam.score(length_penalty))[:width]
        beams = [beam for beam in grown if beam.ids[-1] not in ends][:width]
        if len(found) == width and beams[0].score(length_penalty) <= found[-1].score(length_penalty):
            break
    else:
        found = sorted([*found, *beams], key=lambda beam: -beam.score(length_penalty))[:width]
    return [_completed(engine, beam, len(whole), ends) for beam in found]


def _completed(engine: Engine, beam: Beam, prompt_tokens: int, ends: frozenset[int]) -> Completion:
    ended = beam.ids[-1] in ends
    text = engine.tokenizer.decode(beam.ids[:-1] if ended else beam.ids)
    return Completion(list(beam.ids), text, list(beam.logprobs), "stop" if ended else "length", prompt_tokens)
