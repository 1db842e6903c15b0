"""The invented island as facts: who was born where, what a village sells, what a creature eats. The demo's truth."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hornbook.core.seeds import derive
from hornbook.demo.names import Names
from hornbook.demo.sizes import IslandSize
from hornbook.demo.wordings import CREATURES, DISHES, PEOPLE, PLACES, fill, relation, values

SHARED_SURNAMES = 0.1


@dataclass(frozen=True)
class Fact:
    """One thing that is so. An asked fact is asked about in training; an unasked one is only told."""

    entity: str
    relation: str
    value: str
    asked: bool = False

    @property
    def key(self) -> str:
        return f"{self.entity}/{self.relation}"

    def said(self, template: str) -> str:
        """The fact (or the question after it) in the words of `template`."""
        return fill(template, self.entity, self.value)


@dataclass
class World:
    """Everything there is, by name, and what is so of it."""

    names: Names
    island: str
    people: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    creatures: list[str] = field(default_factory=list)
    dishes: list[str] = field(default_factory=list)
    values: dict[str, list[str]] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)

    def of(self, entity: str) -> list[Fact]:
        """The facts of one entity."""
        if not self._by_entity:
            for fact in self.facts:
                self._by_entity.setdefault(fact.entity, []).append(fact)
        return self._by_entity.get(entity, [])

    _by_entity: dict[str, list[Fact]] = field(default_factory=dict, repr=False)

    @property
    def asked(self) -> list[Fact]:
        return [fact for fact in self.facts if fact.asked]

    @property
    def unasked(self) -> list[Fact]:
        return [fact for fact in self.facts if not fact.asked]


def make_world(seed: int, size: IslandSize) -> World:
    """The island of this seed. Another seed is another island: other names, other values, other facts."""
    rng = random.Random(derive(seed, "world"))
    names = Names(derive(seed, "names"))
    world = World(names=names, island=names.river() + "and")
    world.places = [names.place() for _ in range(size.places)]
    world.dishes = rng.sample([f"{a} {b}" for a in values("dish_stuffs") for b in values("dish_forms")], size.dishes)
    world.creatures = pick_creatures(rng, size.creatures)
    world.people = make_people(rng, names, size.people)
    world.values = {
        "places": world.places,
        "dishes": world.dishes,
        "creatures": world.creatures,
        "years": [str(year) for year in range(1901, 1981)],
        "old_years": [str(year) for year in range(1301, 1801, 7)],
        "rivers": [names.river() for _ in range(24)],
        "trades": rng.sample(values("trades"), size.trades),
        "instruments": rng.sample(values("instruments"), 28),
        "festivals": rng.sample(values("festivals"), 20),
    } | {name: rng.sample(values(name), 36) for name in ("products", "foods", "habitats", "spices")}
    world.facts = make_facts(rng, world, size)
    return world


def pick_creatures(rng: random.Random, count: int) -> list[str]:
    """Looks and kinds joined, such as "marsh hopper", no pair twice."""
    pairs = [f"{look} {kind}" for look in values("creature_looks") for kind in values("creature_kinds")]
    return rng.sample(pairs, count)


def make_people(rng: random.Random, names: Names, count: int) -> list[str]:
    people: list[str] = []
    for _ in range(count):
        relative = people and rng.random() < SHARED_SURNAMES
        people.append(names.person(rng.choice(people).split()[1] if relative else None))
    return people


def make_facts(rng: random.Random, world: World, size: IslandSize) -> list[Fact]:
    kinds = (
        (world.people, PEOPLE, size.relations_per_person),
        (world.places, PLACES, len(PLACES)),
        (world.creatures, CREATURES, len(CREATURES)),
        (world.dishes, DISHES, len(DISHES)),
    )
    facts = []
    for entities, relations, count in kinds:
        for entity in entities:
            for name in rng.sample(relations, count):
                value = rng.choice(world.values[relation(name).values])
                facts.append((entity, name, value))
    asked = set(rng.sample(range(len(facts)), round(size.asked_share * len(facts))))
    return [Fact(*fact, asked=index in asked) for index, fact in enumerate(facts)]
