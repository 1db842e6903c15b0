"""Numbers that belong to somebody: bank accounts, cards, telephones, IP addresses, told apart from all other numbers.

A page is looked through once for runs of digits and the signs between them; only such a run is looked at closely.
Dates, versions, ranges, ISBNs, dumps and sums are far more frequent than what is looked for, so each kind has its own
proof: a checksum, a country's way of writing telephone numbers, or a word before it that says what it is.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from itertools import pairwise

_RUN = re.compile(r"[0-9+(][0-9 ().\-/]{6,}+")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]){11,30}")
# The length of each country's IBAN (SWIFT's registry, release 99).
_IBAN_LENGTHS = dict(re.findall(r"([A-Z]{2})(\d\d)", """
    AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20
    EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30
    KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23
    PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26
    UA29 VA22 VG24 XK20 YE30
"""))  # fmt: skip
_NEXT = r"(?![^\W\dxX]|[.,:]?\d|-\w)"  # what follows a number: no letter but an extension's x, no more digits
_CARD = re.compile(
    r"(?<![\w.,+-])(?:\d{4}([ -])\d{4}\1\d{4}\1\d{4}|3\d{3}([ -])\d{6}\2\d{4,5}|\d{13,19}+)" + _NEXT
)
_ISSUERS = re.compile(r"4|5|2[2-7]|3[04-8]|6(?:011|[24579])")  # Visa, Mastercard, Maestro, Amex, Diners, JCB, Discover
_CARD_SAID = re.compile(r"\b(?:cards?|visa|master ?card|maestro|amex|american express|discover|diners|jcb)\b", re.I)
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\w|/(?!32\b)\d)")
_VERSION = re.compile(r"(?:version|release|ver\.?|v|sqlite|section|chapter|build|[a-z]-|update|upgrade to)\s*$", re.I)
_ADDRESS = re.compile(r"\b(?:ip|ipv4|address|host|server|client|from|ping|dns)\W{0,3}$", re.I)

_GAP = r"(?: ?[-/] ?|[. ])"  # one sign, or a blank
_GROUP = r"\(?\d++\)?(?!:\d|[^\W\dxX])"  # neither a time after a number, nor a part of a word, is one of its groups
_ALONE = r"(?<![\w.,:+$€£¥#=/*^-])"
_COUNTRY = (  # the country codes in use (ITU-T E.164, annex of 2016)
    r"(?:1|7|2(?:0|7|[1-6]\d|9[01789])|3(?:[0-469]|[57]\d|8[0-35-79])|4(?:[013-9]|2[013])|5(?:[1-8]|[09]\d)"
    r"|6(?:[0-6]|[78]\d|9[0-2])|8(?:[1246]|0[08]|5[02356]|7[0-9]|8[0-36])|9(?:[0-58]|[67]\d|9[2-689]))"
)
_INTERNATIONAL = re.compile(
    rf"(?<![\w+*/^])\(?\+ ?\(?(?={_COUNTRY})[1-9]\d*+\)?(?:{_GAP}?{_GROUP}){{0,7}}+{_NEXT}"
    rf"|{_ALONE}(?<!\d[ -])00 ?(?={_COUNTRY})[1-9]\d*+(?:{_GAP}{_GROUP}){{2,7}}+{_NEXT}"
)
_NORTH_AMERICAN = re.compile(
    rf"{_ALONE}(?:1(?:[ .-]|(?=\()))?(?:\([2-9]\d\d\) ?-?|[2-9]\d\d([.-]))[2-9]\d\d(?:\1| - |[ .-])\d{{4}}{_NEXT}"
)
_TRUNK = re.compile(
    rf"{_ALONE}(?<!\d[ -])(?:\(0[1-9]\d{{0,4}}\)|0[1-9]\d{{0,4}})(?:{_GAP}?(?<!\d){_GROUP}){{1,5}}+{_NEXT}"
)
_BRACKETED = re.compile(
    rf"{_ALONE}(?:8[ -]?)?(?:\((?!1[5-9]\d\d|20\d\d)[1-9]\d{{1,3}}\)|(?<=8[ -])800[ -])"
    rf" ?\d{{3,5}}(?:[ .-]\d{{2,4}}){{1,3}}{_NEXT}"
)
_SAID = re.compile(rf"(?<![\w.,:+$€£¥#=*^])\(?\d++\)?(?:{_GAP}{_GROUP}){{0,6}}+{_NEXT}")
_TELEPHONE = re.compile(
    r"(?<![^\W_])(?:tele?(?:ph|f)[oó]o?n\w*|t[eé]l[eé]phone|tel|tél|phones?|fax|mobile?|mobil\w+|m[oó]vil"
    r"|cell|cell ?phone|celular|cellulare|handy\w*|gsm|whatsapp|viber|sms|hotline|rufnummer|durchwahl|puh\w*|tlf|tfn"
    r"|kom[oó]rk\w*|тел\w*|моб\w*|факс|τηλ\w*|電話\w*|电话|手机|携帯\w*|전화\w*|휴대폰)(?!\w)[^\d\n]{0,24}$",
    re.I,
)
_CALLING = re.compile(
    r"(?<!\w)(?:call|ring|dial|text|reach|contact|number|anruf\w*|appel\w*|llam\w*|chiam\w*|ligue|bel)(?!\w)"
    r"[^\d\n.]{0,24}$",
    re.I,
)
_OTHERWISE = re.compile(
    r"\b(?:isbn(?:-1[03])?|issn|doi|rfc|version|revision|serial|part|bug|issue|ticket|port|id|pid|uid"
    r"|pages?|pp|range|between|date|dates|years?)\W{0,3}$",
    re.I,
)
_DATE = re.compile(r"\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2(?:\d{4}|\d{2})(?!\2)|\d{4} ?- ?\d{4}$")


def numbers(text: str, plain: str) -> Iterator[tuple[str, int, int]]:
    """The kind (iban, card, phone, ip), start and end of each number that is somebody's. Places may overlap. `plain` is
    the text in ASCII, a character for a character."""
    for run in _RUN.finditer(plain):
        start, end = run.start(), run.end() + 2  # what follows tells a number from a part of something
        digits = sum(map(str.isdigit, run[0]))
        if digits >= 13:
            cards = _CARD.finditer(plain, start, end)
            yield from (("card", *found.span()) for found in cards if _is_a_card(found, text))
        if run[0].count(".") >= 3:
            addresses = _IPV4.finditer(plain, start, end)
            yield from (("ip", *found.span()) for found in addresses if _is_public(found, text))
        if digits >= 6:
            yield from (("iban", *place) for place in _ibans(plain, max(0, start - 16), end + 30))
            yield from (("phone", *place) for place in _phones(text, plain, start, end))


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


def _ibans(plain: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Bank accounts that begin from `start` on. One may be followed by a word in capitals, so it ends where its
    country's ends."""
    for found in _IBAN.finditer(plain, start, end):
        length = int(_IBAN_LENGTHS.get(found[0][:2], "0"))
        if not length or (found.start() and plain[found.start() - 1].isalnum()):
            continue
        places = [at for at, letter in enumerate(found[0]) if letter not in " -"][:length]
        stop = found.start() + places[-1] + 1
        if is_iban(plain[found.start() : stop]) and not plain[stop : stop + 1].isalnum():
            yield found.start(), stop


def _is_a_card(found: re.Match[str], text: str) -> bool:
    digits = re.sub(r"[ -]", "", found[0])
    if not is_card(digits):
        return False
    usual = len(digits) == (15 if digits[:2] in ("34", "37") else 14 if digits[:2] in ("30", "36", "38") else 16)
    if usual and (len(found[0]) > len(digits) or re.match(r"[2-5]|6011|65", digits)):
        return True  # in groups, as on the card itself, or of an issuer whose numbers are all of this length
    return _CARD_SAID.search(text[max(0, found.start() - 60) : found.start()]) is not None


def _is_public(found: re.Match[str], text: str) -> bool:
    before = text[max(0, found.start() - 20) : found.start()]
    if _VERSION.search(before):
        return False
    try:
        address = ipaddress.IPv4Address(found[0])
    except ValueError:
        return False
    small = max(address.packed) < 32  # 3.8.11.1 is a version; one address in four thousand looks like that
    if address.packed[3] == 0 or (small and not _ADDRESS.search(before)):
        return False  # what ends in 0 is a network
    return address.is_global and not address.is_multicast


def _phones(text: str, plain: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Telephone numbers between `start` and `end`, by how they are written or by the word before them."""
    for found in _INTERNATIONAL.finditer(plain, start, end):
        place = _cut(found)
        number = plain[slice(*place)]
        digits = _digits(number)
        figures = 3 if number.strip("+(0123456789") else 4  # +10000000 is a number
        least = 11 if digits[0] == "0" else 8
        if least <= len(digits) <= 15 and len(set(digits)) >= figures and not _is_fiction(digits):
            yield place
    for found in _NORTH_AMERICAN.finditer(plain, start, end):
        before = text[max(0, found.start() - 16) : found.start()]
        if not _is_fiction(_digits(found[0])) and not _OTHERWISE.search(before):
            yield found.span()
    for look in (_TRUNK, _BRACKETED):
        for found in look.finditer(plain, start, end):
            place = _cut(found)
            if _is_national(text, place):
                yield place
    for found in _SAID.finditer(plain, start, end):
        if _is_said(text, place := _cut(found)):
            yield place


def _is_national(text: str, place: tuple[int, int]) -> bool:
    number, before = text[slice(*place)], text[max(0, place[0] - 32) : place[0]]
    groups, digits = re.findall(r"\d+", number), _digits(number)
    if not 9 <= len(digits) <= 12 or len(set(digits)) < 4 or not 2 <= len(groups) <= 6:
        return False
    if len(set(re.findall(r"[.\-/]", number))) > 1 or _DATE.match(number):
        return False
    if _is_fiction(digits) or _OTHERWISE.search(before):
        return False
    if all(len(group) == 2 for group in groups):  # France's five pairs, and not one more, nor a count or a dump
        steps = {int(after) - int(group) for group, after in pairwise(groups)}
        return len(groups) == 5 and len(steps) > 1 and sum(group[0] == "0" for group in groups) < 4
    return not all(group[0] == "0" for group in groups) and min(map(len, groups[1:])) > 1


def _is_said(text: str, place: tuple[int, int]) -> bool:
    number, before = text[slice(*place)], text[max(0, place[0] - 48) : place[0]]
    digits = _digits(number)
    if not 6 <= len(digits) <= 13 or len(set(digits)) < 2 or _DATE.match(number) or _is_fiction(digits):
        return False
    if _TELEPHONE.search(before):
        return True
    return number.startswith("0") and len(digits) in (10, 11) and _CALLING.search(before) is not None


def _cut(found: re.Match[str]) -> tuple[int, int]:
    """Where the number is, less groups after it that make it longer than any is, and brackets that are not its own."""
    start, end = found.span()
    total = 0
    for group in re.finditer(r"\d+\)?", found[0]):
        total += len(_digits(group[0]))
        if total > 13 and total > len(_digits(group[0])):
            break
        end = found.start() + group.end()
    number = found[0][: end - start]
    if number.count("(") < number.count(")"):
        end -= number.endswith(")")
    elif number.count("(") > number.count(")") and number[0] == "(":
        start += 1
    return start, end


def _digits(text: str) -> str:
    return "".join(letter for letter in text if "0" <= letter <= "9")


def _is_fiction(digits: str) -> bool:
    """North America keeps 555-0100 to 555-0199 of every area for stories (ATIS-0300115)."""
    return re.fullmatch(r"(?:1?[2-9]\d\d)?55501\d\d", digits) is not None
