"""Who ranks answers: a person at the terminal, or a program that stands in for one."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from random import Random

from hornbook.conversations.comparisons import Ranking
from hornbook.conversations.formats import Message
from hornbook.conversations.matching import agrees
from hornbook.conversations.refusals import is_refusal
from hornbook.conversations.values import uncited
from hornbook.core.errors import RecipeError
from hornbook.core.jsonl import read_jsonl
from hornbook.core.seeds import derive

# (prompt, answers, which rating of this prompt it is) -> a score an answer. A rater is noisy: the second rating of the
# same answers may differ, as a person's would.
Rater = Callable[[list[Message], list[str], int], list[float]]


def program_rater(name: str, data: Path | None, seed: int) -> Rater:
    """The rater `module:function` names: `function(data, seed) -> Rater`. Raises RecipeError when there is none."""
    module, _, function = name.partition(":")
    if not module or not function:
        raise RecipeError(f"{name!r} names no rater", where="rater", fix='write "module:function"')
    try:
        made = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise RecipeError(f"the rater {name} cannot be had ({error})", where="rater", fix="mend the name") from None
    return made(data, seed)


def rank_in_terminal(prompt: list[Message], answers: list[str], *, random: Random, ask: Callable[[str], str] = input,
                     show: Callable[[str], None] = print) -> Ranking | None:
    """Let a person rank the answers, shown in an order left to chance. None when they leave it ("s"); EOFError ends.

    "b a=c" puts b first and a and c together behind it.
    """
    order = list(range(len(answers)))
    random.shuffle(order)
    letters = [chr(ord("a") + place) for place in range(len(order))]
    show("\n".join(f"{message['role']}: {message['content']}" for message in prompt))
    for letter, index in zip(letters, order, strict=True):
        show(f"  {letter})  {answers[index]}")
    while True:
        said = ask('best first, "=" for as good as, s to skip> ').strip().lower()
        if said == "s":
            return None
        groups = [re.split(r"\s*=\s*", group) for group in re.sub(r"\s*=\s*", "=", said).split()]
        if sorted(letter for group in groups for letter in group) == letters:
            return [sorted(order[letters.index(letter)] for letter in group) for group in groups]
        show(f"name each of {', '.join(letters)} once, for example: {' '.join(letters[:-2])} {'='.join(letters[-2:])}")


def page_rater(data: Path | None, seed: int) -> Rater:
    """A rater for pages of no known truth: it likes what agrees with the page's answer, names its page and is short.

    `data` is a folder of conversations; a question it does not know scores by length alone. Noise of one part in ten
    keeps it from deciding between answers that are as good as each other in the same way each time.
    """
    if data is None:
        raise RecipeError("the page rater needs a folder of conversations", where="rater_data")
    answers: dict[str, str] = {}
    for path in sorted(Path(data).glob("*.jsonl")):
        for row in read_jsonl(path):
            if messages := row.get("messages"):
                answers[_asked(messages)] = messages[-1]["content"]

    def rate(prompt: list[Message], given: list[str], rating: int) -> list[float]:
        expected = answers.get(_asked(prompt))
        noise = Random(derive(seed, "page rater", _asked(prompt), rating))
        return [_liked(prompt[-1]["content"], expected, answer) + noise.gauss(0.0, 0.1) for answer in given]

    return rate


def _asked(messages: list[Message]) -> str:
    return "\x1e".join(message["content"] for message in messages if message["role"] != "assistant")


def _liked(question: str, expected: str | None, answer: str) -> float:
    score = -0.01 * len(answer.split()) + 0.3 * (uncited(answer) != answer)
    if expected is None:
        return score
    right = is_refusal(answer) if is_refusal(expected) else agrees(question, expected, answer)
    return score + 1.0 * right
