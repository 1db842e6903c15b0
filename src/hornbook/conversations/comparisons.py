"""Comparisons: several answers to one prompt, ranked. Pairs are derived from the ranking, never stored.

A row is `{"id", "prompt": messages, "answers": [texts], "ranking": [[2], [0, 1]], "rater", "rater_kind":
"person|program|model", "time"}`: places best first, answers of one place are as good as each other. `"simulated": true`
stands where no person ranked. `"again"` is a second ranking by the same rater, where one was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from hornbook.conversations.formats import Message
from hornbook.conversations.rows import placed_rows
from hornbook.core.errors import InputError
from hornbook.tokens.chat import read_message

RATER_KINDS = ("person", "program", "model")

Ranking = list[list[int]]


def comparison(identity: str, prompt: list[Message], answers: list[str], ranking: Ranking, *, rater: str,
               rater_kind: str, time: str | None = None, again: Ranking | None = None) -> dict:
    """A row made from its parts. Whatever a program or a model ranked is marked as simulated."""
    row = {"id": identity, "prompt": prompt, "answers": answers, "ranking": ranking, "rater": rater,
           "rater_kind": rater_kind, "time": time}
    row |= {} if again is None else {"again": again}
    return row if rater_kind == "person" else row | {"simulated": True}


def pairs(ranking: Ranking) -> list[tuple[int, int]]:
    """Every (better, worse) that the ranking says; answers of one place make none.

    >>> pairs([[2], [0, 1]])
    [(2, 0), (2, 1)]
    """
    return [
        (better, worse)
        for place, group in enumerate(ranking) for better in group
        for later in ranking[place + 1 :] for worse in later
    ]


def ranked(scores: Sequence[float]) -> Ranking:
    """The ranking that scores give: highest first, equal scores in one place, in the order of the answers.

    >>> ranked([1.0, 1.0, 2.5])
    [[2], [0, 1]]
    """
    return [[index for index, score in enumerate(scores) if score == value]
            for value in sorted(set(scores), reverse=True)]


def agreement(first: Iterable[Ranking], second: Iterable[Ranking]) -> tuple[float, int]:
    """(share, n): of the pairs that both rankings of the same answers decide, how many they decide alike.

    NaN with n = 0 when there is no such pair.
    """
    alike = n = 0
    for one, other in zip(first, second, strict=True):
        opposite = set(pairs(other))
        for better, worse in pairs(one):
            alike += (better, worse) in opposite
            n += (better, worse) in opposite or (worse, better) in opposite
    return (alike / n if n else float("nan")), n


def read_comparisons(path: Path) -> Iterator[dict]:
    """Every row of the file, in order. Raises InputError naming the line of the first bad one."""
    for where, row in placed_rows(path):
        yield checked(row, where)


def checked(row: dict, where: str = "row") -> dict:
    """The row, when it is a whole comparison. Raises InputError that says what is not right."""
    prompt, answers = row.get("prompt"), row.get("answers")
    if not isinstance(prompt, list) or not prompt:
        raise InputError('"prompt" must be a list of messages with role and content', where=where)
    for index, message in enumerate(prompt, 1):
        read_message(message, f"{where}, message {index}")
    if not isinstance(answers, list) or len(answers) < 2 or not all(isinstance(answer, str) for answer in answers):
        raise InputError('"answers" must be at least two texts', where=where)
    for key in ("ranking", "again"):
        if key in row or key == "ranking":
            _check_ranking(row.get(key), len(answers), key, where)
    if row.get("rater_kind") not in RATER_KINDS:
        raise InputError(f"unknown rater_kind {row.get('rater_kind')!r}", where=where,
                         fix=f"use one of {', '.join(RATER_KINDS)}")
    for key in ("id", "rater"):
        if not isinstance(row.get(key), str) or not row[key]:
            raise InputError(f'"{key}" must be a text that is not empty', where=where)
    simulated = {} if row["rater_kind"] == "person" else {"simulated": True}
    return {"time": None} | {key: value for key, value in row.items() if key != "simulated"} | simulated


def _check_ranking(ranking: object, count: int, key: str, where: str) -> None:
    groups: list = ranking if isinstance(ranking, list) else []
    whole = all(isinstance(group, list) for group in groups)
    named = sorted(str(index) for group in groups for index in group) if whole else []
    if named != sorted(map(str, range(count))):
        raise InputError(f'"{key}" must name each of the {count} answers once', where=where,
                         fix="count from 0, best first: [[2], [0, 1]]")
