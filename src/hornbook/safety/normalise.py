"""Text made plain: what cannot be seen is taken out, and what looks alike is looked at as one."""

from __future__ import annotations

import re
import unicodedata

# Zero-width and direction marks, soft hyphen, Unicode tags and other format characters: they hide words from a filter
# and an order from a reader. Zero-width joiner and non-joiner stay between letters: Persian and emoji need them.
_UNSEEN = re.compile(
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_JOINERS = "\u200c\u200d"


def clean(text: str) -> str:
    """The text as a model should get it: NFC, nothing unseen, lone surrogates as U+FFFD; else as it was written."""
    if text.isascii() and text.isprintable():
        return text
    return unicodedata.normalize("NFC", _UNSEEN.sub("", _LONE_SURROGATE.sub("\ufffd", text)))


def fold(text: str) -> tuple[str, list[int] | None]:
    """The text as a pattern should see it (compatibility forms replaced, joiners out), and for each of its characters
    the place in `text` it came from; None when they are the same text."""
    if text.isascii():
        return text, None
    letters: list[str] = []
    places: list[int] = []
    for place, letter in enumerate(text):
        if letter in _JOINERS:
            continue
        plain = letter if letter.isascii() else unicodedata.normalize("NFKC", letter)
        letters.append(plain)
        places.extend([place] * len(plain))
    return "".join(letters), places
