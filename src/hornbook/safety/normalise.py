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
# Cyrillic and Greek letters that are read as Latin ones (Unicode TR 39): a word may hide behind one of them.
_ALIKE = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0455\u0458\u0501\u04bb\u051b\u04cf\u03bf\u03b1\u03bd\u03b9\u03c1"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0406\u0405\u0408\u039f\u0391\u0392\u0395\u0399\u039a\u0131\u0130",
    "aeopcyxisjdhqloavipABEKMHOPCTXISJOABEIKiI",
)


def clean(text: str) -> str:
    """The text as a model should get it: NFC, nothing unseen, lone surrogates as U+FFFD; else as it was written."""
    if text.isascii() and text.isprintable():
        return text
    return unicodedata.normalize("NFC", _UNSEEN.sub("", _LONE_SURROGATE.sub("\ufffd", text)))


def fold(text: str) -> tuple[str, list[int] | None]:
    """The text as a pattern should see it (compatibility forms and look-alikes of Latin letters replaced, joiners out),
    and for each of its characters the place in `text` it came from; None when they are the same text."""
    if text.isascii():
        return text, None
    if not any(joiner in text for joiner in _JOINERS) and unicodedata.is_normalized("NFKC", text):
        return text.translate(_ALIKE), None
    letters: list[str] = []
    places: list[int] = []
    for place, letter in enumerate(text):
        if letter in _JOINERS:
            continue
        plain = letter if letter.isascii() else unicodedata.normalize("NFKC", letter).translate(_ALIKE)
        letters.append(plain)
        places.extend([place] * len(plain))
    return "".join(letters), places


def settled(text: str) -> int:
    """How much of a clean text no later character can change: an accent may yet come to its last letter."""
    end = len(text)
    while end and unicodedata.combining(text[end - 1]):
        end -= 1
    return max(end - 1, 0)
