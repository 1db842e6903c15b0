"""The pages of the encyclopedia: people, villages, creatures, dishes, trades, tales. Each fact is told on its own page
twice, and once more on the page of the village or trade it names."""

from __future__ import annotations

import random
from collections.abc import Iterator

from hornbook.demo.page import Chatter, Page, slug
from hornbook.demo.sizes import IslandSize
from hornbook.demo.telling import Questions, Telling
from hornbook.demo.wordings import relation, with_article
from hornbook.demo.world import World

INTRODUCTIONS = (
    "This page is about {name}.", "Here is what is known of {name}.", "A short life of {name}.",
    "These notes on {name} were taken from the books of the town hall.", "Everybody here has heard of {name}.",
    "{name} asked for a page of few words.", "What follows was told by the neighbours of {name}.",
)  # fmt: skip
SMALL_TALK = {"person": 2, "place": 5, "creature": 4, "dish": 8}  # sentences that tell no fact
SECTIONS = {"person": "people", "place": "places", "creature": "creatures", "dish": "kitchen"}


def entity_path(entity: str, subject: str) -> str:
    """The address of the page about a person, place, creature or dish."""
    return f"/{SECTIONS[subject]}/{slug(entity)}.html"


def entity_pages(rng: random.Random, world: World, telling: Telling, questions: Questions) -> Iterator[Page]:
    """A page for each thing that has facts, titled with its name alone."""
    chatter = Chatter(rng, world.places)
    kinds = (("person", world.people), ("place", world.places), ("creature", world.creatures), ("dish", world.dishes))
    for subject, entities in kinds:
        for entity in entities:
            page = Page(entity_path(entity, subject), entity[:1].upper() + entity[1:], SECTIONS[subject])
            write_entity(rng, page, subject, entity, world, telling, chatter)
            asks = questions.own_page.get(entity, [])
            if asks:
                page.add("h2", rng.choice(("Questions", "Asked and answered", "For the curious", "What people ask")))
                rows = tuple((ask.question, ask.answer) for ask in asks)
                page.add(rng.choice(("faq", "quiz", "details")), rows=rows)
            yield page


def write_entity(
    rng: random.Random, page: Page, subject: str, entity: str, world: World, telling: Telling, chatter: Chatter
) -> None:
    facts = list(world.of(entity))
    small_talk = [chatter.say(subject, entity) for _ in range(SMALL_TALK[subject])]
    opening = rng.choice(INTRODUCTIONS).format(name=entity) if rng.random() < 0.3 else ""
    rng.shuffle(facts)
    first = [telling.tell(fact) for fact in facts]
    if rng.random() < 0.5:
        page.add("p", " ".join(filter(None, (opening, *first[:3], small_talk[0]))))
        page.add("p", " ".join((*first[3:], *small_talk[1:])))
    else:
        page.add("p", " ".join(filter(None, (opening, small_talk[0], *first, *small_talk[1:]))))
    rng.shuffle(facts)
    again = [telling.tell(fact) for fact in facts]
    if rng.random() < 0.3:
        page.add("h2", rng.choice(("In short", "Once more", "To remember", "In a few words")))
    if rng.random() < 0.25:
        page.add("list", rows=tuple(again))
    else:
        page.add("p", " ".join(again))
    if rng.random() < 0.25:
        page.add("table", rows=tuple((relation(fact.relation).label, fact.value) for fact in facts))


def place_pages_residents(rng: random.Random, pages: dict[str, Page], world: World, telling: Telling) -> None:
    """Add to each village's page the people who were born or live there."""
    for name, heading in (("born", "Born here"), ("home", "People who live here")):
        for place in world.places:
            here = [fact for fact in world.facts if fact.relation == name and fact.value == place]
            if here:
                page = pages[place]
                page.add("h2", rng.choice((heading, f"{heading}: {place}")))
                page.add("p", " ".join(telling.tell(fact) for fact in here))


def trade_pages(rng: random.Random, world: World, telling: Telling) -> Iterator[Page]:
    """A page for each trade that anybody follows."""
    chatter = Chatter(rng, world.places)
    for trade in world.values["trades"]:
        members = [fact for fact in world.facts if fact.relation == "trade" and fact.value == trade]
        if not members:
            continue
        page = Page(f"/trades/{slug(trade)}.html", f"The guild of the {trade}s", "trades")
        page.add("p", f"{rng.choice(GUILD_OPENINGS).format(trade=with_article(trade))} {chatter.say('news')}")
        page.add("p", " ".join(telling.tell(fact) for fact in members))
        yield page


GUILD_OPENINGS = (
    "It takes seven years to become {trade}.", "Whoever wants to be {trade} begins as a helper.",
    "The guild meets once a month and keeps its money in an iron box.", "There is always work for {trade}.",
    "The work of {trade} is hard on the back.", "To be {trade} one needs patience.",
)  # fmt: skip


def tale_pages(rng: random.Random, world: World, size: IslandSize) -> Iterator[Page]:
    """History and festivals: connected prose that no exam asks about."""
    chatter = Chatter(rng, world.places)
    for festival in world.values["festivals"]:
        page = Page(f"/festivals/{slug(festival)}.html", festival[:1].upper() + festival[1:], "festivals")
        for _ in range(2):
            page.add("p", " ".join(chatter.say("festival", festival) for _ in range(rng.randint(4, 6))))
        yield page
    for number in range(1, size.tales + 1):
        subject = rng.choice(("A tale of", "The old days in", "From the history of", "How it was in"))
        page = Page(f"/history/tale-{number}.html", f"{subject} {rng.choice(world.places)}, part {number}", "history")
        for _ in range(3):
            page.add("p", " ".join(chatter.say("history") for _ in range(rng.randint(4, 6))))
        yield page

