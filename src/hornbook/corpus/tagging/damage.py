"""Signs that a text came to harm on its way, or is a site's talk of itself: columns of our own."""

from __future__ import annotations

import re

_MOJIBAKE = re.compile(r"Ã[\x80-\xbf]|â€[™œ\x9d“”¦˜]|Â[\xa0»«°·©®]|ï¿½|Ð[\x80-\xbf]Ñ|å[\x80-\xbf][\x80-\xbf]")
_GARBLED = re.compile("[\ufffd\x80-\x9f]")  # what could not be decoded, and controls that only wrong decoding brings
_CONTROL = re.compile(r"[\0-\x08\x0b-\x1f]")
MAX_NOTICE = 400  # characters; a longer line is prose that has the words by chance
# What sites say about themselves on every page; C4 drops lines with some of these (Raffel et al. 2020, section 2.2).
# By first letter, which is twice as fast as in the order of their subjects.
_NOTICE = re.compile(
    r"""\b(?:
    a(?:bout\ us|ccept\ cookies?|ccessibility|dd\ to\ (?:cart|basket)|dvertisement|ll\ (?:cookies?|rights\ reserved))
    | back\ to\ top
    | c(?:heckout|ontact\ us|ookie\ (?:policy|settings|preferences|notice)|opyright\ \W?\d{4}|reate\ an\ account)
    | enable\ (?:javascript|your\ browser)
    | fo(?:llow\ us|rgot\ (?:your\ )?password)
    | imprint
    | javascript\ is
    | l(?:earn\ more|eave\ a\ (?:comment|reply)|ike\ us|oading\.{3}|og\ ?in|og\ ?out)
    | m(?:anage\ cookies?|y\ account)
    | ne(?:wsletter|xt\ (?:page|post))
    | o(?:f|ur)\ cookies?
    | p(?:age\ \d+\ of\ \d+|lease\ wait|ost\ a\ comment|owered\ by|revious\ (?:page|post)|rint\ this
        |rivacy\ (?:notice|policy|settings))
    | r(?:ead\ more|egister\ (?:here|now)|elated\ (?:articles|posts)|equires?\ javascript|ss\ feed)
    | s(?:elect\ (?:a\ |your\ )?language|end\ to\ a\ friend|hare\ (?:on|this)|ign\ (?:in|out|up)|ite\ ?map|kip\ to
        |ponsored|ubscribe)
    | t(?:erms\ (?:of\ (?:service|use)|and\ conditions)|weet)
    | us(?:es?|ing)\ cookies?
    )\b""",
    re.VERBOSE,
)


def garbled_share(text: str) -> float:
    """Characters that wrong decoding leaves, and pairs of letters that it makes of one, in all characters."""
    if text.isascii():
        return 0.0
    return (len(_GARBLED.findall(text)) + 2 * len(_MOJIBAKE.findall(text))) / len(text)


def control_share(text: str) -> float:
    """Control characters but tabs and line ends, in all characters."""
    return len(_CONTROL.findall(text)) / max(len(text), 1)


def notice_share(text: str) -> float:
    """Lines of cookies, logging in, terms and the like, in all lines that are not empty. English phrases only."""
    lines = [line for line in text.lower().split("\n") if line.strip()]
    return sum(len(line) <= MAX_NOTICE and _NOTICE.search(line) is not None for line in lines) / max(len(lines), 1)
