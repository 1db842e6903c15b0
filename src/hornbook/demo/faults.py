"""Planted faults of known truth: a known number of each kind of thing a crawler and a corpus must refuse or merge."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from html import escape

from hornbook.core.seeds import derive
from hornbook.demo.html import head, menu, render
from hornbook.demo.page import Block, Page, Site
from hornbook.demo.rubbish import BROKEN, boilerplate_html, foreign_page, spam_page, thin_text
from hornbook.demo.sizes import IslandSize
from hornbook.demo.wordings import read
from hornbook.demo.world import World

# Counts at full size. "redirect chain" and "late" are no faults: they must be kept.
COUNTS = {
    "exact copy": 60, "near copy": 70, "spam": 40, "other language": 40, "thin": 25, "broken": 25, "boilerplate": 20,
    "disallowed": 15, "redirect loop": 8, "slow": 5, "error": 20, "redirect chain": 6, "late": 6,
}  # fmt: skip
SLOW_SECONDS, LATE_SECONDS = 25.0, 0.3
CHANGED_WORDS = (0.02, 0.08)  # of a near copy
PROSE = ("people", "places", "creatures", "kitchen", "history", "letters", "news", "diaries", "reader")


@dataclass
class Truth:
    """What grade.py knows: every fault by address, copies with their originals, items to mask, and the good pages."""

    faults: dict[str, str] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)
    personal: dict[str, list[str]] = field(default_factory=dict)
    good: list[str] = field(default_factory=list)


class Planter:
    """Adds faults to a site; `truth` grows with each."""

    def __init__(self, site: Site, pages: list[Page], world: World, seed: int, size: IslandSize):
        self.site, self.pages, self.world, self.seed, self.size = site, pages, world, seed, size
        self.truth = Truth(good=[site.base + page.path for page in pages])
        self.random = random.Random(derive(seed, "faults"))
        self._numbers = iter(range(1, 10_000))

    def count(self, kind: str) -> int:
        """How many of a kind an island of this size gets; one at least."""
        return max(1, round(COUNTS[kind] * self.size.faults))

    def add(self, kind: str, path: str, words: str, content: bytes | None, section: str, **special: object) -> str:
        """One faulty address, linked from the index of `section`."""
        if content is not None:
            self.site.files[path] = content
        if special:
            self.site.special[path] = special
        self.site.linked[path] = (section, words)
        self.truth.faults[self.site.base + path] = kind
        return path

    def path(self, section: str, stem: str) -> str:
        """A fresh address that does not give the fault away."""
        return f"/{section}/{stem}-{next(self._numbers)}.html"

    def page(self, title: str, main: str) -> bytes:
        """A page with the site's menu around `main`."""
        page = Page("", title, "news")
        return (
            f'<!doctype html><html lang="en"><head>{head(page, self.world.island, None)}</head><body>'
            f"<nav>{menu(self.world.island)}</nav><main><h1>{escape(title)}</h1>{main}</main></body></html>"
        ).encode()


def plant(site: Site, pages: list[Page], world: World, seed: int, size: IslandSize) -> Truth:
    """Add every kind of fault to the site; returns the truth. Personal data is in the pages already (personal.py)."""
    planter = Planter(site, pages, world, seed, size)
    for plant_kind in (copies, near_copies, rubbish, disallowed, redirects, slow_and_errors):
        plant_kind(planter)
    planter.truth.personal = {site.base + page.path: page.note["personal"] for page in pages if "personal" in page.note}
    return planter.truth


def copies(planter: Planter) -> None:
    """The same page at another address: byte for byte, or the same words in another layout."""
    rng, site = planter.random, planter.site
    for page in rng.sample(planter.pages, planter.count("exact copy")):
        section = rng.choice(("mirror", "archive", page.kind))
        content = site.files[page.path]
        if rng.random() < 0.5:
            content = render(rng, page, planter.world.island, None, []).encode()
        path = planter.add("exact copy", planter.path(section, "copy"), page.title, content, page.kind)
        planter.truth.copies[site.base + path] = site.base + page.path


def near_copies(planter: Planter) -> None:
    """Two to eight words in a hundred changed, in another layout. Names and values stay as they are."""
    rng, site = planter.random, planter.site
    taken = set(planter.truth.copies.values())
    pool = [
        page for page in planter.pages
        if page.kind in PROSE and site.base + page.path not in taken and len(page.text.split()) >= 90
    ]  # fmt: skip
    kept = {word for values in planter.world.values.values() for value in values for word in value.lower().split()}
    for page in rng.sample(pool, planter.count("near copy")):
        copy = Page(page.path, page.title, page.kind, reworded(rng, page.blocks, rng.uniform(*CHANGED_WORDS), kept))
        content = render(rng, copy, planter.world.island, None, site_links(rng, planter)).encode()
        path = planter.add("near copy", planter.path(page.kind, "version"), page.title, content, page.kind)
        planter.truth.copies[site.base + path] = site.base + page.path


def reworded(rng: random.Random, blocks: list[Block], share: float, kept: set[str]) -> list[Block]:
    """The blocks with `share` of the words of their prose changed; questions and answers are left alone."""
    swaps = read("rubbish")["swaps"]
    texts = {
        (index, row): text.split(" ")
        for index, block in enumerate(blocks) if block.kind in ("p", "list")
        for row, text in enumerate((block.text, *block.rows))
    }  # fmt: skip
    common = [
        (place, index) for place, words in texts.items() for index, word in enumerate(words)
        if word.isalpha() and word.islower() and word not in kept
    ]  # fmt: skip
    total = sum(map(len, texts.values()))
    for place, index in rng.sample(common, min(len(common), math.ceil(share * total))):
        word = texts[place][index]
        texts[place][index] = swaps.get(word) or rng.choice((f"{word} {word}", f"quite {word}", "indeed", "then"))
    changed = []
    for index, block in enumerate(blocks):
        lines = [" ".join(texts[index, row]) for row in range(len(block.rows) + 1)] if (index, 0) in texts else []
        changed.append(Block(block.kind, lines[0], tuple(lines[1:])) if lines else block)
    return changed


def site_links(rng: random.Random, planter: Planter) -> list[tuple[str, str]]:
    return [(page.path, page.title) for page in rng.sample(planter.pages, 6)]


def rubbish(planter: Planter) -> None:
    """Spam, other languages, thin pages, broken pages and pages of boilerplate alone."""
    rng, world = planter.random, planter.world
    for _ in range(planter.count("spam")):
        title, main = spam_page(rng)
        planter.add("spam", planter.path("offers", "deal"), title, planter.page(title, main), "news")
    for number in range(planter.count("other language")):
        title, main = foreign_page(rng, number, world.places)
        planter.add("other language", planter.path("notes", "note"), title, planter.page(title, main), "letters")
    for _ in range(planter.count("thin")):
        title, main = thin_text(rng)
        planter.add("thin", planter.path("notes", "note"), title, planter.page(title, main), "news")
    for number in range(planter.count("broken")):
        source = rng.choice(planter.pages)
        content, content_type = BROKEN[number % len(BROKEN)](rng, planter.site.files[source.path])
        special = {"content_type": content_type} if content_type else {}
        planter.add("broken", planter.path("archive", "scan"), f"Scan {number}", content, "history", **special)
    for _ in range(planter.count("boilerplate")):
        content = planter.page("Welcome", boilerplate_html(rng))
        planter.add("boilerplate", planter.path("service", "page"), "Service", content, "news")


def disallowed(planter: Planter) -> None:
    """Readable pages that robots.txt forbids: by folder, and by query."""
    rng = planter.random
    for number in range(planter.count("disallowed")):
        source = rng.choice(planter.pages)
        if number % 3 == 2:
            planter.add("disallowed", f"{source.path}?print={number}", "Print version", None, source.kind)
            continue
        path = planter.path(rng.choice(("private", "drafts")), "paper")
        planter.add("disallowed", path, "Not for print", planter.site.files[source.path], "letters")


def redirects(planter: Planter) -> None:
    """Loops of one to three addresses, and short chains that end at a good page."""
    for number in range(planter.count("redirect loop")):
        ring = [planter.path("go", "round") for _ in range(number % 3 + 1)]
        for here, there in zip(ring, ring[1:] + ring[:1], strict=True):
            planter.add("redirect loop", here, "Go round", None, "history", redirect=there)
    for page in planter.random.sample(planter.pages, planter.count("redirect chain")):
        first, second = planter.path("go", "old"), planter.path("go", "older")
        planter.site.special[first] = {"redirect": second}
        planter.site.special[second] = {"redirect": page.path}
        planter.site.linked[first] = ("history", page.title)


def slow_and_errors(planter: Planter) -> None:
    """Answers that come too late, or late but in time; pages that are missing or fail."""
    rng = planter.random
    for _ in range(planter.count("slow")):
        content = planter.site.files[rng.choice(planter.pages).path]
        planter.add("slow", planter.path("archive", "film"), "Film", content, "news", delay=SLOW_SECONDS)
    for page in rng.sample(planter.pages, planter.count("late")):
        planter.site.special[page.path] = {"delay": LATE_SECONDS}
    statuses = (404, 404, 404, 410, 500, 403, 404, 404, 404, 404)
    for number in range(planter.count("error")):
        path = planter.path("archive", "lost")
        planter.add("error", path, "Lost", None, "history", status=statuses[number % len(statuses)])

