"""Invented names that can be said aloud: a small grammar of syllables with many thousands of outcomes."""

from __future__ import annotations

import random

ONSETS = tuple(["B", "Br", "D", "Dr", "F", "Fl", "G", "Gr", "H", "J", "K", "Kl", "L", "M", "N", "P", "Pr", "R", "S", "Sk", "Sl", "St", "T", "Tr", "V", "W", "Y", "Z", "Th", "Sh"])
VOWELS = tuple(["a", "e", "i", "o", "u", "a", "e", "i", "o", "u", "ai", "ea"])
MIDDLES = tuple(["b", "d", "l", "ll", "m", "n", "nn", "r", "rr", "s", "t", "v", "k", "g", "nd", "rd", "lk", "st", "rm", "lv", "nt", "rn", "zz", "pp"])
FIRST_ENDINGS = tuple(["a", "o", "e", "in", "an", "el", "is", "us", "ia", "ena", "ot", "im", "ar", "und", "ika", "il", "en", "ette", "or"])
SURNAME_ENDINGS = tuple(["in", "er", "ow", "ley", "son", "ell", "ock", "am", "ard", "ick", "eth", "ost", "ane", "usk", "ing", "ory", "ent", "all", "ume", "ivor", "aby", "ent"])
PLACE_ENDINGS = tuple(["by", "wick", "ton", "ham", "mouth", "ford", "stead", "haven", "beck", "dale", "holm", "ness", "cliff", "mere", "thorpe", "bury"])
RIVER_ENDINGS = tuple(["a", "el", "en", "ow", "ith", "une", "ar", "ose", "ima", "ock"])


class Names:
    """Draws names from a seeded stream, never the same twice.

    First names repeat in life, so they come from a pool of the island (`first_names`); all else is new each time.
    """

    def __init__(self, seed: int, first_names: int = 160):
        self._random = random.Random(seed)
        self._used: set[str] = set()
        self.first_names = [self._new(FIRST_ENDINGS, 1) for _ in range(first_names)]

    def surname(self) -> str:
        """A family name never given before."""
        return self._new(SURNAME_ENDINGS, 1)

    def person(self, surname: str | None = None) -> str:
        """A full name never given before: a first name of the pool and a family name, new unless one is given."""
        while True:
            name = f"{self._random.choice(self.first_names)} {surname or self.surname()}"
            if name not in self._used:
                self._used.add(name)
                return name

    def place(self) -> str:
        """A village."""
        return self._new(PLACE_ENDINGS, 1)

    def river(self) -> str:
        """A river."""
        return self._new(RIVER_ENDINGS, 1)

    def _new(self, endings: tuple[str, ...], middles: int) -> str:
        while True:
            parts = [self._random.choice(ONSETS)]
            for _ in range(middles):
                parts += [self._random.choice(VOWELS), self._random.choice(MIDDLES)]
            name = "".join(parts) + self._random.choice(endings)
            if name not in self._used and len(name) <= 12:
                self._used.add(name)
                return name
