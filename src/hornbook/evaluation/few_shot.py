"""Asking a model that was taught no chat: questions and answers in the form in which the pages set them out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

from hornbook.conversations.from_pages import Drawn
from hornbook.conversations.page import ROOM_FOR_ANSWER
from hornbook.evaluation.exams import Question
from hornbook.evaluation.tasks import Ask
from hornbook.inference.requests import Request, Sampling
from hornbook.tokens.tokenizer import Tokenizer

PLAIN_FORM = "Q: {question}\nA: {answer}\n\n"


def few_shot(
    drawn: Sequence[Drawn], tokenizer: Tokenizer, *, shots: int, max_tokens: int, window: int, seed: int
) -> Ask:
    """Prompts of `shots` questions with their answers, taken from the pages by chance, then the question to answer.

    The form is the commonest on the pages, `PLAIN_FORM` where they ask nothing. The answer ends with its line. Of the
    examples as many are kept as fill half of the model's window; a question too long to stand after them has fewer.
    """
    asked = [item for item in drawn if item.kind == "asked"]
    forms = Counter(item.form for item in asked)
    form = max(forms, key=lambda form: (forms[form], form), default=PLAIN_FORM)
    examples = Random(seed).sample(asked, min(shots, len(asked)))
    shown: list[str] = []
    for item in examples:
        example = _filled(form, item.question, item.answer)
        if len(tokenizer.encode("".join([*shown, example]))) <= window // 2:
            shown.append(example)

    def ask(question: Question) -> Request:
        asks = _filled(form.partition("{answer}")[0], question.question, "").rstrip(" ")
        prompts = ("".join(shown[:count]) + asks for count in range(len(shown), 0, -1))
        fitting = (ids for ids in map(tokenizer.encode, prompts) if len(ids) + ROOM_FOR_ANSWER <= window)
        ids = next(fitting, None) or tokenizer.encode(asks)
        return Request(ids=ids, sampling=Sampling(max_tokens=max_tokens, stop=("\n",)))

    return ask


def _filled(form: str, question: str, answer: str) -> str:
    return form.replace("{question}", question).replace("{answer}", answer)
