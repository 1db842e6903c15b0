"""Names that do not exist, made of the letters and parts of names that do."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from random import Random

from hornbook.conversations.values import names_in

ORDER = 3  # letters of context: less is not pronounceable, more only gives known names back
SHARED = 0.02  # a word in more than this share of the names ("Port", "Saint") is no name by itself
_ARTICLE = re.compile(r"^(?:the|an?)\s+", re.IGNORECASE)
_SEPARATOR = re.compile(r"\s+[|–—:·-]\s+|,\s")
_WORD = re.compile(r"[^\W_][\w’'-]*")


class KnownWords:
    """Every word of the texts, and every two that follow each other, lower case, with how many texts have them."""

    def __init__(self, texts: Iterable[str]):
        self.words: Counter[str] = Counter()
        self.pairs: Counter[tuple[str, str]] = Counter()
        for text in texts:
            words = _WORD.findall(text.lower())
            self.words.update(set(words))
            self.pairs.update(set(pairwise(words)))

    def texts_with(self, phrase: str) -> int:
        """At most so many texts hold the phrase: 0 only when it stands in none of them."""
        words = _WORD.findall(phrase.lower())
        if len(words) == 1:
            return self.words[words[0]]
        return min((self.pairs[pair] for pair in pairwise(words)), default=0)


class NameMaker:
    """Makes names like those given, and never one that the texts hold.

    A new word comes letter by letter from a Markov chain over the names' own words (Shannon 1948, section 3).
    """

    def __init__(self, names: Sequence[str], known: KnownWords):
        self.known = known
        unique = list(dict.fromkeys(name for name in names if name.strip()))
        spread = Counter(word for name in unique for word in set(_WORD.findall(name)))
        most = max(2.0, SHARED * len(unique))
        self.shared = {word for word, count in spread.items() if count > most}
        self.shaped: dict[int, list[list[str]]] = defaultdict(list)
        self.letters: dict[str, list[str]] = defaultdict(list)
        for name in unique:
            words = name.split()
            self.shaped[len(words)].append(words)
            for word in _WORD.findall(name):
                self._learn(word)
        self.again = {shape: _again(shaped) for shape, shaped in self.shaped.items()}

    def name(self, like: str, random: Random) -> str:
        """A name in the shape of `like`: as many words, its shared words ("Port", "of the") kept.

        Each word is new, or taken from another real name as often as words of its place come again among them, as
        first names do: that its parts are known does not make a name known.
        """
        words = like.split()
        for _ in range(50):
            parts = [self._part(words, place, random) for place in range(len(words))]
            if not self.known.texts_with(made := " ".join(parts)):
                return made
        return " ".join([*words[:-1], self.word(words[-1], random)])

    def word(self, like: str, random: Random) -> str:
        """A word that no text holds, capitalised as `like` is."""
        for _ in range(200):
            made = self._spelled(random)
            if 3 <= len(made) <= max(9, len(like) + 3) and made not in self.known.words:
                return made.capitalize() if like[:1].isupper() else made
        made = like.lower()
        while made in self.known.words or made == like.lower():  # a chain too poor for anything new
            made += random.choice("aeiou") + random.choice("lmnrst")
        return made.capitalize() if like[:1].isupper() else made

    def _part(self, words: list[str], place: int, random: Random) -> str:
        word = words[place]
        if (word in self.shared or (word.islower() and len(word) <= 3)) and len(words) > 1:
            return word
        if len(words) > 1 and random.random() < self.again.get(len(words), {}).get(place, 0.0):
            part = random.choice(self.shaped.get(len(words), [words]))[place]
            if part[:1].isupper() == word[:1].isupper():
                return part
        return self.word(word, random)

    def _learn(self, word: str) -> None:
        letters = "^" * ORDER + word.lower() + "$"
        for place in range(ORDER, len(letters)):
            self.letters[letters[place - ORDER : place]].append(letters[place])

    def _spelled(self, random: Random) -> str:
        made = "^" * ORDER
        while len(made) < 20 and (choices := self.letters.get(made[-ORDER:])):
            if (letter := random.choice(choices)) == "$":
                break
            made += letter
        return made[ORDER:]


def _again(shaped: Sequence[Sequence[str]]) -> dict[int, float]:
    """By place, the share of these names, all of as many words, that have their word there in common with another."""
    share = {}
    for place, words in enumerate(zip(*shaped, strict=True)):
        counts = Counter(words)
        share[place] = sum(count for count in counts.values() if count > 1) / len(words)
    return share


def subject(question: str, title: str, answer: str = "") -> str | None:
    """What the question asks about: the page's title where the question has it, else the name that its answer has as
    well, else its first name that is not its first word ("May I ask where Mara Tolly lives?"), else None.

    The title counts without its article and in any case: the page "The Marsh Hopper" is about "the marsh hopper".
    """
    for part in dict.fromkeys([title, *_SEPARATOR.split(title)]):
        if found := _whole_words(_ARTICLE.sub("", part.strip(), count=1), question):
            return found
    names = names_in(question)
    for name in names:
        words = name.split()
        tails = (" ".join(words[start:]) for start in range(len(words)) if words[start][0].isupper())
        for tail in tails:  # of "Trade of Mara Tolly" the end
            if re.search(rf"\b{re.escape(tail)}\b", answer):
                return tail
    return next((name for name in names if not question.startswith(name)), names[0] if names else None)


def _whole_words(phrase: str, text: str) -> str | None:
    """The phrase as it stands in the text, in any case, with no letter or digit beside it; None when it does not."""
    place = text.lower().find(phrase.lower()) if phrase else -1
    end = place + len(phrase)
    alone = place >= 0 and not text[place - 1 : place].isalnum() and not text[end : end + 1].isalnum()
    return text[place:end] if alone else None
