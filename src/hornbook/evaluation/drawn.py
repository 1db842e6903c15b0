"""An exam out of the pages themselves, for a site that brings none: what training left out, and what is not there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from random import Random

from hornbook.conversations.from_pages import Drawn, draw, kept_for_exam
from hornbook.conversations.invent import KnownWords, NameMaker, subject
from hornbook.conversations.matching import agrees
from hornbook.core.seeds import derive
from hornbook.evaluation.exams import Question


def drawn_exam(documents: Sequence[Mapping[str, object]], *, most: int, seed: int) -> list[Question]:
    """At most `most` questions of kind `drawn`, which the pages ask and training left out, and as many `absent` ones.

    The accepted answer of a drawn question is the page's own sentence, so grade it with `agrees_with_page`.
    """
    drawn = [item for _, asked in draw(documents) for item in asked if item.kind in ("asked", "definition")]
    kept = [item for item in drawn if kept_for_exam(item.question)]
    random = Random(derive(seed, "drawn exam"))
    chosen = random.sample(kept, min(most, len(kept)))
    return [
        Question(f"drawn-{number:04d}", "drawn", item.question, answers=(item.answer,), page=item.page.url)
        for number, item in enumerate(chosen, 1)
    ] + list(absent(documents, drawn, count=len(chosen), random=random))


def absent(documents: Sequence[Mapping[str, object]], drawn: Sequence[Drawn], *, count: int,
           random: Random) -> Iterable[Question]:
    """Questions of the pages about names that stand on no page."""
    about = [(item.question, name) for item in drawn if (name := subject(item.question, item.page.title, item.answer))]
    maker = NameMaker([name for _, name in about], KnownWords(str(document["text"]) for document in documents))
    for number in range(1, (count if about else 0) + 1):
        question, name = random.choice(about)
        yield Question(id=f"absent-{number:04d}", kind="absent", refuse=True,
                       question=question.replace(name, maker.name(name, random)))


def agrees_with_page(question: Question, text: str) -> bool:
    """Whether the text brings what the page's sentence adds to the question."""
    return agrees(question.question, question.answers[0], text)
