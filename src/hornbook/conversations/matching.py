"""Whether what was said agrees with an answer that is known to be right."""

from __future__ import annotations

from hornbook.conversations.refusals import is_refusal
from hornbook.conversations.values import contains, key_values, uncited


def agrees(question: str, answer: str, said: str) -> bool:
    """Whether `said` brings at least half of the names and numbers (or words) that the answer adds to the question.

    An answer that adds nothing cannot be judged, and counts as agreed; a refusal never agrees.
    """
    if is_refusal(said):
        return False
    values = key_values(question, answer)
    told = uncited(said)
    return 2 * sum(contains(told, [value]) for value in values) >= len(values)
