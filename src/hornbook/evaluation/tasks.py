"""Tasks: items, a prompt for each, a grade for what is said; and scores with n, chance level and interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hornbook.core.errors import InputError
from hornbook.evaluation.asking import answers
from hornbook.evaluation.exams import Question
from hornbook.evaluation.grading import is_right
from hornbook.evaluation.intervals import wilson
from hornbook.evaluation.likelihood import choose
from hornbook.inference.engine import Engine
from hornbook.inference.requests import Request

Ask = Callable[[Question], Request]  # the prompt for an item, with how its answer is sampled
Grade = Callable[[Question, str], bool]


@dataclass(frozen=True)
class Graded:
    """A question, what was said (or which choice was taken) and whether that is right."""

    question: Question
    said: str
    right: bool

    def row(self, figure: str) -> dict:
        """The line it makes in answers.jsonl."""
        return {"figure": figure, "id": self.question.id, "question": self.question.question,
                "answers": list(self.question.answers), "said": self.said, "right": self.right}


@dataclass(frozen=True)
class Score:
    """A share of n, its 95% Wilson interval, and what guessing would get."""

    value: float
    n: int
    interval: tuple[float, float]
    chance: float | None = None

    def row(self) -> dict:
        """The score as its part of scores.json."""
        return {"value": self.value, "n": self.n, "interval": list(self.interval), "chance": self.chance}


def share(right: Sequence[bool | float], chance: float | None = None) -> Score:
    """The score of gradings, each 0 or 1 (a tie counts one half)."""
    total = float(sum(right))
    return Score(total / len(right), len(right), wilson(total, len(right)), chance)


@dataclass(frozen=True)
class ShortAnswer:
    """Questions answered in the model's own words."""

    items: Sequence[Question]
    ask: Ask
    grade: Grade = is_right
    chance: float | None = None

    def run(self, engine: Engine) -> list[Graded]:
        """Every item asked in one batch, graded, in order. What does not fit the window has no answer, and is wrong."""
        completions = answers(engine, [self.ask(item) for item in self.items])
        texts = ["" if completion is None else completion.text.strip() for completion in completions]
        return [Graded(item, text, self.grade(item, text)) for item, text in zip(self.items, texts, strict=True)]


@dataclass(frozen=True)
class MultipleChoice:
    """Questions answered by which of the choices the model finds likeliest."""

    items: Sequence[Question]
    ask: Ask

    @property
    def chance(self) -> float:
        """What guessing gets."""
        each = [len(set(item.choices) & set(item.answers)) / len(item.choices) for item in self.items]
        return sum(each) / len(each)

    def run(self, engine: Engine) -> list[Graded]:
        """Every item's likeliest choice, graded, in order. Raises InputError for an item without choices."""
        if bare := next((item for item in self.items if not item.choices), None):
            raise InputError("this question has no choices", where=bare.id, fix='give "choices" or ask for an answer')
        taken = choose(engine, [self.ask(item) for item in self.items], [item.choices for item in self.items])
        return [Graded(item, item.choices[index], item.choices[index] in item.answers)
                for item, index in zip(self.items, taken, strict=True)]
