"""Whether a passage found is about what was asked: a search always finds the best one, even when none is good."""

from __future__ import annotations

from hornbook.conversations.values import SMALL_WORDS, names_in, normalised
from hornbook.retrieval import Hit

LEAST_SHARE = 0.5
STEM = 5  # letters by which two forms of a word are one


def is_about(question: str, hit: Hit) -> bool:
    """Whether the passage or its title holds at least half of the words the question asks with, small words apart, and
    every word of a name of several ("Mara Quill" is not "Mara Tolly"). A question of small words is about nothing."""
    told = set(_stems(f"{hit.title} {hit.text}"))
    asked = set(_stems(question))
    named = {stem for name in names_in(question) if " " in name for stem in _stems(name)}
    return bool(asked) and len(asked & told) >= LEAST_SHARE * len(asked) and named <= told


def _stems(text: str) -> list[str]:
    return [word[:STEM] for word in normalised(text).split() if word not in SMALL_WORDS]
