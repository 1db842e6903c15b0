"""What in a question or an answer carries the fact: names and numbers, found by their looks."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

SMALL_WORDS = frozenset(
    re.findall(r"\w+", """
    a an and are as at be been but by can could did do does for from had has have he her hers him his how i if in
    into is it its me my no not of on one or our page she so some such tell than that the their them then there
    these they this those to was we were what when where which who whom whose why will with would yes you your about
    answer working please name give say know also any each every much many
    """)
)
# A name: capitalised words in a row, with the little words that names are joined by.
_NAME = re.compile(
    r"\b[A-Z][\w’'-]*(?:\s+(?:(?:of|the|de|von|van)\s+){0,2}[A-Z][\w’'-]*)*"
)
_NUMBER = re.compile(r"(?<![\w.,])\d(?:[\d,]*\d)?(?:\.\d+)?(?![\w])")
_WORD = re.compile(r"[^\W_][\w’'-]*")
_PLAIN_WORD = re.compile(r"\w+")
_CITATION = re.compile(r"\s*\(Page: [^()]*(?:\([^()]*\)[^()]*)*\)\s*$")


def names_in(text: str) -> list[str]:
    """The capitalised spans of the text, without the small words that stand capitalised at the head of a sentence.

    >>> names_in("Where did Mara Tolly of Port Ellery live?")
    ['Mara Tolly of Port Ellery']
    """
    found: list[str] = []
    for match in _NAME.finditer(text):
        words = match.group().split()
        while words and words[0].lower().strip("’'") in SMALL_WORDS:
            words.pop(0)
        words = [_without_possessive(word) for word in words]
        if words and (name := " ".join(words)) not in found and len(name) > 1:
            found.append(name)
    return found


def numbers_in(text: str) -> list[str]:
    """The numbers of the text as they are written."""
    return list(dict.fromkeys(_NUMBER.findall(text)))


def key_values(question: str, answer: str) -> list[str]:
    """What the answer adds to the question: names and numbers that the question lacks, else such words.

    >>> key_values("Where does Mara Tolly live?", "Mara Tolly lives in Port Ellery.")
    ['Port Ellery']
    >>> key_values("What is Mara Tolly's trade?", "She is a basket weaver.")
    ['basket', 'weaver']
    """
    asked = {word.lower() for word in words_in(question)}
    values = [
        value for value in [*names_in(uncited(answer)), *numbers_in(uncited(answer))]
        if not {word.lower() for word in words_in(value)} <= asked
    ]
    if values:
        return values
    words = dict.fromkeys(word.lower() for word in words_in(uncited(answer)))
    return [word for word in words if word not in asked and word not in SMALL_WORDS and len(word) > 2]


def words_in(text: str) -> list[str]:
    """The words of the text, possessive endings cut off."""
    return [_without_possessive(word) for word in _WORD.findall(text)]


def cited(answer: str, title: str) -> str:
    """The answer with the page it comes from named at its end: the one form in which a page is ever named."""
    return f"{answer} (Page: {title})"


def uncited(answer: str) -> str:
    """The answer without the page named at its end."""
    return _CITATION.sub("", answer)


def contains(text: str, phrases: Iterable[str]) -> bool:
    """Whether any of the phrases stands in the text as whole words, once both are normalised.

    A phrase without a single letter or digit is in nothing.
    """
    inside = f" {normalised(text)} "
    return any(f" {words} " in inside for words in map(normalised, phrases) if words)


@lru_cache(maxsize=1 << 15)  # the same sentences are searched for one value after another
def normalised(text: str) -> str:
    """The words of the text, lower case, compatibility forms and accents folded, one space between.

    >>> normalised("The “Ré-Union”, 3rd!")
    'the re union 3rd'
    """
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(_PLAIN_WORD.findall("".join(letter for letter in plain if not unicodedata.combining(letter))))


def _without_possessive(word: str) -> str:
    return re.sub(r"[’']s?$", "", word)
