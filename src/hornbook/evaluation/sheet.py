"""The sheet of one evaluation: what is asked, of whom, the figures and the answers behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hornbook.evaluation.drawn import agrees_with_page, drawn_exam
from hornbook.evaluation.exams import Question, read_exams
from hornbook.evaluation.grading import is_right
from hornbook.evaluation.tasks import Ask, Graded, ShortAnswer, share
from hornbook.inference.engine import Engine

FIGURES = {"wording": "qa_wording", "unasked": "qa_unasked", "drawn": "qa"}  # kinds whose figure has another name
# Questions put to every model alike, by kind: ten of a whole exam.
FIXED = {"qa": 4, "drawn": 6, "absent": 2, "math": 2, "wording": 1, "unasked": 1}


@dataclass
class Sheet:
    """Questions for one model, filled in as figures are had.

    `scores` is `{figure: {"value", "n", "interval", "chance"}}`, or `{"value": None, "why"}`; `answers` are the rows
    behind them; `graded` keeps each figure's answers for who comes after.
    """

    engine: Engine
    questions: Sequence[Question]
    documents: Sequence[Mapping[str, object]]
    grade: Callable[[Question, str], bool] = is_right
    max_tokens: int = 64
    scores: dict[str, dict] = field(default_factory=dict)
    answers: list[dict] = field(default_factory=list)
    graded: dict[str, list[Graded]] = field(default_factory=dict)

    def keep(self, figure: str, graded: list[Graded], chance: float | None = None) -> None:
        """Enter a figure with the answers behind it."""
        self.scores[figure] = share([item.right for item in graded], chance).row()
        self.answers += [item.row(figure) for item in graded]
        self.graded[figure] = graded

    def miss(self, figure: str, why: str) -> None:
        """Enter a figure that cannot be had."""
        self.scores[figure] = {"value": None, "why": why}

    def short_answers(self, figure: str, items: Sequence[Question], ask: Ask) -> None:
        """Ask the items and keep the figure."""
        self.keep(figure, ShortAnswer(items, ask, self.grade).run(self.engine))

    def fixed(self, ask: Ask) -> None:
        """Put to the model the questions that every model is asked: rows of the figure `fixed`, and no score."""
        chosen = [
            question for kind, count in FIXED.items()
            for question in [item for item in self.questions if item.kind == kind][:count]
        ]
        self.answers += [item.row("fixed") for item in ShortAnswer(chosen, ask, self.grade).run(self.engine)]


def exam(files: Iterable[Path], documents: Sequence[Mapping[str, object]], *, most: int) -> tuple[
    list[Question], Callable[[Question, str], bool]
]:
    """(questions, how to grade them): of the files at most `most` a kind; without files drawn from the pages."""
    given = list(files)
    if not given:
        return drawn_exam(documents, most=most, seed=0), _grade_drawn
    counts: dict[str, int] = {}
    questions: list[Question] = []
    for question in read_exams(given):
        counts[question.kind] = counts.get(question.kind, 0) + 1
        if counts[question.kind] <= most:
            questions.append(question)
    return questions, is_right


def _grade_drawn(question: Question, text: str) -> bool:
    return is_right(question, text) if question.refuse else agrees_with_page(question, text)
