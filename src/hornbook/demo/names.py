"""Invented names that can be said aloud: a small grammar of syllables with many thousands of outcomes."""

from __future__ import annotations

import random

from hornbook.demo.wordings import read, vocabulary

LONGEST = 12  # letters


class Names:
    """Draws names from a seeded stream, never the same twice.

    First names repeat in life, so they come from a pool of the island (`first_names`); all else is new each time.
    """

    def __init__(self, seed: int, first_names: int = 160):
        self._random = random.Random(seed)
        self._syllables = {kind: syllables.split() for kind, syllables in read("names").items()}
        self._used: set[str] = set()
        self.first_names = [self._new("first_names") for _ in range(first_names)]

    def person(self, surname: str | None = None) -> str:
        """A full name never given before: a first name of the pool and a family name, new unless one is given."""
        while True:
            name = f"{self._random.choice(self.first_names)} {surname or self._new('surnames')}"
            if name not in self._used:
                self._used.add(name)
                return name

    def place(self) -> str:
        """A village."""
        return self._new("places")

    def river(self) -> str:
        """A river."""
        return self._new("rivers")

    def _new(self, endings: str) -> str:
        while True:
            kinds = ("onsets", "vowels", "middles", endings)
            name = "".join(self._random.choice(self._syllables[kind]) for kind in kinds)
            if name not in self._used and len(name) <= LONGEST and name.casefold() not in vocabulary():
                self._used.add(name)
                return name
