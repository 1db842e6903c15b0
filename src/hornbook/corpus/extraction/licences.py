"""The licence a page states of itself, by its SPDX identifier where it can be told (https://spdx.org/licenses)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from hornbook.corpus.extraction.htmltree import FlatPage
from hornbook.corpus.extraction.names import is_footer
from hornbook.corpus.store.urls import canonical_url

_PORTED = frozenset({  # the national versions that SPDX lists
    "CC-BY-3.0-AT", "CC-BY-3.0-AU", "CC-BY-3.0-DE", "CC-BY-3.0-IGO", "CC-BY-3.0-NL", "CC-BY-3.0-US", "CC-BY-2.5-AU",
    "CC-BY-NC-3.0-DE", "CC-BY-NC-ND-3.0-DE", "CC-BY-NC-ND-3.0-IGO", "CC-BY-NC-SA-2.0-DE", "CC-BY-NC-SA-2.0-FR",
    "CC-BY-NC-SA-2.0-UK", "CC-BY-NC-SA-3.0-DE", "CC-BY-NC-SA-3.0-IGO", "CC-BY-ND-3.0-DE", "CC-BY-SA-2.0-UK",
    "CC-BY-SA-2.1-JP", "CC-BY-SA-3.0-AT", "CC-BY-SA-3.0-DE", "CC-BY-SA-3.0-IGO",
})  # fmt: skip
_CC_URL = re.compile(r"creativecommons\.org/licenses/(by(?:-nc)?(?:-nd|-sa)?)/(\d\.\d)(?:/([a-z]{2,3})\b)?", re.I)
_CC_NAME = re.compile(r"\bCC[ -](BY(?:[ -]NC)?(?:[ -](?:ND|SA))?)[ -](\d\.\d)(?:[ -]([A-Z]{2,3})\b)?")
_CC_WORDS = re.compile(
    r"Creative\s+Commons[\s:,-]+(Attribution(?:[\s,-]*(?:and\s+)?(?:Non-?\s?Commercial|No-?\s?Deriv(?:ative)?s?(?:\s+Works)?"
    r"|Share-?\s?Alike)){0,2})[\s,-]+(?:License[\s,]+)?(?:Version[\s]+|v\.?\s?)?(\d\.\d)", re.I
)  # fmt: skip
_GNU = re.compile(r"gnu\.org/(?:licenses|copyleft)/(?:old-licenses/)?(fdl|gpl|lgpl|agpl)-(\d\.\d)", re.I)
_GNU_WORDS = re.compile(
    r"GNU\s+(Free\s+Documentation|Lesser\s+General\s+Public|Affero\s+General\s+Public|General\s+Public)\s+License"
    r"(?:\s*\((?:GFDL|FDL|GPL|LGPL|AGPL)\))?[\s,]+(?:Version\s+|v\.?\s?)(\d)(\.\d)?([^.;]{0,60}later)?", re.I
)  # fmt: skip
_SPDX_URL = re.compile(r"(?:spdx|opensource)\.org/licenses?/([A-Za-z0-9.+-]+?)(?:\.html|\.php)?/?$", re.I)
_KNOWN_NAMES = (  # identifiers that a text or an address may name in these words
    ("CC0-1.0", r"creativecommons\.org/publicdomain/zero/1\.0|\bCC0\b(?:[ -]1\.0)?"),
    ("CC-PDM-1.0", r"creativecommons\.org/publicdomain/mark/1\.0"),
    ("Apache-2.0", r"apache\.org/licenses/LICENSE-2\.0|\bApache[ -](?:Software )?(?:License,?\s*)?(?:Version |v)?2\b"),
    ("MIT", r"\bMIT\s+Licen[cs]e\b|^MIT$"),
    ("BSD-3-Clause", r"\b(?:BSD[ -]3[ -]Clause|3[ -]Clause BSD|New BSD|Modified BSD|Revised BSD)\b"),
    ("BSD-2-Clause", r"\b(?:BSD[ -]2[ -]Clause|2[ -]Clause BSD|Simplified BSD|FreeBSD Documentation)\b"),
    ("0BSD", r"\b(?:0BSD|Zero[ -]Clause BSD)\b"),
    ("PSF-2.0", r"\bPython Software Foundation License,?\s+Version 2\b|\bPSF-2\.0\b"),
    ("MPL-2.0", r"mozilla\.org/(?:en-US/)?MPL/2\.0|\bMozilla Public License,?\s+(?:Version |v)?2\.0|\bMPL-2\.0\b"),
    ("Unlicense", r"unlicense\.org|\bthe Unlicense\b"),
    ("ISC", r"\bISC\s+Licen[cs]e\b"),
    ("OGL-UK-3.0", r"nationalarchives\.gov\.uk/doc/open-government-licence/version/3"),
    ("LicenseRef-public-domain", r"\b(?:in|into|to) the public domain\b|^public domain$"),
)
_KNOWN = tuple((identifier, re.compile(expression, re.IGNORECASE)) for identifier, expression in _KNOWN_NAMES)
_GNU_NAMES = {"free documentation": "GFDL", "lesser general public": "LGPL", "affero general public": "AGPL",
              "general public": "GPL", "fdl": "GFDL", "lgpl": "LGPL", "agpl": "AGPL", "gpl": "GPL"}  # fmt: skip
_ADDRESS = re.compile(
    r"(?:creativecommons\.org/(?:licenses|publicdomain)|gnu\.org/(?:licenses|copyleft))/[\w./-]+", re.IGNORECASE
)
_META_NAMES = frozenset({
    "dc.rights", "dcterms.rights", "dcterms.license", "dc.rights.license", "license", "licence", "rights", "copyright",
})  # fmt: skip
_NAMES_ONE = re.compile(r"licen[cs]e|public domain|\bCC[ -]?(?:BY|0)|creative commons|BSD|\bMPL", re.IGNORECASE)
_STATES = re.compile(r"©|\(c\)|copyright|licen[cs]ed|released|available|dedicated|distributed|public domain", re.I)
_TERMS = (("noncommercial", "-NC"), ("noderiv", "-ND"), ("sharealike", "-SA"))
MAX_FOOTER = 3000
LAST_ELEMENTS = 40  # the end of a page is a footer, whatever it is called


def spdx(stated: str) -> str | None:
    """The SPDX identifier of a licence's address or name, or of the first that a statement names; None for others.

    >>> spdx("https://creativecommons.org/licenses/by-sa/4.0/")
    'CC-BY-SA-4.0'
    """
    if found := _CC_URL.search(stated) or _CC_NAME.search(stated):
        name = f"CC-{found[1].upper().replace(' ', '-')}-{found[2]}"
        ported = f"{name}-{found[3].upper()}" if found[3] else name
        return ported if ported in _PORTED else (name if ported == name else None)
    if found := _CC_WORDS.search(stated):
        words = re.sub(r"[\s-]", "", found[1]).lower()
        return f"CC-BY{''.join(short for term, short in _TERMS if term in words)}-{found[2]}"
    if found := _GNU.search(stated):
        return f"{_GNU_NAMES[found[1].lower()]}-{found[2]}-only"
    if found := _GNU_WORDS.search(stated):
        name = _GNU_NAMES[" ".join(found[1].lower().split())]
        return f"{name}-{found[2]}{found[3] or '.0'}-{'or-later' if found[4] else 'only'}"
    if (found := _SPDX_URL.search(stated)) and len(found[1]) > 2:
        return {"mit": "MIT", "apache-2.0": "Apache-2.0", "isc": "ISC"}.get(found[1].lower(), found[1])
    return next((identifier for identifier, expression in _KNOWN if expression.search(stated)), None)


def stated_licence(page: FlatPage, url: str) -> str | None:
    """What a page says of its own licence: a link with rel=license, JSON-LD, a meta tag, a link to a licence that is
    known, a footer that names one. The SPDX identifier; where it has none, the address."""
    anchors = [i for i, tag in enumerate(page.tags) if tag in ("a", "link")]
    links = [(page.get(i, "href"), page.get(i, "rel")) for i in anchors]
    if found := licence_in_links(((href, rel) for href, rel in links if "license" in rel.lower()), url):
        return found
    for stated in (*_in_json(page), *_in_meta(page)):
        if found := spdx(stated[:500]):
            return found
    return licence_in_links(links, url) or next(filter(None, map(_named, _footers(page))), None)


def licence_in_links(links: Iterable[tuple[str, str]], url: str) -> str | None:
    """The licence of the first link with rel=license, else of the first to a known address; `links` are (href, rel)."""
    known = None
    for href, rel in links:
        if href and "license" in rel.lower().split():
            return spdx(href) or canonical_url(href, url) or href
        if known is None and (found := _ADDRESS.search(href)):
            known = spdx(href) or found[0].rstrip("/.")
    return known


def _in_json(page: FlatPage) -> Iterator[str]:
    """What schema.org's `license` says in JSON-LD."""
    for i, tag in enumerate(page.tags):
        if tag != "script" or '"license"' not in page.texts[i] or "ld+json" not in page.get(i, "type"):
            continue
        try:
            waiting = [json.loads(page.texts[i], strict=False)]
        except (ValueError, RecursionError):
            continue
        while waiting:
            node = waiting.pop()
            if isinstance(node, list):
                waiting += reversed(node)
            elif isinstance(node, dict):
                found = node.get("license")
                if isinstance(found, dict):
                    found = found.get("url") or found.get("@id") or found.get("name")
                if isinstance(found, str):
                    yield found
                waiting += reversed([value for value in node.values() if isinstance(value, (dict, list))])


def _in_meta(page: FlatPage) -> Iterator[str]:
    for i, tag in enumerate(page.tags):
        if tag == "meta":
            name = (page.get(i, "name") or page.get(i, "property")).lower()
            if name in _META_NAMES or page.get(i, "itemprop") == "license":
                yield page.get(i, "content")


def _footers(page: FlatPage) -> Iterator[str]:
    """The texts of the page's footers by name, and how it ends."""
    end = len(page.tags)
    i = page.first("body") or 0
    while (i := i + 1) < end:
        if is_footer(page.tags[i], page.classes[i], page.ids[i]) and len(text := page.text(i)) <= MAX_FOOTER:
            yield text
            i = page.ends[i] - 1
    last = range(max(0, end - LAST_ELEMENTS), end)
    pieces = (f"{page.texts[i]} {page.tails[i]}" for i in last if page.tags[i] not in ("script", "style"))
    yield " ".join(pieces)[-MAX_FOOTER:]


def _named(text: str) -> str | None:
    """The licence that a footer names, where it says that something is under one."""
    text = " ".join(text.split())
    found = _STATES.search(text) if _NAMES_ONE.search(text) else None
    return spdx(text[max(0, found.start() - 100) :]) if found else None
