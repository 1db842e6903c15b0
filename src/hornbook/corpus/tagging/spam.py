"""A spam score from what spam is made of: its phrases, its shouting, its money. 0 is none, above 0.5 is spam."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from pathlib import Path

from hornbook.corpus.tagging.hashed import BITS, Features, LinearModel, features

WEIGHTS = Path(__file__).with_name("spam.safetensors")

# Phrases by weight: 3 says spam almost by itself, 0.5 only in company.
PHRASES: dict[float, str] = {
    3.0: """
        viagra; cialis; online casino; casino bonus; free spins; replica watch; replica watches; replica rolex;
        make money fast; make money online; make money now; work from home and earn; you have won; claim your
        prize; claim your reward; claim your bonus; claim your gift; claim your winnings; payday loan; payday
        loans; lose weight fast; lose weight now; weight loss pill; weight loss pills; miracle cure; miracle
        pill; miracle diet; hot singles; penis enlargement; buy followers; buy likes; buy backlinks; no
        prescription; double your money; double your bitcoin; double your income; nigerian prince; get rich
        quick; crypto giveaway; cheap meds; cheap pills; cheap loans; adult dating; adult chat; debt relief; seo
        services; guaranteed winnings; doctors hate
    """,
    1.5: """
        casino; casinos; jackpot; lottery; poker; slot; slots; betting; bitcoin; crypto; cryptocurrency; forex;
        pill; pills; click here; click below; click now; act now; order now; buy now; call now; sign up now;
        join now; limited time; limited offer; special offer; exclusive offer; exclusive deal; 100% free; 100%
        guaranteed; 100% satisfaction; 100% legal; 100% safe; risk free; no risk; money back; free trial; free
        gift; free bonus; free money; free shipping; free quote; best price; best prices; lowest price; lowest
        prices; cheapest; huge discount; huge discounts; discount code; promo code; coupon; hurry; winner;
        winners; congratulations; don't miss; while stocks last; while supplies last; unsubscribe; credit score;
        no credit check; extra income; passive income; financial freedom; investment opportunity; once in a
        lifetime; satisfaction guaranteed; loan; loans; from home; per week; a week; discount; discounts
    """,
    0.5: """
        free; cheap; bonus; offer; offers; deal; deals; sale; guaranteed; guarantee; earn; win; cash; dollars;
        instant
    """,
}
_WORD = re.compile(r"[a-z0-9]+(?:['’][a-z]+)?%?")
_MONEY = re.compile(r"[$€£]\s?\d|\d\s?[$€£]|\b\d{1,3}\s?% off\b", re.I)
_SHOUT = re.compile(r"\b[A-Z]{4,}\b")
_MARKS = re.compile(r"[!?$]{2,}|[★►✔💰🔥👉]")
HALF = 4.5  # points a hundred words at which a text is as likely spam as not
STEEP = 1.2


def _by_first_word() -> dict[str, list[tuple[tuple[str, ...], float]]]:
    table: dict[str, list[tuple[tuple[str, ...], float]]] = {}
    for weight, phrases in PHRASES.items():
        for phrase in phrases.split(";"):
            words = tuple(phrase.split())
            table.setdefault(words[0], []).append((words, weight))
    for entries in table.values():
        entries.sort(key=lambda entry: -len(entry[0]))
    return table


_TABLE = _by_first_word()


def spam_score(text: str, ngrams: Features | None = None) -> float:
    """The likelihood, 0 to 1, that `text` is spam, by its phrases or by what a classifier has learnt of 1,300 mails and
    720 made-up pages of spam (`spam.safetensors`), whichever says more. English; a text in another language scores low.
    `ngrams` are its features in `BITS`, where they are known.
    """
    return round(max(phrase_score(text), classifier().score(ngrams or features(text, BITS))), 4)


@lru_cache(maxsize=1)
def classifier() -> LinearModel:
    """The model that benchmarks/train_spam.py makes, from SpamAssassin's mails (Apache-2.0) and the Brown corpus."""
    return LinearModel.load(WEIGHTS)


def phrase_score(text: str) -> float:
    """The likelihood by phrases alone.

    Points are counted for every hundred words (a shorter text is treated as if it had a hundred: one "free" in a line
    says nothing); a phrase that comes again counts half, and fewer than three different ones can never make spam, for
    one of these words may be a page's very subject.
    """
    words = _WORD.findall(text.lower())
    seen: set[tuple[str, ...]] = set()
    points = 0.0
    for index, word in enumerate(words):
        for phrase, weight in _TABLE.get(word, ()):
            if tuple(words[index : index + len(phrase)]) == phrase:
                points += weight / 2 if phrase in seen else weight
                seen.add(phrase)
                break
    if len(seen) < 3:
        points = min(points, HALF / 2)
    else:
        points += 0.7 * len(_MONEY.findall(text)) + len(_MARKS.findall(text)) + 0.15 * min(text.count("!"), 40)
        points += 0.5 * max(len(_SHOUT.findall(text)) - 3, 0)
    return 1 / (1 + math.exp(-STEEP * (points * 100 / max(len(words), 100) - HALF)))
