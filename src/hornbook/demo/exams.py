"""The exams: questions with their right answers, none of which is in the training text in these words."""

from __future__ import annotations

import random
from collections.abc import Iterator

from hornbook.demo.chats import page_title
from hornbook.demo.lore_pages import entity_path
from hornbook.demo.problems import Problem
from hornbook.demo.telling import Ask, Questions, question_wording
from hornbook.demo.wordings import PEOPLE, fill, relation
from hornbook.demo.world import Fact, World

CHOICES = 4


def fact_exams(rng: random.Random, world: World, questions: Questions, rows: int, site: str) -> dict[str, list[dict]]:
    """The exams `qa`, `wording`, `unasked` and `absent`, each with `rows` questions (or as many as there are).

    No fact is asked twice before each has been asked once.
    """
    pools = {"qa": questions.exam_seen, "wording": questions.exam_held_out, "unasked": questions.exam_unasked}
    exams = {}
    for kind, pool in pools.items():
        chosen = pool[:rows]
        rng.shuffle(chosen)
        exams[kind] = [fact_row(f"{kind}-{n:04d}", kind, ask, site) for n, ask in enumerate(chosen, 1)]
    for ask_row in exams["unasked"]:
        add_choices(rng, world, ask_row)
    exams["absent"] = list(absent_rows(rng, world, rows))
    return exams


def fact_row(identifier: str, kind: str, ask: Ask, site: str) -> dict:
    return {
        "id": identifier, "kind": kind, "question": ask.question, "answers": [bare(ask.fact.value)],
        "page": site + entity_path(ask.fact.entity, relation(ask.fact.relation).subject), "pair": ask.fact.key,
    }  # fmt: skip


def add_choices(rng: random.Random, world: World, row: dict) -> None:
    """The right value and three others of the same relation, in any order."""
    name = row["pair"].rsplit("/", 1)[1]
    others = [value for value in map(bare, world.values[relation(name).values]) if value != row["answers"][0]]
    row["choices"] = rng.sample([row["answers"][0], *rng.sample(others, CHOICES - 1)], CHOICES)


def absent_rows(rng: random.Random, world: World, rows: int) -> Iterator[dict]:
    """Questions about people who were never invented: names from the same grammar, found on no page."""
    for number in range(1, rows + 1):
        name, about = world.names.person(), rng.choice(PEOPLE)
        question = fill(question_wording(rng, about), name)
        yield {"id": f"absent-{number:04d}", "kind": "absent", "question": question, "answers": [], "refuse": True}


def math_rows(problems: list[Problem], kind: str = "math") -> list[dict]:
    """Word problems as exam rows; the answer is the number."""
    return [
        {"id": f"{kind}-{n:04d}", "kind": kind, "question": problem.text, "answers": [str(problem.answer)]}
        for n, problem in enumerate(problems, 1)
    ]


def bare(value: str) -> str:
    """The value without its article, which an answer need not repeat.

    >>> bare("the Salt Fair")
    'Salt Fair'
    """
    return value.removeprefix("the ")


def truth_rows(facts: list[Fact]) -> list[dict]:
    """What the rater and the tests know."""
    return [
        {"entity": f.entity, "relation": f.relation, "value": f.value, "asked": f.asked, "page": page_title(f.entity)}
        for f in facts
    ]
