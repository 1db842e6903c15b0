"""Whether a passage found is about what was asked: a search always finds the best one, even when none is good."""

from __future__ import annotations

import re

from hornbook.conversations.values import SMALL_WORDS, names_in, normalised, numbers_in
from hornbook.retrieval import Hit

LEAST_SHARE, LEAST_SHARE_OF_SUMS = 0.5, 0.9
STEM = 5  # letters by which two forms of a word are one
_JOINED = re.compile(r"\s+(?:(?:of|the|de|von|van)\s+)+")  # "the Trade of Mara Tolly" holds one name


def is_about(question: str, hit: Hit) -> bool:
    """Whether the passage or its title tells of what the question asks about.

    It does when the question spells out its title, or a name of several words that it holds. It does not when it lacks
    a word of such a name ("Mara Quill" is not "Mara Tolly"). Otherwise it must hold half of the question's words, small
    words apart, and every number in it: a sum in words is not about a page of other sums.
    """
    told, asked = set(_stems(f"{hit.title} {hit.text}")), set(_stems(question))
    if named := {stem for name in _full_names(question) for stem in _stems(name)}:
        return named <= told
    if (title := set(_stems(hit.title))) and title <= asked:
        return True
    numbers = {stem for number in numbers_in(question) for stem in _stems(number)}
    least = LEAST_SHARE_OF_SUMS if numbers else LEAST_SHARE
    return bool(asked) and len(asked & told) >= least * len(asked) and numbers <= told


def _full_names(question: str) -> list[str]:
    """The names of several words. The word a question begins with has its capital from there, and is no part of one."""
    rest = question.strip().partition(" ")[2]
    return [part for name in names_in(rest) for part in _JOINED.split(name) if " " in part]


def _stems(text: str) -> list[str]:
    return [word[:STEM] for word in normalised(text).split() if word not in SMALL_WORDS]
