"""A page before it is HTML: a title and blocks. What goes on it is other modules' matter, how it looks html.py's."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

from hornbook.demo.wordings import filler


@dataclass(frozen=True)
class Block:
    """One piece of a page: kind is p, h2, list, table, quiz, faq or details; the last three hold (question, answer)."""

    kind: str
    text: str = ""
    rows: tuple = ()


@dataclass
class Page:
    """A page of the site; `path` begins with a slash. `kind` is the section it belongs to."""

    path: str
    title: str
    kind: str
    blocks: list[Block] = field(default_factory=list)
    note: dict = field(default_factory=dict)  # what the truth keeps about it

    def add(self, kind: str, text: str = "", rows: tuple = ()) -> None:
        self.blocks.append(Block(kind, text, rows))

    @property
    def text(self) -> str:
        """The words of the page without any markup, a line a block or row."""
        lines = [self.title]
        for block in self.blocks:
            lines += [block.text] if block.text else []
            lines += [" ".join(row) if isinstance(row, tuple) else row for row in block.rows]
        return "\n".join(lines)


def slug(title: str) -> str:
    """
    >>> slug("Letter 12, to Ona!")
    'letter-12-to-ona'
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


class Chatter:
    """Sentences that tell no fact, from filler.toml, each list walked in a shuffled order before any repeats."""

    def __init__(self, rng: random.Random, places: list[str]):
        self._random, self._places = rng, places
        self._decks: dict[str, list[str]] = {}

    def say(self, kind: str, name: str = "") -> str:
        """One sentence of a kind, its slots filled; `name` fills {name}."""
        deck = self._decks.setdefault(kind, [])
        if not deck:
            deck.extend(self._random.sample(filler(kind), len(filler(kind))))
        place, other = self._random.sample(self._places, 2)
        sentence = (
            deck.pop()
            .replace("{name}", name)
            .replace("{place}", place)
            .replace("{other}", other)
            .replace("{thing}", self._random.choice(filler("things")))
            .replace("{weather}", self._random.choice(filler("weathers")))
            .replace("{day}", self._random.choice(filler("days")))
            .replace("{number}", str(self._random.randint(2, 12)))
        )
        return sentence[:1].upper() + sentence[1:]


@dataclass
class Site:
    """What will be written: bytes by path, and the manifest's special answers."""

    base: str
    files: dict[str, bytes] = field(default_factory=dict)
    special: dict[str, dict] = field(default_factory=dict)  # path -> redirect, status, delay, content_type
    # path -> (section whose index lists it, words of the link)
    linked: dict[str, tuple[str, str]] = field(default_factory=dict)
