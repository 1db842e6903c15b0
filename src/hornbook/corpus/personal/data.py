"""Personal data found, counted, masked: e-mail, IBAN, cards, telephone, IP addresses, and secrets that open a door.

What a standard reserves for examples is nobody's and is left alone: the domains of RFC 2606, 6761 and 6762 (example.org
and what is under it, `.example`, `.test`, `.invalid`, `.localhost`, `.local`), the addresses of RFC 5737 and 3849
(192.0.2.0/24, 2001:db8::/32, and all that is private or not routed), North America's 555-0100 to 555-0199. Numbers that
broadcasters keep for stories elsewhere (Ofcom's, say) look like any other and are found.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hornbook.corpus.personal.addresses import emails
from hornbook.corpus.personal.numbers import numbers
from hornbook.corpus.personal.secrets import secrets

# The kinds, in the order in which one wins over another at the same place, and what stands in their stead.
PLACEHOLDERS = {
    "secret": "[secret]", "email": "[email]", "iban": "[iban]", "card": "[card]", "phone": "[phone]",
    "ip": "[ip address]",
}  # fmt: skip
POLICIES = ("mask", "line", "page", "keep")  # mask each piece, drop its line, drop its page, leave all as it is
_IPV6 = re.compile(r"[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]{2,34}")  # all that is routed lies in 2000::/3 (RFC 4291)


@dataclass(frozen=True)
class Span:
    """A piece of personal data: its kind and where it stands."""

    kind: str
    start: int
    end: int


def find_personal(text: str) -> list[Span]:
    """Every piece of personal data, in order, none overlapping (what comes first in `PLACEHOLDERS` wins)."""
    order = {kind: rank for rank, kind in enumerate(PLACEHOLDERS)}
    kept: list[Span] = []
    found = sorted(_found(text), key=lambda span: (span.start, order[span.kind], -span.end))
    for span in found:
        if kept and span.start < kept[-1].end:
            if order[span.kind] < order[kept[-1].kind]:
                kept[-1] = span
        else:
            kept.append(span)
    return kept


def mask_personal(text: str, spans: Iterable[Span] | None = None) -> str:
    """The text with each piece replaced by its placeholder."""
    pieces, at = [], 0
    for span in find_personal(text) if spans is None else spans:
        pieces += [text[at : span.start], PLACEHOLDERS[span.kind]]
        at = span.end
    return "".join([*pieces, text[at:]])


def drop_personal_lines(text: str, spans: Iterable[Span] | None = None) -> str:
    """The text without the lines in which a piece stands."""
    pieces, at = [], 0
    for span in find_personal(text) if spans is None else spans:
        start, end = text.rfind("\n", 0, span.start) + 1, text.find("\n", span.end)
        pieces.append(text[at : max(start, at)])
        at = len(text) if end < 0 else end + 1
    return "".join([*pieces, text[at:]])


def treat_personal(text: str, spans: Iterable[Span], policy: str) -> str | None:
    """The text under one of `POLICIES`; None where the page is to be dropped."""
    spans = list(spans)
    if not spans or policy == "keep":
        return text
    if policy == "page":
        return None
    return {"mask": mask_personal, "line": drop_personal_lines}[policy](text, spans)


def count_personal(spans: Iterable[Span]) -> dict[str, int]:
    """How many of each kind, every kind named."""
    counts = Counter(span.kind for span in spans)
    return {kind: counts[kind] for kind in PLACEHOLDERS}


def _found(text: str) -> Iterator[Span]:
    # The same places, one byte a character: searched several times as fast, and lower case shifts nothing.
    plain = text.replace("\u00a0", " ").encode("ascii", "replace").decode("ascii")
    low = plain.lower()
    yield from (Span("secret", *place) for place in secrets(plain, low))
    yield from (Span("email", *place) for place in emails(text, low))
    yield from (Span(kind, *place) for kind, *place in numbers(text, plain))
    if plain.count(":") > 2:
        yield from (Span("ip", *found.span()) for found in _IPV6.finditer(plain) if _is_ipv6(found, plain))


def _is_ipv6(found: re.Match[str], text: str) -> bool:
    around = text[max(0, found.start() - 1) : found.start()], text[found.end() : found.end() + 1]
    if any(letter.isalnum() or letter == "_" for letter in around) or around[0] in (":", "."):
        return False
    try:
        return not found[0].endswith("::") and ipaddress.IPv6Address(found[0].rstrip(":")).is_global  # "::": a network
    except ValueError:
        return False
