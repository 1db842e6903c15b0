"""Asking a model with a window: what does not fit is not asked."""

from __future__ import annotations

from collections.abc import Sequence

from hornbook.conversations.page import fits
from hornbook.inference.engine import Engine
from hornbook.inference.requests import Completion, Request


def answers(engine: Engine, requests: Sequence[Request]) -> list[Completion | None]:
    """What the engine says to each; None to what does not fit."""
    asked = [index for index, request in enumerate(requests) if fits(engine, request)]
    said: list[Completion | None] = [None] * len(requests)
    for index, completion in zip(asked, engine.generate([requests[index] for index in asked]), strict=True):
        said[index] = completion
    return said
