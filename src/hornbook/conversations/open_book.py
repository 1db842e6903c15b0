"""Reading rather than remembering: a question with a passage of its page; the same about what does not exist."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from hornbook.conversations.from_pages import Drawn
from hornbook.conversations.invent import NameMaker, subject
from hornbook.conversations.values import contains, key_values, names_in, numbers_in


@dataclass(frozen=True)
class OpenQuestion:
    """A question, the passage that answers it, and the answer."""

    question: str
    answer: str
    title: str
    passage: str


def opened(drawn: Drawn, most_words: int, random: Random) -> OpenQuestion | None:
    """The question with at most `most_words` words of its page's prose, the sentence with the answer among them.

    Where in the passage that sentence stands is left to chance. None when the prose does not hold the answer: a model
    must not learn to read what is not there.
    """
    prose = drawn.page.prose
    values = key_values(drawn.question, drawn.answer)
    holding = [place for place, sentence in enumerate(prose) if any(contains(sentence, [value]) for value in values)]
    if not holding or drawn.kind == "exercise":
        return None
    place = max(holding, key=lambda index: (_shared(prose[index], drawn, values), -index))
    first = last = place
    room = most_words - len(prose[place].split())
    if room < 0:
        return None
    while room > 0:
        grown = [index for index in (first - 1, last + 1) if 0 <= index < len(prose)]
        if not grown:
            break
        chosen = random.choice(grown)
        room -= len(prose[chosen].split())
        if room >= 0:
            first, last = min(first, chosen), max(last, chosen)
    passage = " ".join(prose[first : last + 1])
    return OpenQuestion(drawn.question, drawn.answer, drawn.page.title, passage)


def renamed(asked: OpenQuestion, maker: NameMaker, random: Random) -> OpenQuestion:
    """The same about what does not exist: its name was never seen, so only the passage can tell.

    Half the time the answer's own names and numbers are new as well.
    """
    about = subject(asked.question, asked.title)
    names = [about] if about and contains(f"{asked.title} {asked.passage}", [about]) else []
    numbers: list[str] = []
    if random.random() < 0.5:
        fresh = key_values(asked.question, asked.answer)
        names += [name for name in names_in(asked.answer) if name in fresh and contains(asked.passage, [name])]
        numbers = [number for number in numbers_in(asked.answer) if number in fresh]
    table: dict[str, str] = {}
    for name in names:
        for old, new in zip(name.split(), maker.name(name, random).split(), strict=True):
            if old[0].isupper() or name.islower():  # the "of" in a name is no name
                for _ in range(20):
                    if new.lower() not in table.values():
                        break
                    new = maker.word(old, random)
                table.setdefault(old.lower(), new.lower())
    for number in numbers:
        table.setdefault(number, _other_number(number, random))
    change = _changer(table)
    return replace(asked, question=change(asked.question), answer=change(asked.answer),
                   title=change(asked.title), passage=change(asked.passage))


def _shared(sentence: str, drawn: Drawn, values: list[str]) -> int:
    """How much of the question and of the answer's values the sentence holds."""
    about = subject(drawn.question, drawn.page.title)
    named = about is not None and contains(sentence, [about])
    return 2 * sum(contains(sentence, [value]) for value in values) + named


def _other_number(number: str, random: Random) -> str:
    """Another number of the same look; of four digits the first two stay, so that a year stays in its century."""
    kept = 2 if re.fullmatch(r"\d{4}", number) else 0 if len(number) > 1 else -1
    digits = [
        sign if index < kept or not sign.isdigit() else str(random.randint(0 if index else 1, 9))
        for index, sign in enumerate(number)
    ]
    return "".join(digits)


def _changer(table: dict[str, str]) -> Callable[[str], str]:
    """Replaces whole words, keeping the capital a word began with."""
    if not table:
        return lambda text: text
    longest_first = sorted(table, key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)

    def put(found: re.Match[str]) -> str:
        new = table[found.group().lower()]
        return new[:1].upper() + new[1:] if found.group()[:1].isupper() else new

    return lambda text: pattern.sub(put, text)
