"""The figures of a model that chats: what it knows, what it refuses, what it finds in a page laid before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hornbook.conversations.formats import Message
from hornbook.conversations.page import PASSAGES, with_passages
from hornbook.conversations.raters import Rater
from hornbook.conversations.refusals import is_refusal
from hornbook.evaluation.drawn import HEADING
from hornbook.evaluation.exams import Question
from hornbook.evaluation.intervals import paired_difference
from hornbook.evaluation.sheet import FIGURES, Sheet
from hornbook.evaluation.tasks import Ask, Graded, MultipleChoice, ShortAnswer, share
from hornbook.inference.engine import Engine
from hornbook.inference.requests import Request, Sampling
from hornbook.retrieval.index import Hit, Index
from hornbook.retrieval.passages import passages

COMPARED = ("qa", "refusal_right")  # the figures on whose questions two models are compared


def closed_figures(sheet: Sheet) -> None:
    """A figure for each kind of question: short answers, likelihood over choices, refusals.

    `refusal_right`: of the questions to be refused, how many are; `refusal_wrong`: of `qa`'s, how many are as well.
    """
    ask = _alone(sheet)
    for kind in dict.fromkeys(question.kind for question in sheet.questions if question.kind != HEADING):
        items = [question for question in sheet.questions if question.kind == kind]
        if all(question.refuse for question in items):
            sheet.short_answers("refusal_right", items, ask)
        elif all(question.choices for question in items):
            task = MultipleChoice(items, ask)
            sheet.keep(FIGURES.get(kind, kind), task.run(sheet.engine), task.chance)
        else:
            sheet.short_answers(FIGURES.get(kind, kind), items, ask)
    if known := sheet.graded.get("qa"):
        sheet.scores["refusal_wrong"] = share([is_refusal(item.said) for item in known]).row()
    for figure in ("qa", "qa_wording", "qa_unasked", "refusal_right", "refusal_wrong", "math"):
        if figure not in sheet.scores:
            sheet.miss(figure, "no exam asks for it")
    sheet.fixed(ask)


def open_figures(sheet: Sheet, folder: Path, passage_words: int) -> None:
    """`qa_open`: the questions of `qa_unasked` (else those drawn from pages and their headings) with the passages that
    a search of all pages finds, `passage_words` words in all; `search_hit`: for how many a passage found holds an
    accepted answer. The index is built in `folder`.
    """
    kinds = {question.kind for question in sheet.questions if question.choices} or {"drawn", HEADING}
    items = [question for question in sheet.questions if question.kind in kinds and question.page]
    if not items:
        for figure in ("qa_open", "search_hit"):
            sheet.miss(figure, "no question names its page")
        return
    index = Index.build(folder, passages(sheet.documents, passage_words // PASSAGES))
    hits = index.search_many([item.question for item in items], PASSAGES)
    found = dict(zip([item.id for item in items], hits, strict=True))

    def ask(question: Question) -> Request:
        messages, sampling = _user(question), Sampling(max_tokens=sheet.max_tokens)
        opened = with_passages(sheet.engine, messages, found[question.id], sampling)
        return opened or Request(messages=messages, sampling=sampling)

    sheet.short_answers("qa_open", items, ask)
    sheet.scores["search_hit"] = share([_holds(question, found[question.id], sheet) for question in items]).row()


def rival_figures(
    sheet: Sheet, rival: Callable[[], Engine], rate: Rater | None, said: Mapping[str, str] | None = None
) -> None:
    """The model against another on the same questions, blind.

    `qa_change`: right answers to `qa` more than the rival's, paired. `rl_wins`: how often the rater scores its answer
    higher, a tie being half, on questions of `qa` and of what does not exist; `rl_length_ratio`: its words by the
    rival's. `said` is what the rival answered before, by question: only the rest is asked, if there is any.
    """
    own = [item for figure in COMPARED for item in sheet.graded.get(figure, [])]
    if not own:
        for figure in ("qa_change", "rl_wins", "rl_length_ratio"):
            sheet.miss(figure, "there is no question to compare on")
        return
    questions = [item.question for item in own]
    others = _answers(sheet, questions, rival, said or {})
    known = [place for place, question in enumerate(questions) if not question.refuse]
    if known:
        change, interval = paired_difference([others[place].right for place in known],
                                             [own[place].right for place in known], seed=0)
        sheet.scores["qa_change"] = {"value": change, "n": len(known), "interval": list(interval), "chance": None}
    words = [sum(len(item.said.split()) for item in side) for side in (own, others)]
    ratio = words[0] / max(words[1], 1)
    sheet.scores["rl_length_ratio"] = {"value": ratio, "n": len(own), "interval": None, "chance": None}
    if rate is None:
        sheet.miss("rl_wins", "no rater is named: evaluate.rater")
        return
    points: list[float] = []
    for mine, other in zip(own, others, strict=True):
        first, second = rate(_user(mine.question), [mine.said, other.said], 0)
        points.append(0.5 if first == second else float(first > second))
        sheet.answers.append({"figure": "rl_wins", "id": mine.question.id, "question": mine.question.question,
                              "said": mine.said, "rival": other.said, "right": points[-1]})
    sheet.scores["rl_wins"] = share(points, chance=0.5).row()


def control_figure(sheet: Sheet, control: Engine) -> None:
    """`math_sft_more`: `math`'s questions put to the model that went on with SFT for as many tokens as RL had."""
    items = [item.question for item in sheet.graded.get("math", [])]
    if not items:
        sheet.miss("math_sft_more", "no exam asks for it")
        return

    graded = ShortAnswer(items, _alone(sheet), sheet.grade).run(control)
    sheet.scores["math_sft_more"] = share([item.right for item in graded]).row()


def _answers(
    sheet: Sheet, questions: Sequence[Question], rival: Callable[[], Engine], said: Mapping[str, str]
) -> list[Graded]:
    """The rival's answers, graded, in order. What it said to a question with choices was one of them: asked anew."""
    unknown = [question for question in questions if question.choices or question.question not in said]
    asked = ShortAnswer(unknown, _alone(sheet), sheet.grade).run(rival()) if unknown else []
    texts = {**said, **{item.question.question: item.said for item in asked}}
    return [Graded(item, text := texts[item.question], sheet.grade(item, text)) for item in questions]


def _alone(sheet: Sheet) -> Ask:
    """How a question is asked with nothing laid beside it."""
    return lambda question: Request(messages=_user(question), sampling=Sampling(max_tokens=sheet.max_tokens))


def _user(question: Question) -> list[Message]:
    return [{"role": "user", "content": question.question}]


def _holds(question: Question, hits: Sequence[Hit], sheet: Sheet) -> bool:
    """Whether a passage holds an accepted answer."""
    return any(sheet.grade(question, hit.text) for hit in hits)
