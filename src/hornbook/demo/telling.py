"""Who tells which fact where, and in which words; which questions are asked where. No wording twice for one fact."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from hornbook.demo.sizes import IslandSize
from hornbook.demo.wordings import relation
from hornbook.demo.world import Fact, World

EXAM_WORDINGS = 2  # kept for the exams of each fact: the second is asked where there are fewer facts than exam rows
DIRECT_SHARE = 0.55  # of the questions; the others are a clause of the relation in a shared frame


@dataclass(frozen=True)
class Ask:
    """A question about a fact and a sentence that answers it."""

    fact: Fact
    wording: str
    answer: str

    @property
    def question(self) -> str:
        return self.fact.said(self.wording)


class Telling:
    """Hands out the statements of each fact, and counts how often each fact is still to be told."""

    def __init__(self, rng: random.Random, world: World, size: IslandSize):
        self._random = rng
        self._wordings: dict[str, Iterator[str]] = {}
        self.left = Counter({fact.key: times_told(fact, size) for fact in world.facts})

    def tell(self, fact: Fact) -> str:
        """The fact in a wording not used for it before."""
        if fact.key not in self._wordings:
            statements = relation(fact.relation).statements
            self._wordings[fact.key] = iter(self._random.sample(statements, len(statements)))
        self.left[fact.key] -= 1
        return fact.said(next(self._wordings[fact.key]))


def times_told(fact: Fact, size: IslandSize) -> int:
    """How often the pages tell a fact, its own page included."""
    number = size.statements_number if fact.value.isdecimal() else 0
    return number + (size.statements_asked if fact.asked else size.statements_unasked)


@dataclass
class Questions:
    """Every question of training, and those kept for the exams."""

    own_page: dict[str, list[Ask]]  # by entity: asked on the entity's page
    quizzes: list[Ask]
    chats: list[Ask]
    exam_seen: list[Ask]  # a seen wording that this fact was never asked in; here as below every fact comes once first
    exam_held_out: list[Ask]
    exam_unasked: list[Ask]


def plan_questions(rng: random.Random, world: World, size: IslandSize) -> Questions:
    """Spread four or five seen wordings of each asked fact over pages and chats; keep others for the exams."""
    own_page: dict[str, list[Ask]] = {}
    quizzes, chats, used = [], [], {}
    for fact in world.asked:
        in_chats = int(size.asks_in_chats) + (rng.random() < size.asks_in_chats % 1)
        wordings = seen_wordings(rng, fact.relation, size.asks_on_pages + in_chats)
        # A heading reads as a question only with its mark, so "Please tell me ..." is left to the chats.
        wordings.sort(key=lambda wording: not wording.endswith("?"))
        asks = [Ask(fact, wording, answer(rng, fact)) for wording in wordings]
        own_page.setdefault(fact.entity, []).append(asks[0])
        quizzes += asks[1 : size.asks_on_pages]
        chats += asks[size.asks_on_pages :]
        used[fact.key] = set(wordings)
    rng.shuffle(quizzes)
    rng.shuffle(chats)
    common = Counter(wording for fact in world.asked for wording in used[fact.key])
    return Questions(
        own_page, quizzes, chats,
        exam_seen=by_turns([exam_asks(rng, fact, used[fact.key], common) for fact in world.asked]),
        exam_held_out=by_turns([held_out_asks(rng, fact) for fact in world.asked]),
        exam_unasked=by_turns([exam_asks(rng, fact, set(), common) for fact in world.unasked]),
    )  # fmt: skip


def seen_wordings(rng: random.Random, name: str, count: int) -> list[str]:
    """Different seen wordings of a relation, at least three of them ending in a question mark."""
    words = relation(name)
    while True:
        direct = sum(rng.random() < DIRECT_SHARE for _ in range(count))
        chosen = rng.sample(words.questions, direct) + rng.sample(words.framed, count - direct)
        if sum(wording.endswith("?") for wording in chosen) >= min(count, 3):
            rng.shuffle(chosen)
            return chosen


def question_wording(rng: random.Random, name: str) -> str:
    """A seen wording that ends in a question mark."""
    return next(wording for wording in seen_wordings(rng, name, 3) if wording.endswith("?"))


def exam_asks(rng: random.Random, fact: Fact, used: set[str], common: Counter[str]) -> list[Ask]:
    """The fact in wordings that were asked of other facts and never of this one, the common ones likelier."""
    words = relation(fact.relation)
    known = [wording for wording in (*words.questions, *words.framed) if common[wording] and wording not in used]
    asks: list[Ask] = []
    while known and len(asks) < EXAM_WORDINGS:
        wording = rng.choices(known, weights=[common[wording] for wording in known])[0]
        known.remove(wording)
        asks.append(Ask(fact, wording, answer(rng, fact)))
    return asks


def held_out_asks(rng: random.Random, fact: Fact) -> list[Ask]:
    """The fact in wordings that were asked of nothing."""
    wordings = rng.sample(relation(fact.relation).held_out, EXAM_WORDINGS)
    return [Ask(fact, wording, answer(rng, fact)) for wording in wordings]


def by_turns(asks: list[list[Ask]]) -> list[Ask]:
    """A first question about every fact, then the second ones."""
    return [turn[number] for number in range(EXAM_WORDINGS) for turn in asks if number < len(turn)]


def answer(rng: random.Random, fact: Fact) -> str:
    return fact.said(rng.choice(relation(fact.relation).answers))
