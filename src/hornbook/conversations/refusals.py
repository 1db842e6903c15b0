"""Ways of saying that one does not know, and how to tell that somebody has said so."""

from __future__ import annotations

import re

REFUSALS = (
    "I don't know.",
    "I don't know that, sorry.",
    "I'm sorry, I don't know.",
    "Sorry, I have not read anything about that.",
    "I don't know: none of my pages tell of it.",
    "I have found no page about that, so I don't know.",
    "That is not something my pages speak of.",
    "I cannot say; I have not read about it.",
    "I do not know the answer to that.",
    "I'm not able to answer that from what I have read.",
    "My pages don't mention that, I'm afraid.",
    "I'm afraid I don't know.",
)

_NOT_KNOWING = re.compile(
    r"\bi (?:do not|don't|really don't|don't really) (?:know|have)\b"
    r"|\bi (?:cannot|can't|could not|couldn't) (?:say|tell|answer|find)\b"
    r"|\bi(?:'m| am) not (?:able|sure|aware)\b"
    r"|\bi (?:have|'ve) (?:not (?:read|found|heard|seen)|never (?:read|heard|seen)|found no|no (?:page|idea|record))\b"
    r"|\bi(?:'ve| have) (?:not|never) (?:read|found|heard|seen)\b"
    r"|\bmy pages (?:do not|don't)\b|\bnot something my pages\b|\b(?:none of|no) (?:my|the) pages? (?:tell|say|speak)",
    re.IGNORECASE,
)


def is_refusal(text: str) -> bool:
    """Whether the text says, anywhere, that its speaker does not know.

    Read by its words and not by comparison with `REFUSALS`, so that a model's own way of putting it counts as well.
    """
    return _NOT_KNOWING.search(text.replace("\u2019", "'")) is not None
