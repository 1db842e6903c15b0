"""What can be told by its look: personal data, secrets, and words meant to take over the model.

Patterns look back one character at most, and `UNDER_WAY` knows the beginnings of everything they know, so that a stream
can tell which end of a text may yet turn out to be something.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

CATEGORIES = ("personal", "secret", "injection")


@dataclass(frozen=True)
class Pattern:
    """A kind of thing, the category it belongs to, its look, and what else must hold (a checksum, say)."""

    kind: str
    category: str
    look: re.Pattern[str]
    holds: Callable[[str], bool] = lambda found: True


@dataclass(frozen=True)
class Finding:
    """What was found, from `start` to `end` in the text that was looked at."""

    kind: str
    category: str
    start: int
    end: int


def find(text: str, start: int = 0) -> Iterator[Finding]:
    """Everything the patterns see from `start` on in a text that `normalise.fold` has made plain, one kind after the
    other; findings of several kinds may overlap. What stands before `start` is only looked back at."""
    for pattern in PATTERNS:
        place = start
        while found := pattern.look.search(text, place):
            place = found.end()
            if pattern.holds(found.group()):
                yield Finding(pattern.kind, pattern.category, *found.span())
            else:
                place = found.start() + 1  # what is nothing must not hide what begins within it


def under_way(text: str, categories: Iterable[str], start: int = 0) -> int:
    """From where on the text may be the beginning of something of these categories; its length if nowhere."""
    begun = (UNDER_WAY[category].search(text, start) for category in categories)
    return min((found.start() for found in begun if found), default=len(text))


def luhn(number: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1)."""
    digits = [int(sign) for sign in reversed(number) if sign.isdigit()]
    doubled = [digit if index % 2 == 0 else sum(divmod(2 * digit, 10)) for index, digit in enumerate(digits)]
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and sum(doubled) % 10 == 0


def iban(number: str) -> bool:
    """The check digits of bank accounts (ISO 13616, ISO 7064 mod 97-10)."""
    letters = number.replace(" ", "").upper()
    return 15 <= len(letters) <= 34 and int("".join(str(int(sign, 36)) for sign in letters[4:] + letters[:4])) % 97 == 1


def telephone(number: str) -> bool:
    """Between seven and fifteen digits (ITU-T E.164)."""
    return 7 <= sum(sign.isdigit() for sign in number) <= 15


def _made(kind: str, category: str, look: str, holds: Callable[[str], bool] | None = None) -> Pattern:
    compiled = re.compile(look, re.IGNORECASE | re.ASCII)
    return Pattern(kind, category, compiled, holds) if holds else Pattern(kind, category, compiled)


_ORDERS = r"(?:instructions?|rules|prompts?|directions|guidelines|orders)"
_EARLIER = r"(?:previous|prior|above|earlier|preceding|former|system|your)"

PATTERNS = (
    _made("e-mail address", "personal", r"(?<![\w.+-])[\w.+-]{1,64}@(?:[a-z0-9-]{1,30}\.){1,2}[a-z]{2,24}(?![\w-])"),
    _made("telephone number", "personal", r"(?<![\w+.])\+\d{1,3}(?:[ ./-]?\(?\d{1,5}\)?){2,6}(?!\w)", telephone),
    _made("telephone number", "personal", r"(?<![\w+.-])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?![\w-])"),
    _made("telephone number", "personal",
          r"(?<!\w)(?:tel|telephone|phone|mobile|fax)[.:]{0,2} {0,2}\(?\d(?:[ ./()-]{0,2}\d){6,14}(?!\w)", telephone),
    _made("payment card", "personal", r"(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])", luhn),
    _made("bank account", "personal", r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?!\w)", iban),
    _made("social security number", "personal", r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])"),
    _made("private key", "secret",
          r"-----BEGIN [A-Z ]{0,24}PRIVATE KEY-----[A-Za-z0-9+/=\s:,-]*?(?:-----END [A-Z ]{0,24}PRIVATE KEY-----|\Z)"),
    _made("cloud key", "secret", r"(?<!\w)(?:AKIA|ASIA)[A-Z0-9]{16}(?!\w)"),
    _made("access token", "secret",
          r"(?<!\w)(?:gh[pousr]_\w{20,100}|github_pat_\w{20,100}|xox[abprs]-[\w-]{10,80}|sk-[\w-]{20,100}|AIza[\w-]{35}"
          r"|hf_[a-z0-9]{30,40}|glpat-[\w-]{20,40})(?!\w)"),
    _made("signed token", "secret", r"(?<!\w)eyJ[\w-]{8,120}\.eyJ[\w.-]*"),
    _made("password", "secret",
          r"(?<!\w)(?:password|passwd|secret|api[_-]?key|access[_-]?token)[\"']? {0,2}(?::=|[:=]) {0,2}[\"']?"
          r"(?=[^\s\"']{0,60}[\d!@#$%^&*])[^\s\"']{8,64}"),
    _made("order to forget", "injection",
          r"\b(?:ignore|disregard|forget|override|bypass)\b"
          rf"(?: \w{{1,12}}){{0,3}} {_EARLIER} (?:\w{{1,12}} )?{_ORDERS}\b"),
    _made("order to tell", "injection",
          r"\b(?:reveal|print|repeat|show|output|leak|tell me)\b(?: \w{1,12}){0,2} (?:your|the)(?: \w{1,12})? "
          r"(?:system prompt|hidden (?:prompt|instructions)|initial (?:prompt|instructions)|system message)\b"),
    _made("other self", "injection",
          r"\byou are (?:now|no longer)\b[^.\n]{0,40}?"
          r"\b(?:dan|unrestricted|unfiltered|jailbroken|bound by|without (?:any )?(?:rules|restrictions|filters))\b"),
    _made("other self", "injection", r"\b(?:do anything now|developer mode (?:on|enabled)|jailbreak mode)\b"),
    _made("chat markup", "injection",
          r"<\|(?:im_start|im_end|endoftext|system|user|assistant)\|>|\[/?INST\]|<<SYS>>|<\|eot_id\|>"),
)  # fmt: skip

_LAST_RUN = r"[\w.+@-]+"  # letters without a space between: an address, a token, or a word that is not yet whole


def _begun(*looks: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{'|'.join((_LAST_RUN, *looks))})\Z", re.IGNORECASE | re.ASCII)


UNDER_WAY = {
    "personal": _begun(
        r"[+(]?\d[\d ./()-]*[a-z]?", r"[+(]", r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){0,30} ?",
        r"(?<!\w)(?:tel|telephone|phone|mobile|fax)[.: ]{0,4}\(?[\d ./()-]*[a-z]?",
    ),  # a letter after a number may yet turn out to be accented, and then is none for the patterns

    "secret": _begun(
        r"-{1,5}[A-Z -]*",
        r"(?<!\w)(?:password|passwd|secret|api[_-]?key|access[_-]?token)[\"']?[:= ]{0,6}[\"']?[^\s\"']*",
    ),
    "injection": _begun(
        r"\b(?:ignore|disregard|forget|override|bypass|reveal|print|repeat|show|output|leak|tell|developer|jailbreak|do)"
        r"(?: \w{1,12}){0,7} ?", r"\byou(?: (?:are(?: [^.\n]{0,80})?|\w{0,2}))?", r"[<\[][^\s>\]]{0,14}",
    ),
}  # fmt: skip
