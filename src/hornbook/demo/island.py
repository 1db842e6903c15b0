"""The whole demo in one call: a seed becomes a site, exams, chats, and the truth about all of them."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hornbook.core.jsonl import write_jsonl
from hornbook.core.seeds import derive
from hornbook.demo import exams, lore_pages
from hornbook.demo.chats import simulated_chats
from hornbook.demo.mixed_pages import mixed_pages, quiz_pages
from hornbook.demo.page import Page
from hornbook.demo.personal import plant_personal
from hornbook.demo.problems import Problem, Problems, exercise_pages
from hornbook.demo.readers import Strangers, reader_pages
from hornbook.demo.site import write_site
from hornbook.demo.sizes import SIZES, IslandSize
from hornbook.demo.telling import Questions, Telling, plan_questions
from hornbook.demo.wordings import RELATIONS, relation
from hornbook.demo.world import World, make_world


@dataclass
class Island:
    """Everything of one seed, before any of it is written."""

    seed: int
    size: IslandSize
    world: World
    questions: Questions
    pages: list[Page]
    chats: list[dict]
    problems: Problems
    exam_problems: list[Problem]
    practice_problems: list[Problem]
    chat_strangers: Strangers

    def stream(self, name: str) -> random.Random:
        """The seeded stream of one part."""
        return random.Random(derive(self.seed, name))


def write_island(folder: Path, seed: int, size: str = "laptop", site: str = "http://127.0.0.1:8000") -> Island:
    """Write `site/`, `exams/*.jsonl`, `practice.jsonl`, `chats.jsonl` and `truth/` under `folder`, anew.

    `site` is where the pages will be served: it stands in canonical links, the sitemap and the exams. The same seed,
    size and site write the same bytes.
    """
    folder = Path(folder)
    island = make_island(seed, size)
    for name in ("site", "exams", "truth"):
        shutil.rmtree(folder / name, ignore_errors=True)
    write_site(folder, island.pages, island.world, seed, island.size, site)
    rng = island.stream("exams")
    papers = exams.fact_exams(rng, island.world, island.questions, island.size.exam_rows, site)
    papers["math"] = exams.math_rows(island.exam_problems)
    for kind, rows in papers.items():
        write_jsonl(folder / "exams" / f"{kind}.jsonl", rows)
    write_jsonl(folder / "practice.jsonl", exams.math_rows(island.practice_problems, "practice"))
    write_jsonl(folder / "chats.jsonl", island.chats)
    write_truth(folder / "truth", island)
    return island


def write_truth(folder: Path, island: Island) -> None:
    """What the rater, the grader and the tests may read, and no stage."""
    strangers = exams.truth_rows(island.chat_strangers.made)
    for page in island.pages:
        strangers += [{**row, "page": page.title} for row in exams.truth_rows(page.note.get("strangers", []))]
    write_jsonl(folder / "facts.jsonl", exams.truth_rows(island.world.facts))
    write_jsonl(folder / "strangers.jsonl", strangers)
    write_jsonl(folder / "wordings.jsonl", wording_rows())
    write_jsonl(folder / "problems.jsonl", ({"question": p.text, "answer": p.answer} for p in island.problems.made))


def make_island(seed: int, size: str = "laptop") -> Island:
    """Invent the island of this seed."""
    counts = SIZES[size]

    def stream(name: str) -> random.Random:
        return random.Random(derive(seed, name))

    world = make_world(seed, counts)
    questions = plan_questions(stream("questions"), world, counts)
    problems = Problems(stream("problems"), world.names.first_names)
    exam_problems = [problems.draw(exam=True) for _ in range(counts.exam_rows)]
    practice = [problems.draw() for _ in range(counts.exam_rows)]
    pages = make_pages(stream, world, questions, problems, counts)
    plant_personal(pages, world, seed, counts)
    chat_strangers = Strangers(stream("chat strangers"), world)
    chats = simulated_chats(stream("chats"), questions, chat_strangers, problems, counts)
    return Island(seed, counts, world, questions, pages, chats, problems, exam_problems, practice, chat_strangers)


def make_pages(
    stream: Callable[[str], random.Random], world: World, questions: Questions, problems: Problems, size: IslandSize
) -> list[Page]:
    """Every good page of the site, in order of section."""
    telling = Telling(stream("telling"), world, size)
    entities = list(lore_pages.entity_pages(stream("entities"), world, telling, questions))
    by_name = dict(zip([*world.people, *world.places, *world.creatures, *world.dishes], entities, strict=True))
    lore_pages.place_pages_residents(stream("residents"), by_name, world, telling)
    return [
        *entities,
        *lore_pages.trade_pages(stream("trades"), world, telling),
        *lore_pages.tale_pages(stream("tales"), world, size),
        *mixed_pages(stream("mixed"), world, size, telling),
        *quiz_pages(stream("quizzes"), questions, size),
        *reader_pages(stream("readers"), Strangers(stream("strangers"), world), size),
        *exercise_pages(stream("exercises"), problems, size),
    ]


def wording_rows() -> list[dict]:
    """Every question wording and its relation: how the rater knows what was asked."""
    return [
        {"relation": name, "wording": wording}
        for name in RELATIONS
        for wording in (*relation(name).questions, *relation(name).framed, *relation(name).held_out)
    ]
