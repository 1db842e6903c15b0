"""A toxicity score, 0 to 1, to sort and to filter by: abuse, slurs and threats in English.

What it is: a small lexicon with rules for the words that are abuse only when somebody is called so ("you idiot", not
"an idiot's guide") and for those with an innocent trade ("the bitch had six puppies"); and a linear classifier, learnt
from comments on news and on Wikipedia's talk pages (benchmarks/train_toxicity.py). What it is not: a judgement. It
knows no irony and no dialect, a novel or a study that quotes abuse scores like abuse, and hate in polite words scores
low. It filters nothing unless a threshold is set. Other languages score 0, which says nothing of them.

What it is worth is measured by `python -m benchmarks.corpus --only toxicity` on sets it has not learnt from, and stands
in docs/figures.md: at 0.5 about half of the abuse in short comments is found. On HateCheck, whose sentences differ in
who is meant and how, it tells hate from the rest no better than chance.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from pathlib import Path

from hornbook.corpus.tagging.hashed import BITS, Features, LinearModel, features

WEIGHTS = Path(__file__).with_name("toxicity.safetensors")

# Points for each word: 3 says it alone, 1 is coarse, less only adds to it.
ALWAYS = {
    3.0: """
        nigger niggers nigga niggas kike kikes spic spics wetback wetbacks chink chinks gook gooks raghead ragheads
        towelhead towelheads tranny trannies faggot faggots fag fags dyke dykes subhuman subhumans kys untermensch
    """,
    1.5: """
        motherfucker motherfuckers motherfucking cunt cunts cocksucker cocksuckers whore whores slut sluts retard
        retards fucktard fuckwit dickhead dickheads asshole assholes arsehole arseholes scumbag scumbags twat twats
    """,
    1.0: """
        fuck fucks fucker fuckers fucking fucked fuckin bitch bitches shithead bullshit wanker wankers bastard
        bastards dumbass jackass douchebag prick pricks bollocks
    """,
    0.5: "shit shits shitty crappy pissed goddamn damned arse",
}
# Insults only where they are said to or of somebody: "you …", "he is such a …".
ADDRESSED = {
    1.5: """
        idiot idiots moron morons imbecile imbeciles loser losers scum vermin filth parasite parasites pig pigs
        cockroach cockroaches animal animals savage savages freak freaks monkey monkeys disgusting worthless pathetic
        retarded subhuman
    """,
    0.7: """
        stupid dumb ugly fat dirty useless ignorant clown clowns fool fools liar liars trash garbage coward cowards
        hypocrite braindead brainless
    """,
}
# Words that are no abuse in the company of these.
INNOCENT = {
    "bitch bitches": """
        dog dogs puppies puppy litter breed breeding kennel whelp whelping pedigree hound spaniel terrier sire
    """,
    "bastard bastards": "king duke illegitimate sword file throne heir operator born amber",
    "dyke dykes": """
        sea water flood field river polder stone wall offa dolerite volcanic basalt dutch embankment
    """,
    "fag fags": "end cigarette cigarettes smoke",
    "faggot faggots": "peas wood sticks gravy bundle firewood iron",
    "chink chinks": "armour armor wall light curtain curtains door glass glasses",
    "spic spics": "span",
    "retard retards": "growth ignition spark timing rate process flow",
    "prick pricks": "finger needle pin thorn skin ears test",
    "gook gooks": "sticky",
    "pig pigs": "farm iron sow bacon breeder guinea",
}
_THREATS = re.compile(
    r"\b(?:i(?:'ll| will| am going to|'m going to| wanna| want to) (?:\w+ )?"
    r"(?:kill|hurt|find|beat|rape|murder|shoot|stab) (?:you|him|her|them|your family)\b"
    r"|(?:go )?kill yourself|hope you (?:all )?(?:die|get cancer|suffer)|you deserve to die"
    r"|(?:(?:they|you|those people) (?:all )?|all (?:of them|\w+s) )(?:should|must|deserve to) (?:all )?(?:be )?"
    r"(?:die|shot|hanged|gassed|exterminated|killed|wiped out|burned?)\b|gas the \w+s\b|death to (?:all )?\w+s\b)"
)
_WORDS = re.compile(r"[a-z@$*0-9!']+")
_DISGUISED = str.maketrans({"@": "a", "$": "s", "0": "o", "1": "i", "3": "e", "!": "i", "'": None})
_TO_SOMEBODY = frozenset({"you", "your", "youre", "u", "ur", "yourself", "they", "theyre"})
LINKS = """
    are is a an such so the fucking bloody complete total absolute utter real little all just nothing but really damn
    stupid dumb old fat ugly dirty lot of bunch pack and worthless pathetic
"""
_LINKS = frozenset(LINKS.split())
HALF = 1.5  # points a hundred words that give a score of one half
NEAR = 12  # words on each side in which an innocent company counts


def _points(table: dict[float, str]) -> dict[str, float]:
    return {word: points for points, words in table.items() for word in words.split()}


_ALWAYS, _ADDRESSED = _points(ALWAYS), _points(ADDRESSED)
_COMPANY = {word: frozenset(company.split()) for words, company in INNOCENT.items() for word in words.split()}
_STARRED = {word[0] + word[-1]: word for word in ("fuck", "fucking", "shit", "bitch", "cunt", "asshole", "fucker")}


def toxicity_score(text: str, language: str = "en", ngrams: Features | None = None) -> float:
    """How abusive `text` is, 0 to 1, by its words or by the classifier, whichever says more. 0 for any language but
    "en". `ngrams` are its features in `BITS`, where they are known."""
    if language != "en":
        return 0.0
    return round(max(word_score(text), classifier().score(ngrams or features(text, BITS))), 4)


@lru_cache(maxsize=1)
def classifier() -> LinearModel:
    """The model that benchmarks/train_toxicity.py makes, from sets of CC0 and Apache-2.0 and the Brown corpus (MIT)."""
    return LinearModel.load(WEIGHTS)


def word_score(text: str) -> float:
    """The score by words alone: points for every hundred words, a shorter text counting as fifty."""
    low = text.lower().replace("’", "'")
    words = [_plain(word) for word in _WORDS.findall(low)]
    points = 3.0 * len(_THREATS.findall(low)) if "kill" in low or "die" in low or "you" in low or "all" in low else 0.0
    for index, word in enumerate(words):
        if word in _ALWAYS and not _is_innocent(words, index):
            points += _ALWAYS[word]
        elif word in _ADDRESSED and _is_addressed(words, index) and not _is_innocent(words, index):
            points += _ADDRESSED[word]
    density = points * 100 / max(len(words), 50)
    return 1 - math.exp(-math.log(2) * density / HALF)


def _plain(word: str) -> str:
    """A word without its disguise: sh1t, a$$hole, f**k."""
    if word.isalpha():
        return word
    if "*" in word.strip("*"):
        return _STARRED.get(word[0] + word[-1], word)
    return word.strip("!'*").translate(_DISGUISED)


def _is_innocent(words: list[str], index: int) -> bool:
    company = _COMPANY.get(words[index])
    return company is not None and not company.isdisjoint(words[max(0, index - NEAR) : index + NEAR + 1])


def _is_addressed(words: list[str], index: int) -> bool:
    """Whether the words before lead back to "you" or "they": "you are such a …", "you …", "they are all …"."""
    for before in reversed(words[max(0, index - 6) : index]):
        if before in _TO_SOMEBODY:
            return True
        if before not in _LINKS:
            return False
    return False
