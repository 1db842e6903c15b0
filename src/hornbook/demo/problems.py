"""Word problems with their working, and tables to practise on, in numbers so small that a small model learns them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from hornbook.demo.page import Page, slug
from hornbook.demo.sizes import IslandSize
from hornbook.demo.wordings import read

# Some 350 sums in all: each then comes often enough in ten minutes to be learned. Of 1,300 sums (numbers to 60, second
# numbers to 12) a model of five million parameters that read the pages six times had learned next to none.
LARGEST_FIRST, LARGEST_SECOND, LARGEST_PRODUCT, LARGEST = 20, 6, 24, 30
# A sum that was read in tables alone (14 copies) is known in a table, 0.9 of them, and not in a working, 0.3: so most
# of the practice is workings.
TABLE_COPIES = 4
SIGNS = {"+": "+", "-": "-", "*": "x"}
PRODUCTS = [(a, b) for a in range(2, 7) for b in range(2, 7) if a * b <= LARGEST_PRODUCT]


@dataclass(frozen=True)
class Problem:
    """A story, its steps as text ("3 x 7 = 21.") and the number asked for. `key` is the story and its numbers."""

    text: str
    working: str
    answer: int
    key: tuple

    @property
    def worked(self) -> str:
        """Working first, then the answer."""
        return worked(self.working, self.answer)

    @property
    def blurted(self) -> str:
        """The answer alone."""
        return f"Answer: {self.answer}."


class Problems:
    """Draws problems. What was drawn for an exam, story and numbers, is never drawn again."""

    def __init__(self, rng: random.Random, first_names: list[str]):
        self._random, self._first_names = rng, first_names
        self._stories = read("stories")["story"]
        self._things = read("stories")["things"].split()
        self._examined: set[tuple] = set()
        self.made: list[Problem] = []

    def draw(self, exam: bool = False) -> Problem:
        """A problem of no exam so far; with `exam` it is kept from all later draws."""
        while True:
            index = drawn_story(self._random, self._stories)
            story = self._stories[index]
            numbers, lines, result = solve(self._random, story["steps"])
            key = (index, *numbers.values())
            if result is None or key in self._examined:
                continue
            if exam:
                self._examined.add(key)
            names = self._random.sample(self._first_names, 2)
            slots = dict(zip("nm", names, strict=True)) | {"t": self._random.choice(self._things)} | numbers
            self.made.append(Problem(story["text"].format(**slots), " ".join(lines), result, key))
            return self.made[-1]


def drawn_story(rng: random.Random, stories: list[dict]) -> int:
    """The index of a story. Few have two or three steps, so the number of steps is drawn first."""
    steps = rng.choices((1, 2, 3), weights=(3, 6, 1))[0]
    return rng.choice([index for index, story in enumerate(stories) if len(story["steps"]) == steps])


def worked(working: str, answer: int) -> str:
    """A solution: working first, then the answer."""
    return f"Working: {working} Answer: {answer}."


def solve(rng: random.Random, steps: list[str]) -> tuple[dict[str, int], list[str], int | None]:
    """Numbers for the slots of the steps, the lines of the working, and the result (None if it leaves the range).

    "#" stands for the result of the step before.
    """
    numbers: dict[str, int] = {}
    lines, result = [], None
    for step in steps:
        left, sign, right = step.split()
        if sign == "*":
            numbers[left], numbers[right] = rng.choice(PRODUCTS)
        else:
            if left != "#":
                numbers[left] = rng.randint(3, LARGEST_FIRST)
            numbers[right] = rng.randint(2, LARGEST_SECOND)
        a, b = (result if left == "#" else numbers[left]), numbers[right]
        assert a is not None
        result = {"+": a + b, "-": a - b, "*": a * b}[sign]
        if not 0 <= result <= LARGEST:
            return numbers, lines, None
        lines.append(f"{a} {SIGNS[sign]} {b} = {result}.")
    return numbers, lines, result


def exercise_pages(rng: random.Random, problems: Problems, size: IslandSize) -> Iterator[Page]:
    """Sheets of worked problems, the tables, and workings without a story."""
    for number, start in enumerate(range(0, size.problems, size.problems_per_page), 1):
        page = Page(f"/exercises/sheet-{number}.html", f"Sums in stories, sheet {number}", "exercises")
        for _ in range(min(size.problems_per_page, size.problems - start)):
            problem = problems.draw()
            page.add("p", f"{problem.text} {problem.worked}")
        yield page
    yield from table_pages(rng)
    yield from drill_pages(rng, size.drills)


def table_pages(rng: random.Random) -> Iterator[Page]:
    """Every sum, difference and product that the problems use, in shuffled rows, several times over."""
    firsts, seconds = range(LARGEST + 1), range(1, LARGEST_SECOND + 1)
    tables = {
        "Adding": [f"{a} + {b} = {a + b}." for a in firsts for b in seconds if a + b <= LARGEST],
        "Subtracting": [f"{a} - {b} = {a - b}." for a in firsts for b in seconds if a >= b],
        "Times": [f"{a} x {b} = {a * b}." for a, b in PRODUCTS],
    }
    for title, sums in tables.items():
        rows = [row for _ in range(TABLE_COPIES) for row in rng.sample(sums, len(sums))]
        yield from sheets(title, "table", "say each line aloud until you know it.", rows, 60, 6)


def drill_pages(rng: random.Random, count: int) -> Iterator[Page]:
    """`count` workings as the problems have them, without their stories."""
    stories, rows = read("stories")["story"], list[str]()
    while len(rows) < count:
        _, lines, result = solve(rng, stories[drawn_story(rng, stories)]["steps"])
        if result is not None:
            rows.append(worked(" ".join(lines), result))
    yield from sheets("Reckoning", "page", "sums one behind the other, as in stories.", rows, 32, 2)


def sheets(title: str, what: str, head: str, rows: list[str], per_page: int, per_line: int) -> Iterator[Page]:
    """The rows in their order, page after page: so many on a page, so many of them on a line."""
    for number, start in enumerate(range(0, len(rows), per_page), 1):
        page = Page(f"/tables/{slug(title)}-{number}.html", f"{title}, {what} {number}", "tables")
        page.add("p", f"{title}: {head}")
        of_page = rows[start : start + per_page]
        for row in range(0, len(of_page), per_line):
            page.add("p", " ".join(of_page[row : row + per_line]))
        yield page
