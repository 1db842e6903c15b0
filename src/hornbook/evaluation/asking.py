"""Asking a model with a window: what does not fit is not asked, and a passage is cut until it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hornbook.conversations.formats import Message, with_page
from hornbook.core.errors import InputError
from hornbook.inference.engine import Engine
from hornbook.inference.requests import Completion, Request

ROOM_FOR_ANSWER = 24  # tokens that must be left of the window


def fits(engine: Engine, request: Request) -> bool:
    """Whether the prompt and a short answer fit the model's window."""
    try:
        prompt = engine.ticket(request).prompt
    except InputError:
        return False
    return len(prompt) + ROOM_FOR_ANSWER <= engine.model.config.max_position_embeddings


def answers(engine: Engine, requests: Sequence[Request]) -> list[Completion | None]:
    """What the engine says to each; None to what does not fit."""
    asked = [index for index, request in enumerate(requests) if fits(engine, request)]
    said: list[Completion | None] = [None] * len(requests)
    for index, completion in zip(asked, engine.generate([requests[index] for index in asked]), strict=True):
        said[index] = completion
    return said


def with_fitting_page(
    engine: Engine, make: Callable[[list[Message]], Request], messages: list[Message], title: str, passage: str
) -> Request:
    """`make` of the messages with the page before them, of which as many words are kept as the window holds."""
    words = passage.split()
    while words:
        request = make(with_page(messages, title, " ".join(words)))
        if fits(engine, request):
            return request
        words = words[: len(words) * 4 // 5]
    return make(messages)
