"""Invented personal data inside pages that are otherwise good: the page must be kept and every item masked."""

from __future__ import annotations

import random

from hornbook.core.seeds import derive
from hornbook.demo.page import Page
from hornbook.demo.sizes import IslandSize
from hornbook.demo.wordings import read
from hornbook.demo.world import World

PAGES = ("letters", "news", "diaries", "history")
PERSONAL_PAGES = 45  # at full size
DOMAINS = ("islandmail.zz", "harbour.zz", "post.zz", "sea.zz")  # ISO 3166 gives ZZ to nobody, ever


def plant_personal(pages: list[Page], world: World, seed: int, size: IslandSize) -> None:
    """Write one to three items into some letters, newspapers, diaries and tales; `note["personal"]` keeps them."""
    rng = random.Random(derive(seed, "personal"))
    sentences = read("rubbish")
    pool = [page for page in pages if page.kind in PAGES]
    for page in rng.sample(pool, max(1, round(PERSONAL_PAGES * size.faults))):
        makers = rng.sample(MAKERS, rng.randint(1, 3))
        items, lines = [], []
        for kind, make in makers:
            name = rng.choice(world.names.first_names)
            items.append(make(rng, name))
            lines.append(rng.choice(sentences[kind]).format(name=name, item=items[-1]))
        page.add("p", " ".join(lines))
        page.note["personal"] = items


def email(rng: random.Random, name: str) -> str:
    """
    >>> email(random.Random(0), "Ona").endswith(".zz")
    True
    """
    return f"{name.lower()}{rng.choice(('', '.post', str(rng.randint(2, 99))))}@{rng.choice(DOMAINS)}"


def phone(rng: random.Random, name: str) -> str:
    """A telephone number of the ranges set aside for fiction, in one of the ways people write them."""
    last = rng.randint(0, 999)
    return rng.choice(("+44 20 7946 0", "(020) 7946 0", "020 7946 0", "+44 1632 960")) + f"{last:03d}"


def card(rng: random.Random, name: str) -> str:
    """Sixteen digits whose check digit is right (ISO/IEC 7812, Luhn)."""
    digits = [rng.choice((4, 5))] + [rng.randrange(10) for _ in range(14)]
    digits.append(luhn_digit(digits))
    groups = ["".join(map(str, digits[start : start + 4])) for start in range(0, 16, 4)]
    return rng.choice((" ", "-", "")).join(groups)


def luhn_digit(digits: list[int]) -> int:
    """The digit that makes the number valid.

    >>> luhn_digit([7, 9, 9, 2, 7, 3, 9, 8, 7, 1])
    3
    """
    total = 0
    for place, digit in enumerate(reversed(digits)):
        total += digit if place % 2 else sum(divmod(2 * digit, 10))
    return -total % 10


def iban(rng: random.Random, name: str) -> str:
    """An international account number with right check digits (ISO 13616): Germany's or the Netherlands'."""
    if rng.random() < 0.5:
        country, account = "DE", "".join(str(rng.randrange(10)) for _ in range(18))
    else:
        bank = "".join(rng.choices("ABCDEFGHIJ", k=4))
        country, account = "NL", bank + "".join(str(rng.randrange(10)) for _ in range(10))
    number = int("".join(str(int(letter, 36)) for letter in f"{account}{country}00"))
    whole = f"{country}{98 - number % 97:02d}{account}"
    if rng.random() < 0.5:
        return whole
    return " ".join(whole[start : start + 4] for start in range(0, len(whole), 4))


MAKERS = (("contacts", email), ("contacts", phone), ("payments", card), ("payments", iban))
