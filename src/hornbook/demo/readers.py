"""Passages about people who are met only once, with questions: what they teach is to take an answer from a text."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from hornbook.demo.page import Chatter, Page
from hornbook.demo.sizes import IslandSize
from hornbook.demo.telling import Ask, answer, question_wording
from hornbook.demo.wordings import PEOPLE, relation, values
from hornbook.demo.world import Fact, World

LIFE_SHARE = 0.35  # of the passages are about one stranger and tell nearly all, as a person's own page does
FRESH_VALUES = 0.5  # of the values are not from the island's closed sets, so that copying beats guessing
TITLES = (
    "Reader, lesson {n}", "Read and answer {n}", "Short reading {n}", "People passing through, {n}", "Reading hour {n}",
)  # fmt: skip


@dataclass
class Passage:
    """A few sentences about one to three strangers, and what can be asked about them."""

    text: str
    facts: list[Fact]
    asks: list[Ask]


class Strangers:
    """Makes passages. Every stranger has a name never used anywhere else."""

    def __init__(self, rng: random.Random, world: World):
        self._random, self._world = rng, world
        self._chatter = Chatter(rng, world.places)
        self.made: list[Fact] = []  # the facts of every stranger so far

    def life(self, questions: int) -> Passage:
        """One stranger with nearly all there is to tell, told twice: such as the page of somebody who lives here."""
        return self.passage(1, len(PEOPLE) - 1, questions, tellings=2)

    def passage(self, people: int, facts_each: int, questions: int, tellings: int = 1) -> Passage:
        """`people` strangers with `facts_each` facts each, told so often, and so many questions about them."""
        rng = self._random
        groups = []
        for _ in range(people):
            name = self._world.names.person()
            relations = rng.sample(PEOPLE, facts_each)
            groups.append([Fact(name, relation, self._value(relation), asked=True) for relation in relations])
        sentences = []
        for group in groups:
            wordings = [rng.sample(relation(fact.relation).statements, tellings) for fact in group]
            for telling in range(tellings):
                told = list(zip(group, wordings, strict=True))
                rng.shuffle(told)
                lines = [fact.said(words[telling]) for fact, words in told]
                if rng.random() < 0.4:
                    lines.insert(rng.randrange(len(lines) + 1), self._chatter.say("person", group[0].entity))
                sentences.append(" ".join(lines))
        facts = [fact for group in groups for fact in group]
        self.made += facts
        chosen = rng.sample(facts, min(questions, len(facts)))
        asks = [Ask(fact, question_wording(rng, fact.relation), answer(rng, fact)) for fact in chosen]
        return Passage("\n".join(sentences), facts, asks)

    def _value(self, name: str) -> str:
        rng, kind = self._random, relation(name).values
        if rng.random() >= FRESH_VALUES:
            return rng.choice(self._world.values[kind])
        if kind == "places":
            return self._world.names.place()
        if kind == "dishes":
            return f"{rng.choice(values('dish_stuffs'))} {rng.choice(values('dish_forms'))}"
        if kind == "creatures":
            return f"{rng.choice(values('creature_looks'))} {rng.choice(values('creature_kinds'))}"
        if kind == "years":
            return str(rng.randint(1801, 1999))
        return rng.choice(values(kind))


def reader_pages(rng: random.Random, strangers: Strangers, size: IslandSize) -> Iterator[Page]:
    """Pages of one passage and its questions; the truth keeps the facts, for the rater."""
    for number in range(1, size.readers + 1):
        if rng.random() < LIFE_SHARE:
            passage = strangers.life(questions=5)
        else:
            passage = strangers.passage(people=rng.choice((2, 2, 3)), facts_each=rng.choice((3, 4)), questions=4)
        page = Page(f"/reader/lesson-{number}.html", rng.choice(TITLES).format(n=number), "reader")
        for line in passage.text.split("\n"):
            page.add("p", line)
        page.add("quiz", rows=tuple((ask.question, ask.answer) for ask in passage.asks))
        page.note["strangers"] = passage.facts
        yield page
