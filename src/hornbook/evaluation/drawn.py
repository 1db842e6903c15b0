"""An exam out of the pages themselves, for a site that brings none: what training left out, and what is not there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from random import Random

from hornbook.conversations.from_pages import Drawn, draw, kept_for_exam
from hornbook.conversations.invent import KnownWords, NameMaker, subject
from hornbook.conversations.matching import agrees
from hornbook.conversations.open_book import first_told
from hornbook.core.seeds import derive
from hornbook.evaluation.exams import Question

HEADING = "heading"  # the kind of question that nobody is expected to answer from memory


def drawn_exam(documents: Sequence[Mapping[str, object]], *, most: int, seed: int) -> list[Question]:
    """At most `most` questions of kind `drawn`, which the pages ask and training left out, and as many `absent` ones;
    of kind `heading`, up to as many, what stands under headings, to be found and told with the page open.

    The accepted answer is the page's own sentence, so grade it with `agrees_with_page`.
    """
    everything = [item for _, asked in draw(documents) for item in asked]
    drawn = [item for item in everything if item.kind in ("asked", "definition")]
    headings = [item for item in everything if item.kind == "about" and first_told(item) in item.page.prose]
    random = Random(derive(seed, "drawn exam"))
    chosen = _chosen(drawn, most, random)
    asked = [
        Question(f"drawn-{number:04d}", "drawn", item.question, answers=(item.answer,), page=item.page.url)
        for number, item in enumerate(chosen, 1)
    ]
    missing = list(absent(documents, drawn, count=len(chosen), random=random))
    return [*asked, *missing] + [
        Question(f"heading-{number:04d}", HEADING, item.question, answers=(first_told(item),), page=item.page.url)
        for number, item in enumerate(_chosen(headings, most - len(chosen), random), 1)
    ]


def _chosen(drawn: Sequence[Drawn], most: int, random: Random) -> list[Drawn]:
    """At most so many of those that training left out."""
    kept = [item for item in drawn if kept_for_exam(item.question)]
    return random.sample(kept, min(most, len(kept)))


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
