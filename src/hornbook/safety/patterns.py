"""What can be told by its look: personal data, secrets, and words meant to take over the model (`injection`).

Patterns look back one character at most, and `under_way` knows the beginnings of everything they know, so that a stream
can tell which end of a text may yet turn out to be something.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from hornbook.safety import injection

CATEGORIES = ("personal", "secret", "injection")


@dataclass(frozen=True, eq=False)
class Pattern:
    """A kind of thing, the category it belongs to, its look, what else must hold (a checksum, say), and letters in
    small of which some are in everything that looks so; where none are given, a digit is. They are sought first, which
    is quick."""

    kind: str
    category: str
    look: re.Pattern[str]
    holds: Callable[[str], bool] | None = None
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What was found, from `start` to `end` in the text that was looked at, and how sure it is, 0 to 1."""

    kind: str
    category: str
    start: int
    end: int
    score: float = 1.0


def find(text: str, start: int = 0) -> Iterator[Finding]:
    """Everything the patterns see from `start` on in a text that `normalise.fold` has made plain, in no order; findings
    of several kinds may overlap. What stands before `start` is only looked back at."""
    low = text.lower()
    likely = {pattern for need, patterns in _NEEDING.items() if need in low for pattern in patterns}
    if _DIGIT.search(text, start):
        likely |= _NUMBERED
    for pattern in likely:
        place = start
        while found := pattern.look.search(text, place):
            place = found.end()
            if pattern.holds is None or pattern.holds(found.group()):
                yield Finding(pattern.kind, pattern.category, *found.span())
            else:
                place = found.start() + 1  # what is nothing must not hide what begins within it


def under_way(text: str, categories: Iterable[str], start: int = 0) -> int:
    """From where on the text may be the beginning of something of these categories; its length if nowhere."""
    run = max(len(text.rstrip(_RUN)), start)  # letters without a blank: an address, a token, a word that is not whole
    begun = (UNDER_WAY[category].search(text, start) for category in categories)
    return min(run, *(found.start() for found in begun if found), len(text))


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


def _made(
    kind: str, category: str, look: str, holds: Callable[[str], bool] | None = None, *, needs: str = ""
) -> Pattern:
    return Pattern(kind, category, re.compile(look, re.IGNORECASE | re.ASCII), holds, tuple(needs.split()))


_DIGIT = re.compile("[0-9]")
_RUN = string.ascii_letters + string.digits + "_.+@/=-"
_NAMED = r"(?:password|passwd|secret|api[_-]?key|access[_-]?token)"

PATTERNS = (
    _made("e-mail address", "personal", r"(?<![\w.+-])[\w.+-]{1,64}@(?:[a-z0-9-]{1,30}\.){1,2}[a-z]{2,24}(?![\w-])",
          needs="@"),
    _made("telephone number", "personal", r"(?<![\w+.])\+\d{1,3}(?:[ ./-]?\(?\d{1,5}\)?){2,6}(?!\w)", telephone,
          needs="+"),
    _made("telephone number", "personal", r"(?<![\w+.-])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?![\w-])"),
    _made("telephone number", "personal",
          r"(?<!\w)(?:tel|telephone|phone|mobile|fax)[.:]{0,2} {0,2}\(?\d(?:[ ./()-]{0,2}\d){6,14}(?!\w)", telephone),
    _made("payment card", "personal", r"(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])", luhn),
    _made("bank account", "personal", r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?!\w)", iban),
    _made("social security number", "personal", r"(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])"),
    _made("private key", "secret",
          r"-----BEGIN [A-Z ]{0,24}PRIVATE KEY-----(?:[A-Za-z0-9+/=\s:,-]{0,16384}?"
          r"(?:-----END [A-Z ]{0,24}PRIVATE KEY-----|\Z)|[A-Za-z0-9+/=\s:,-]{16384})",
          needs="private"),
    _made("cloud key", "secret", r"(?<!\w)(?:AKIA|ASIA)[A-Z0-9]{16}(?!\w)", needs="akia asia"),
    _made("access token", "secret",
          r"(?<!\w)(?:gh[pousr]_\w{20,100}|github_pat_\w{20,100}|xox[abprs]-[\w-]{10,80}|sk-[\w-]{20,100}|AIza[\w-]{35}"
          r"|hf_[a-z0-9]{30,40}|glpat-[\w-]{20,40}|(?:sk|rk)_live_\w{16,100}|npm_\w{36}|pypi-[\w-]{50,200})(?!\w)",
          needs="gh github_pat_ xox sk- aiza hf_ glpat- k_live_ npm_ pypi-"),
    _made("signed token", "secret", r"(?<!\w)eyJ[\w-]{8,120}\.eyJ[\w.-]*", needs="eyj"),
    _made("password", "secret", rf"(?<!\w){_NAMED}[\"']? {{0,2}}(?::=|[:=]) {{0,2}}[\"']?"
          r"(?=[^\s\"']{0,60}[\d!@#$%^&*])[^\s\"']{8,64}", needs="passw secret key token"),
    *(Pattern(kind, "injection", look, holds, needs) for kind, look, holds, needs in injection.LOOKS),
)  # fmt: skip

_NUMBERED = frozenset(pattern for pattern in PATTERNS if not pattern.needs)
_NEEDING = {need: [pattern for pattern in PATTERNS if need in pattern.needs]
            for need in sorted({need for pattern in PATTERNS for need in pattern.needs})}  # fmt: skip


def _begun(*looks: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{'|'.join(looks)})\Z", re.IGNORECASE | re.ASCII)


# No pattern of numbers is longer than 80 characters: what has gone on for longer has turned out to be nothing.
UNDER_WAY = {
    "personal": _begun(
        r"[+(]?\d[\d ./()-]{0,80}[a-z]?", r"[+(]", r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){0,30} ?",
        r"(?<!\w)(?:tel|telephone|phone|mobile|fax)[.: ]{0,4}\(?[\d ./()-]{0,80}[a-z]?",
    ),  # a letter after a number may yet turn out to be accented, and then is none for the patterns

    "secret": _begun(r"-{1,5}[A-Z -]{0,60}", rf"(?<!\w){_NAMED}[\"']?[:= ]{{0,6}}[\"']?[^\s\"']{{0,80}}"),
    "injection": injection.UNDER_WAY,
}  # fmt: skip
