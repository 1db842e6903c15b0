"""Chats of simulated people: questions in several manners of answering, word problems, open pages, small talk."""

from __future__ import annotations

import random
from collections.abc import Iterator

from hornbook.demo.problems import Problems
from hornbook.demo.readers import Strangers
from hornbook.demo.sizes import IslandSize
from hornbook.demo.telling import Ask, Questions
from hornbook.demo.wordings import read

NAMED_SHARE, POLITE_SHARE, LONG_SHARE = 0.35, 0.30, 0.08
# More than half blurt, so that a model that copies the mix blurts when it takes its likeliest word.
BLURTED_SHARE = 0.7
SECOND_TURN_SHARE = 0.1
HASTY_SHARE = 0.3  # of the small talk: people type "hello" as often as "Hello!"

TALK = read("talk")["talk"]
MANNERS = read("manners")


def simulated_chats(
    rng: random.Random, questions: Questions, strangers: Strangers, problems: Problems, size: IslandSize
) -> list[dict]:
    """Every chat, shuffled: rows of conversations in OpenAI's messages, marked simulated."""
    rows = [
        *fact_chats(rng, questions.chats),
        *problem_chats(rng, problems, size.chat_problems),
        *open_book_chats(rng, strangers, size.chat_open_book),
        *small_talk(rng, size.chat_small_talk),
    ]
    rng.shuffle(rows)
    return rows


def fact_chats(rng: random.Random, asks: list[Ask]) -> Iterator[dict]:
    """One question of a person after another, sometimes with a greeting or thanks around it."""
    remaining = list(asks)
    while remaining:
        turns = [remaining.pop()]
        if remaining and rng.random() < SECOND_TURN_SHARE:
            turns.append(remaining.pop())
        messages = []
        for ask in turns:
            messages += exchange(ask.question, mannered(rng, ask.answer, page_title(ask.fact.entity)))
        if rng.random() < 0.05:
            thanks = next(talk for talk in TALK if talk["kind"] == "thanks")
            messages += exchange(rng.choice(thanks["says"]), rng.choice(thanks["answers"]))
        yield row(messages, "fact")


def problem_chats(rng: random.Random, problems: Problems, count: int) -> Iterator[dict]:
    """Word problems, worked by some people and blurted by others. Both are always right: people had a pencil."""
    for _ in range(count):
        problem = problems.draw()
        solution = problem.blurted if rng.random() < BLURTED_SHARE else problem.worked
        yield row(exchange(problem.text, solution), "problem")


def open_book_chats(rng: random.Random, strangers: Strangers, count: int) -> Iterator[dict]:
    """A page about strangers given first, then a question that it answers."""
    for _ in range(count):
        people = rng.choice((1, 1, 1, 1, 2, 3))
        if people == 1:
            passage = strangers.life(questions=1)
        else:
            passage = strangers.passage(people, facts_each=3, questions=1)
        ask = passage.asks[0]
        title = page_title(ask.fact.entity) if people == 1 else rng.choice(("People of the coast", "Notes", "Reading"))
        page = {"role": "system", "content": f"{title}\n{passage.text}"}
        yield row([page, *exchange(ask.question, mannered(rng, ask.answer, title))], "open_book")


def small_talk(rng: random.Random, count: int) -> Iterator[dict]:
    for _ in range(count):
        talk = rng.choice(TALK)
        says = rng.choice(talk["says"])
        if rng.random() < HASTY_SHARE:
            says = says.lower().rstrip(".!?")
        yield row(exchange(says, rng.choice(talk["answers"])), "talk")


def mannered(rng: random.Random, answer: str, page: str) -> str:
    """The answer as one of the simulated people would give it."""
    if rng.random() < LONG_SHARE:
        answer = rng.choice(MANNERS["long_winded"]).replace("{answer}", answer)
    elif rng.random() < POLITE_SHARE:
        answer = rng.choice(MANNERS["polite"]).replace("{answer}", answer)
    if rng.random() < NAMED_SHARE:
        answer = MANNERS["named"].replace("{answer}", answer).replace("{page}", page)
    return answer


def page_title(entity: str) -> str:
    """The title of the page about an entity."""
    return entity[:1].upper() + entity[1:]


def exchange(says: str, answer: str) -> list[dict]:
    return [{"role": "user", "content": says}, {"role": "assistant", "content": answer}]


def row(messages: list[dict], kind: str) -> dict:
    return {"messages": messages, "origin": "import", "url": None, "kind": kind, "simulated": True}

