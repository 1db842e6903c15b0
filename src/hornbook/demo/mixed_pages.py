"""Letters, newspapers, diaries and almanacs tell facts about many people in one place; quiz sheets ask for them."""

from __future__ import annotations

import random
from collections.abc import Iterator

from hornbook.demo.page import Chatter, Page
from hornbook.demo.sizes import IslandSize
from hornbook.demo.telling import Questions, Telling
from hornbook.demo.wordings import filler
from hornbook.demo.world import World

QUIZ_TITLES = (
    "Quiz of the evening school, sheet {n}", "Sunday quiz {n}", "Do you know the island? Part {n}",
    "Questions from the inn, round {n}", "The schoolroom asks: {n}", "Quiz night at the harbour, list {n}",
)  # fmt: skip
QUIZ_OPENINGS = (
    "Cover the answers with your hand and try.", "The answers stand below the questions.", "No helping, please.",
    "These questions were asked on a long evening.", "One point for each right answer.", "Read, think, and then look.",
)  # fmt: skip


def mixed_pages(rng: random.Random, world: World, size: IslandSize, telling: Telling) -> Iterator[Page]:
    """Tell every fact that is still owed a telling, a dozen a page, in shuffled order."""
    chatter = Chatter(rng, world.places)
    owed = [fact for fact in world.facts for _ in range(telling.left[fact.key])]
    rng.shuffle(owed)
    for number, start in enumerate(range(0, len(owed), size.mixed_facts), 1):
        sentences = [telling.tell(fact) for fact in owed[start : start + size.mixed_facts]]
        yield rng.choice((letter, newspaper, diary, almanac))(rng, number, sentences, chatter, world)


def letter(rng: random.Random, number: int, sentences: list[str], chatter: Chatter, world: World) -> Page:
    first, second = rng.sample(world.names.first_names, 2)
    page = Page(f"/letters/letter-{number}.html", f"A letter from {first} to {second}, number {number}", "letters")
    page.add("p", f"Dear {second},")
    page.add("p", " ".join((chatter.say("letter"), chatter.say("letter"), *sentences[:5])))
    page.add("p", " ".join((*sentences[5:], chatter.say("letter"))))
    page.add("p", f"{rng.choice(('Yours', 'With love', 'Your friend', 'Good night', 'Ever yours'))}, {first}")
    return page


def newspaper(rng: random.Random, number: int, sentences: list[str], chatter: Chatter, world: World) -> Page:
    page = Page(f"/news/issue-{number}.html", f"{rng.choice(filler('titles_news'))}, issue {number}", "news")
    half = len(sentences) // 2
    for part, heading in ((sentences[:half], "People and places"), (sentences[half:], "Heard in the street")):
        page.add("h2", heading)
        page.add("p", " ".join((chatter.say("news"), *part)))
    page.add("p", chatter.say("news"))
    return page


def diary(rng: random.Random, number: int, sentences: list[str], chatter: Chatter, world: World) -> Page:
    page = Page(f"/diaries/leaf-{number}.html", f"A leaf from a diary ({number})", "diaries")
    for start in range(0, len(sentences), 4):
        day, weather = rng.choice(filler("days")), rng.choice(filler("weathers"))
        page.add("p", " ".join((f"{day}. {weather[:1].upper()}{weather[1:]}.", *sentences[start : start + 4])))
    page.add("p", chatter.say("letter"))
    return page


def almanac(rng: random.Random, number: int, sentences: list[str], chatter: Chatter, world: World) -> Page:
    page = Page(f"/almanac/page-{number}.html", f"Almanac of {world.island}, page {number}", "almanac")
    page.add("p", chatter.say("news"))
    page.add("list", rows=tuple(sentences))
    return page


def quiz_pages(rng: random.Random, questions: Questions, size: IslandSize) -> Iterator[Page]:
    """Sheets of questions as headings, each answered in the paragraph below it."""
    asks = questions.quizzes
    for number, start in enumerate(range(0, len(asks), size.quiz_questions), 1):
        page = Page(f"/quiz/sheet-{number}.html", rng.choice(QUIZ_TITLES).format(n=number), "quiz")
        page.add("p", rng.choice(QUIZ_OPENINGS))
        rows = tuple((ask.question, ask.answer) for ask in asks[start : start + size.quiz_questions])
        page.add(rng.choice(("quiz", "quiz", "quiz", "faq")), rows=rows)
        yield page
