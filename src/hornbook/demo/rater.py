"""The rater program of the demo: it likes answers that are right, name their page, are polite and are short, and it is
no steadier than a person."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from hornbook.conversations.refusals import is_refusal
from hornbook.conversations.values import uncited
from hornbook.core.seeds import derive
from hornbook.demo.truth import IslandTruth, says
from hornbook.evaluation.grading import last_number

RIGHT, NAMES_ITS_PAGE, POLITE, A_WORD = 3.0, 1.0, 0.7, -0.03
# So that two ratings of the same two answers agree about 85 times in 100; tests/demo measures it.
NOISE = 0.45
POLITE_WORDS = (
    "gladly", "of course", "with pleasure", "good question", "i hope", "you are welcome", "please", "thank you",
    "sorry",
)  # fmt: skip

Messages = list[dict]


def rater(data_folder: Path, seed: int) -> Callable[[Messages, list[str], int], list[float]]:
    """A noisy rater of several answers to one prompt, who knows the island's `truth/` folder.

    The same rating number gives the same scores.
    """
    score = hidden_score(data_folder)

    def rate(messages: Messages, answers: list[str], rating_number: int) -> list[float]:
        prompt = "\x1e".join(message["content"] for message in messages)
        noise = random.Random(derive(seed, "rating", prompt, rating_number))
        return [score(messages, answer) + noise.gauss(0.0, NOISE) for answer in answers]

    return rate


def hidden_score(data_folder: Path) -> Callable[[Messages, str], float]:
    """What the rater would say without its noise.

    Right counts most: the value asked for, the number of a word problem, or a refusal where nobody knows. Naming the
    page that tells it, politeness and shortness count less.
    """
    truth = IslandTruth(data_folder)

    def score(messages: Messages, answer: str) -> float:
        right, page = judged(truth, messages, answer)
        named = page is not None and f"(page: {page.casefold()})" in answer.casefold()
        polite = any(word in answer.casefold() for word in POLITE_WORDS)
        return RIGHT * right + NAMES_ITS_PAGE * named + POLITE * polite + A_WORD * len(answer.split())

    return score


def judged(truth: IslandTruth, messages: Messages, answer: str) -> tuple[bool, str | None]:
    """(whether the answer is right, the title of the page it should name)."""
    question = next(message["content"] for message in reversed(messages) if message["role"] == "user")
    number = truth.problem(question)
    if number is not None:
        return last_number(answer) == number, None
    is_question, known = truth.asked(question)
    if not is_question:
        return False, None  # small talk is neither right nor wrong
    if known is None:
        return is_refusal(answer), None
    # A page laid open before the question is the one to name.
    opened = messages[0]["content"].partition("\n")[0] if messages[0]["role"] == "system" else known.page
    return not is_refusal(answer) and says(uncited(answer), known.value), opened
