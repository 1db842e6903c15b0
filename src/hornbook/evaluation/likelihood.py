"""Which of several answers a model finds likeliest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hornbook.conversations.values import key_values
from hornbook.evaluation.asking import answers
from hornbook.inference.engine import Engine
from hornbook.inference.requests import Request


def choose(engine: Engine, requests: Sequence[Request], choices: Sequence[Sequence[str]]) -> list[int]:
    """The index of the likeliest choice for each request.

    A choice is put where the model itself puts an answer: it first answers freely and greedily, and the choices take
    the place of the name or number it came to ("Mara Tolly lives in" + " Port Ellery"). An answer without one is
    replaced as a whole. A choice counts by the sum of its tokens' log p, whatever its length.
    """
    stems = own_words(engine, requests)
    sequences, places = [], []
    for index, (request, stem, options) in enumerate(zip(requests, stems, choices, strict=True)):
        prompt = list(engine.ticket(request).prompt)
        for option in options:
            # Stem and choice are encoded as one text, as the model would have written them.
            written = engine.tokenizer.encode(f"{stem} {option}" if stem else option)
            shared = _shared(engine.tokenizer.encode(stem), written) if stem else 0
            sequences.append(prompt + written)
            places.append((index, len(written) - shared))
    totals: list[list[float]] = [[] for _ in requests]
    for (index, _), logprobs in zip(places, engine.score(sequences, [count for _, count in places]), strict=True):
        totals[index].append(float(np.sum(logprobs, dtype=np.float64)))
    return [int(np.argmax(total)) for total in totals]


def own_words(engine: Engine, requests: Sequence[Request]) -> list[str]:
    """What the model says up to the name or number its answer comes to; empty when it starts with it or has none."""
    stems: list[str] = []
    for request, completion in zip(requests, answers(engine, requests), strict=True):
        said = "" if completion is None else completion.text.strip()
        asked = str(request.messages[-1]["content"]) if request.messages else ""
        values = key_values(asked, said)
        place = said.find(values[0]) if values else -1
        stems.append(said[:place].rstrip() if place > 0 else "")
    return stems


def _shared(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two texts have in common at their start."""
    return next((index for index, (a, b) in enumerate(zip(first, second, strict=False)) if a != b),
                min(len(first), len(second)))
