"""Personal data found and masked: e-mail, telephone, IBAN, cards, IP addresses; by checksum where there is one."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_EMAIL = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9][\w.+%'-]{0,63}\s?(?:@|\(at\)|\[at\])\s?"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.)+[A-Za-z]{2,24}(?![\w-])"
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}(?![A-Za-z0-9])")
# The length of each country's IBAN (SWIFT's registry, release 99).
_IBAN_LENGTHS = dict(re.findall(r"([A-Z]{2})(\d\d)", """
    AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20
    EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30
    KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23
    PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26
    UA29 VA22 VG24 XK20 YE30
"""))  # fmt: skip
_CARD = re.compile(r"(?<![\d.,-])(?:\d[ -]?){12,18}\d(?![\d-]|[.,]\d)")
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
_VERSION = re.compile(r"(?:version|release|ver\.?|v|sqlite|section|chapter|build)\s*$", re.I)
_ADDRESS = re.compile(r"\b(?:ip|ipv4|address|host|server|client|from|ping|dns)\W{0,3}$", re.I)
_PHONE = re.compile(
    r"(?<![\w+.,/$€£-])(?:"
    r"(?:\+|(?<!\d[ -])00)[1-9]\d{0,2}[ .\-/]?(?:\(0?\d{1,5}\)[ .\-/]?)?\d(?:[ .\-/]?\d){5,12}"  # international
    r"|\(0?\d{2,5}\)[ .\-/]?\d(?:[ .\-/]?\d){4,8}"  # area code in brackets
    r"|(?:1[ .-])?[2-9]\d{2}[.-]\d{3}[.-]\d{4}"  # North America
    r"|(?<!\d[ -])0\d{2,4}[ /-]\d{2,4}(?:[ -]?\d{2,4}){1,3}"  # a leading zero, as most of the world dials
    r")(?![\w]|[.,]\d)"
)
_CALLED = re.compile(
    r"\b(?:tel(?:ephone)?|phone|fax|mobile|cell|call|ring|whatsapp|dial|telefon|handy)\b[^\d+\n]{0,20}?"
    r"((?:\+|00)?\(?\d[\d ().\-/]{4,18}\d)(?![\w])",
    re.I,
)
PLACEHOLDERS = {"email": "[email]", "iban": "[iban]", "card": "[card]", "phone": "[phone]", "ip": "[ip address]"}
_ISSUERS = re.compile(r"4|5|2[2-7]|3[04-8]|6(?:011|[24579])")  # Visa, Mastercard, Maestro, Amex, Diners, JCB, Discover


@dataclass(frozen=True)
class Span:
    """A piece of personal data: its kind and where it stands."""

    kind: str
    start: int
    end: int


def find_personal(text: str) -> list[Span]:
    """Every piece of personal data, in order, none overlapping (what comes first in `PLACEHOLDERS` wins)."""
    spans: list[Span] = []
    taken = bytearray(len(text))
    for kind, found in _finders(text):
        for start, end in found:
            if not any(taken[start:end]):
                taken[start:end] = b"\x01" * (end - start)
                spans.append(Span(kind, start, end))
    return sorted(spans, key=lambda span: span.start)


def mask_personal(text: str, spans: Iterable[Span] | None = None) -> str:
    """The text with each piece replaced by its placeholder."""
    pieces, at = [], 0
    for span in find_personal(text) if spans is None else spans:
        pieces += [text[at : span.start], PLACEHOLDERS[span.kind]]
        at = span.end
    return "".join([*pieces, text[at:]])


def count_personal(spans: Iterable[Span]) -> dict[str, int]:
    """How many of each kind, every kind named."""
    counts = Counter(span.kind for span in spans)
    return {kind: counts[kind] for kind in PLACEHOLDERS}


def is_card(digits: str) -> bool:
    """Whether these digits are a payment card's: issuer, length, Luhn's checksum (ISO/IEC 7812-1)."""
    if not 13 <= len(digits) <= 19 or not _ISSUERS.match(digits) or len(set(digits)) < 2:
        return False
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + index % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


def is_iban(text: str) -> bool:
    """Whether this is an IBAN of its country's length with right check digits (ISO 13616, modulo 97)."""
    compact = re.sub(r"[ -]", "", text)
    if str(len(compact)) != _IBAN_LENGTHS.get(compact[:2]):
        return False
    moved = compact[4:] + compact[:4]
    return int("".join(str(int(letter, 36)) for letter in moved)) % 97 == 1


def _finders(text: str) -> Iterable[tuple[str, Iterable[tuple[int, int]]]]:
    yield "email", _spans(_EMAIL, text) if "@" in text or "at)" in text or "at]" in text else []
    yield "iban", _ibans(text)
    yield "card", _spans(_CARD, text, lambda found: is_card(re.sub(r"[ -]", "", found[0])))
    yield "phone", _spans(_PHONE, text, _is_phone)
    yield "phone", [found.span(1) for found in _CALLED.finditer(text) if _dials(found[1])]
    for pattern in (_IPV4, _IPV6):
        yield "ip", _spans(pattern, text, lambda found: _is_public(found, text))


def _spans(
    pattern: re.Pattern[str], text: str, test: Callable[[re.Match[str]], bool] | None = None
) -> list[tuple[int, int]]:
    return [found.span() for found in pattern.finditer(text) if test is None or test(found)]


def _ibans(text: str) -> list[tuple[int, int]]:
    """An IBAN may be followed by a word in capitals, so it ends where its country's ends."""
    spans = []
    for found in _IBAN.finditer(text):
        length = int(_IBAN_LENGTHS.get(found[0][:2], "0"))
        places = [at for at, letter in enumerate(found[0]) if letter not in " -"][:length]
        end = places[-1] + 1 if places else 0
        if is_iban(found[0][:end]) and not found[0][end : end + 1].isalnum():
            spans.append((found.start(), found.start() + end))
    return spans


def _is_phone(found: re.Match[str]) -> bool:
    digits = re.sub(r"\D", "", found[0])
    if not 7 <= len(digits) <= 15 or len(set(digits)) < 2:
        return False
    return not re.match(r"0\d{3}-(?:\d{4}|\d{2}-\d{2})\b", found[0])  # years and dates of long ago


def _dials(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    return 6 <= len(digits) <= 15 and not re.fullmatch(r"\s*\d{1,3}(?:,\d{3})+\s*", text)


def _is_public(found: re.Match[str], text: str) -> bool:
    if _VERSION.search(text[max(0, found.start() - 12) : found.start()]):
        return False
    try:
        address = ipaddress.ip_address(found[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and len(found[0].replace(":", "")) < 8:
        return False  # times, C++ scopes and ratios look like short IPv6 addresses
    if isinstance(address, ipaddress.IPv4Address) and max(address.packed) < 32:
        before = text[max(0, found.start() - 20) : found.start()]
        if not _ADDRESS.search(before):  # 3.8.11.1 is a version; one address in four thousand looks like that
            return False
    return address.is_global and not address.is_multicast
