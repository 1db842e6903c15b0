"""The one form in which a model is ever given text to read: training, exams and the chat lay pages before it alike."""

from __future__ import annotations

from collections.abc import Sequence

from hornbook.conversations.formats import Message
from hornbook.core.errors import InputError
from hornbook.inference.engine import Engine
from hornbook.inference.requests import Request, Sampling
from hornbook.retrieval.index import Hit

# Laid before the model together. Two short passages hold the answer oftener than one as long as both (0.88 against
# 0.79 on the demo's pages).
PASSAGES = 2
ROOM_FOR_ANSWER = 24  # tokens that must be left of the window
LEAST_WORDS = 20  # a page cut shorter than this tells nothing


def with_page(messages: Sequence[Message], title: str, text: str) -> list[Message]:
    """The messages with a page laid open before them."""
    return [{"role": "system", "content": f"{title}\n{text}"}, *messages]


def with_passages(
    engine: Engine, messages: Sequence[Message], hits: Sequence[Hit], sampling: Sampling, tools: Sequence[dict] = ()
) -> Request | None:
    """The request with the passages found, best first, as one page under the title of the best.

    Of their words as many are kept as the model's window holds beside an answer. None where nothing was found, or where
    too little of it fits.
    """
    words = " ".join(hit.text for hit in hits).split()
    least = min(len(words), LEAST_WORDS)
    while words and len(words) >= least:
        read = with_page(messages, hits[0].title, " ".join(words))
        request = Request(messages=read, sampling=sampling, tools=tools)
        if fits(engine, request):
            return request
        words = words[: len(words) * 4 // 5]
    return None


def fits(engine: Engine, request: Request) -> bool:
    """Whether the prompt and a short answer fit the model's window."""
    try:
        prompt = engine.ticket(request).prompt
    except InputError:
        return False
    return len(prompt) + ROOM_FOR_ANSWER <= engine.model.config.max_position_embeddings
