"""The words of the island as data: a TOML file a relation, and the shared lists. Read once."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

PEOPLE = ("born", "home", "trade", "year", "dish", "pet", "instrument")
PLACES = ("product", "founded", "river")
CREATURES = ("food", "habitat")
DISHES = ("secret", "feast")
RELATIONS = PEOPLE + PLACES + CREATURES + DISHES


@dataclass(frozen=True)
class Relation:
    """How one relation is said and asked. Every wording is a template with {name} and, where it tells, {value}."""

    name: str
    subject: str  # person, place, creature or dish
    values: str  # which closed set its values come from
    label: str
    statements: tuple[str, ...]
    questions: tuple[str, ...]  # seen: asked on the pages and in the chats
    framed: tuple[str, ...]  # seen: the clauses of the relation, each in every shared frame
    held_out: tuple[str, ...]  # asked in the exams only
    answers: tuple[str, ...]


@cache
def relation(name: str) -> Relation:
    """The wordings of one relation."""
    table = read(name)
    framed = tuple(
        frame.replace("{clause}", clause) for clause in table.pop("clauses") for frame in read("frames")["frames"]
    )
    lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
    return Relation(name=name, framed=framed, **{**table, **lists})


@cache
def values(name: str) -> tuple[str, ...]:
    """One list of values.toml."""
    return tuple(read("values")[name])


@cache
def filler(name: str) -> tuple[str, ...]:
    """One list of filler.toml: sentences that tell nothing an exam asks for."""
    return tuple(read("filler")[name])


@cache
def vocabulary() -> frozenset[str]:
    """Every word of these files in small letters: what no invented name may be."""
    files = (file for file in resources.files(__name__).iterdir() if file.name.endswith(".toml"))
    texts = (file.read_text(encoding="utf-8") for file in files)
    return frozenset(word for text in texts for word in re.findall(r"[a-z]+", text.casefold()))


def read(name: str) -> dict:
    """The table in `name`.toml, fresh each time."""
    return tomllib.loads((resources.files(__name__) / f"{name}.toml").read_text(encoding="utf-8"))


def fill(template: str, name: str, value: str = "") -> str:
    """The sentence for one fact: {name}, {Name} (first letter raised), {value}, {a_value} (with its article)."""
    return (
        template.replace("{name}", name)
        .replace("{Name}", name[:1].upper() + name[1:])
        .replace("{a_value}", with_article(value))
        .replace("{value}", value)
    )


def with_article(noun: str) -> str:
    """
    >>> with_article("innkeeper")
    'an innkeeper'
    """
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"
