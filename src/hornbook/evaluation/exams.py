"""Exams: questions with their accepted answers, a file a person writes.

A line is `{"id", "kind", "question", "answers": [accepted texts], "choices"?: [texts], "refuse"?: true, "page"?: url,
"pair"?: id}`. `kind` names the figure; `choices` (some of them among `answers`) are scored by likelihood; `refuse` says
that the only right answer is not to know.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from hornbook.conversations.rows import placed_rows
from hornbook.core.errors import InputError


@dataclass(frozen=True)
class Question:
    """One question of an exam. `answers` is empty only where `refuse` is true."""

    id: str
    kind: str
    question: str
    answers: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    refuse: bool = False
    page: str | None = None
    pair: str | None = None

    def row(self) -> dict:
        """The question as its line in the file, without what is empty."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items() if value}


def read_exams(paths: Iterable[Path]) -> list[Question]:
    """Every question of the files, in order. Raises InputError naming the line of the first bad or repeated one."""
    questions: list[Question] = []
    seen: dict[str, str] = {}
    for path in paths:
        for where, row in placed_rows(path):
            question = _question(row, where)
            if question.id in seen:
                raise InputError(f"the id {question.id!r} was used at {seen[question.id]}", where=where)
            seen[question.id] = where
            questions.append(question)
    return questions


def _question(row: dict, where: str) -> Question:
    if unknown := sorted(set(row) - set(Question.__dataclass_fields__)):
        raise InputError(f"unknown key {unknown[0]!r}", where=where,
                         fix=f"an exam knows {', '.join(Question.__dataclass_fields__)}")
    for key in ("id", "kind", "question"):
        if not isinstance(row.get(key), str) or not row[key].strip():
            raise InputError(f'"{key}" must be a text that is not empty', where=where)
    for key in ("page", "pair"):
        if not isinstance(row.get(key), str | None):
            raise InputError(f'"{key}" must be text', where=where)
    answers, choices = _texts(row, "answers", where), _texts(row, "choices", where)
    refuse = row.get("refuse", False)
    if not isinstance(refuse, bool):
        raise InputError('"refuse" must be true or false', where=where)
    if not answers and not refuse:
        raise InputError("a question needs accepted answers", where=where, fix='give "answers", or "refuse": true')
    if choices and (len(choices) < 2 or len(set(choices)) != len(choices)):
        raise InputError('"choices" must be at least two different texts', where=where)
    if choices and not set(choices) & set(answers):
        raise InputError("none of the choices is an accepted answer", where=where)
    return Question(id=row["id"], kind=row["kind"], question=row["question"], answers=answers, choices=choices,
                    refuse=refuse, page=row.get("page"), pair=row.get("pair"))


def _texts(row: dict, key: str, where: str) -> tuple[str, ...]:
    texts = row.get(key, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) and text.strip() for text in texts):
        raise InputError(f'"{key}" must be a list of texts that are not empty', where=where)
    return tuple(texts)
