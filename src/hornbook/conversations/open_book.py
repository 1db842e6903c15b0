"""Reading rather than remembering: questions with a passage of their page; the same about what does not exist."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from hornbook.conversations.from_pages import ABOUT, Drawn
from hornbook.conversations.invent import NameMaker, subject
from hornbook.conversations.values import contains, key_values, names_in, numbers_in, words_in
from hornbook.corpus.extraction.blocks import sentences

TURN_WORDS = 8  # roles and ends of turns
HEADED = (
    ABOUT, "What is {}?", "What do the pages say about {}?", "Explain {}, please.", "What should I know about {}?",
    "{}?", "I would like to know about {}.", "Do you know anything about {}?",
)  # fmt: skip


@dataclass(frozen=True)
class OpenBook:
    """A passage and what is asked of it: pairs of question and answer, each of which the passage answers."""

    title: str
    passage: str
    asked: tuple[tuple[str, str], ...]


def opened(drawn: Drawn, others: Sequence[Drawn], most_words: int, random: Random, *, in_all: int) -> OpenBook | None:
    """The question with at most `most_words` words of its page's prose, the sentence with the answer among them.

    Where in the passage that sentence stands is left to chance. Of the `others` of the page those that this passage
    answers too are asked after it, up to `in_all` words, so that the passage stays in the model's sight: a passage is
    long to read and an answer short to learn. None when the prose does not hold the answer: a model must not learn to
    read what is not there.
    """
    prose = drawn.page.prose
    holding = [place for place, sentence in enumerate(prose) if _answers(sentence, drawn)]
    if not holding or drawn.kind == "exercise":
        return None
    window = _around(prose, random.choice(holding), most_words, random)
    if not window:
        return None
    also = [item for item in others if item is not drawn and any(_answers(sentence, item) for sentence in window)]
    asked, passage = [drawn], " ".join(window)
    left = in_all - len(passage.split()) - _words(drawn)
    for item in random.sample(also, len(also)):
        left -= _words(item)
        if left < 0:
            break
        asked.append(item)
    return OpenBook(drawn.page.title, passage, tuple((item.question, item.answer) for item in asked))


def headed(drawn: Drawn, most_words: int, random: Random) -> OpenBook | None:
    """What a heading is about, to be told in the page's own words, with at most `most_words` of its prose.

    A sentence that has a word of the heading may stand anywhere among others, as in `opened`; one that has none begins
    the passage, for only its place says that it is meant. None when the prose has not got it.
    """
    prose, told = drawn.page.prose, first_told(drawn)
    if told not in prose:
        return None
    before, after = ABOUT.split("{}")
    name, place = drawn.question.removeprefix(before).removesuffix(after), prose.index(told)
    if not any(contains(told, [word]) for word in words_in(name) if len(word) > 3):
        prose, place = prose[place:], 0
    window, question = _around(prose, place, most_words, random), random.choice(HEADED).format(name)
    return OpenBook(drawn.page.title, " ".join(window), ((question, told),)) if window else None


def first_told(drawn: Drawn) -> str:
    """The first sentence of an answer: what is said of a heading when little is to be said."""
    return sentences(drawn.answer)[0]


def renamed(book: OpenBook, maker: NameMaker, random: Random) -> OpenBook:
    """The same about what does not exist: its name was never seen, so only the passage can tell.

    Half the time the first answer's own names and numbers are new as well.
    """
    text = f"{book.title} {book.passage}"
    subjects = [subject(question, book.title, answer) for question, answer in book.asked]
    names = [name for name in dict.fromkeys(subjects) if name and contains(text, [name])]
    numbers: list[str] = []
    if random.random() < 0.5:
        question, answer = book.asked[0]
        fresh = key_values(question, answer)
        names += [name for name in names_in(answer) if name in fresh and contains(book.passage, [name])]
        numbers = [number for number in numbers_in(answer) if number in fresh]
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
    asked = tuple((change(question), change(answer)) for question, answer in book.asked)
    return OpenBook(change(book.title), change(book.passage), asked)


def _around(prose: Sequence[str], place: int, most_words: int, random: Random) -> Sequence[str]:
    """As many sentences as `most_words` leave room for, that at `place` among them; none when it is longer itself."""
    first = last = place
    room = most_words - len(prose[place].split())
    if room < 0:
        return ()
    while room > 0:
        grown = [index for index in (first - 1, last + 1) if 0 <= index < len(prose)]
        if not grown:
            break
        chosen = random.choice(grown)
        room -= len(prose[chosen].split())
        if room >= 0:
            first, last = min(first, chosen), max(last, chosen)
    return prose[first : last + 1]


def _words(drawn: Drawn) -> int:
    """What a question with its answer takes, the marks of two turns counted as words."""
    return len(drawn.question.split()) + len(drawn.answer.split()) + TURN_WORDS


def _answers(sentence: str, drawn: Drawn) -> bool:
    """Whether the sentence says what the answer adds to the question, of what the question asks about.

    On a page titled with its subject a sentence need not name it again.
    """
    about, values = _sought(drawn.question, drawn.answer, drawn.page.title)
    named = about is None or contains(drawn.page.title, [about]) or contains(sentence, [about])
    return named and contains(sentence, values)


@lru_cache(maxsize=1 << 13)
def _sought(question: str, answer: str, title: str) -> tuple[str | None, tuple[str, ...]]:
    return subject(question, title, answer), tuple(key_values(question, answer))


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
