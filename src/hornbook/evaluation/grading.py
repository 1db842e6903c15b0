"""Right or wrong, by rules anybody can check by hand."""

from __future__ import annotations

import re

from hornbook.conversations.refusals import is_refusal
from hornbook.conversations.values import contains, uncited
from hornbook.evaluation.exams import Question

_NUMBER = re.compile(r"(?<![\w.])-?\d(?:[\d,]*\d)?(?:\.\d+)?(?![\w])")
_ANSWER = re.compile(r"answer\s*(?:is|:|=)\s*\$?(-?\d(?:[\d,]*\d)?(?:\.\d+)?)(?!\w)", re.IGNORECASE)


def is_right(question: Question, text: str) -> bool:
    """Whether `text` answers the question. The page it names at its end is no part of the answer.

    To be refused: right when it refuses; otherwise a refusal is wrong. Accepted answers that are all numbers: the last
    "Answer: N", else the last number, is one of them. Any other: an accepted answer stands in it as whole words.
    """
    if question.refuse or is_refusal(text):
        return question.refuse and is_refusal(text)
    said = uncited(text)
    accepted = [number for number in map(as_number, question.answers) if number is not None]
    if len(accepted) == len(question.answers):
        return last_number(said) in accepted
    return contains(said, question.answers)


def last_number(text: str) -> float | None:
    """The number after the last "Answer:" (or "answer is"), else the last number of the text, else None."""
    found = _ANSWER.findall(text) or _NUMBER.findall(text)
    return as_number(found[-1]) if found else None


def as_number(text: str) -> float | None:
    """The text as a number, when it is nothing else: "1,200" is 1200."""
    plain = text.strip().rstrip(".")
    return float(plain.replace(",", "")) if _NUMBER.fullmatch(plain) else None
