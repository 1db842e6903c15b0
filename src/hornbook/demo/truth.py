"""What is so on an island, read back from its `truth/` folder: for rater, grader and tests; for no stage."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hornbook.core.errors import InputError
from hornbook.core.jsonl import read_jsonl
from hornbook.demo.wordings import fill

_NAME = "\x00"


@dataclass(frozen=True)
class Known:
    """The right answer to a question: the value, and the title of the page that tells it."""

    value: str
    page: str


class IslandTruth:
    """Knows what a question asks for. `folder` is the island's `truth/`."""

    def __init__(self, folder: Path):
        folder = Path(folder)
        if not (folder / "facts.jsonl").exists():
            raise InputError("here is no island's truth", where=folder, fix="name the truth/ that hornbook demo wrote")
        self._facts: dict[tuple[str, str], Known] = {}
        self._names: set[str] = set()
        for name in ("facts", "strangers"):
            for row in read_jsonl(folder / f"{name}.jsonl"):
                self._facts[row["entity"].casefold(), row["relation"]] = Known(row["value"], row["page"])
                self._names.add(row["entity"].casefold())
        self._relations: dict[str, set[str]] = {}
        for row in read_jsonl(folder / "wordings.jsonl"):
            self._relations.setdefault(fill(row["wording"], _NAME).casefold(), set()).add(row["relation"])
        self._problems = {row["question"]: int(row["answer"]) for row in read_jsonl(folder / "problems.jsonl")}
        self._asked: dict[str, tuple[bool, Known | None]] = {}
        self._patterns = [(pattern(wording), relations) for wording, relations in self._relations.items()]

    def problem(self, question: str) -> int | None:
        """The number a word problem asks for, or None when this is no problem of the island."""
        return self._problems.get(question.strip())

    def asked(self, question: str) -> tuple[bool, Known | None]:
        """(whether this asks for a fact in a known wording, the right answer or None when nobody knows it)."""
        if question not in self._asked:  # several answers are judged to each, against every wording
            self._asked[question] = self._found(question)
        return self._asked[question]

    def _found(self, question: str) -> tuple[bool, Known | None]:
        text, recognised = question.strip().casefold(), False
        for wording, relations in self._patterns:
            match = wording.match(text)
            if match is None:
                continue
            recognised = True
            for relation in relations:
                if known := self._facts.get((match["name"], relation)):
                    return True, known
        return recognised, None


def pattern(wording: str) -> re.Pattern[str]:
    """What matches a question in this wording, with the name found in it; a name said twice must be the same."""
    parts = [re.escape(part) for part in wording.split(_NAME)]
    return re.compile(f"{parts[0]}(?P<name>.+?){'(?P=name)'.join(parts[1:])}$")


def says(text: str, value: str) -> bool:
    """Whether the text has the value in it as whole words, with or without its article."""
    bare = value.removeprefix("the ")
    return re.search(rf"(?<!\w){re.escape(bare)}(?!\w)", text, re.IGNORECASE) is not None


