"""Secrets that open a door: keys and tokens known by their prefix, private keys, passwords in addresses and settings.

The looks of the prefixed ones are their issuers' own (the documentation of AWS, GitHub, GitLab, Slack, Google, Stripe
and others). What a setting called "password" or "api_key" holds counts where it is as mixed as a secret is: a word, a
name, a path, a placeholder, a UUID is none. A digest, a commit or a picture in base64 is no secret by itself.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

_BEFORE, _AFTER = r"(?<![\w+/-])", r"(?![\w+/=-])"
# Keys by their prefix: substrings that are there wherever the pattern can match, and the pattern. The substrings are
# looked for first, and in long words alone, which costs next to nothing.
SHORTEST = 20
_PREFIXED = tuple((hints, re.compile(_BEFORE + "(?:" + look + ")" + _AFTER)) for hints, look in (
    (("AKIA", "ASIA"), r"A[KS]IA[A-Z2-7]{16}"),
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    (("github_pat_",), r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    (("glpat-",), r"glpat-[\w-]{20,40}"),
    (("xox",), r"xox[abeoprs]-[A-Za-z0-9-]{15,250}"),
    (("AIza",), r"AIza[\w-]{35}"),
    (("GOCSPX-",), r"GOCSPX-[\w-]{28}"),
    (("_live_", "_test_"), r"(?:sk|rk|whsec)_(?:live|test)_[A-Za-z0-9]{16,250}"),
    (("sk-",), r"sk-(?=[\w-]{0,64}[0-9])[\w-]{32,250}"),
    (("hf_",), r"hf_[A-Za-z0-9]{34,40}"),
    (("npm_",), r"npm_[A-Za-z0-9]{36}"),
    (("pypi-AgE",), r"pypi-AgE[\w-]{50,250}"),
    (("dop_v1_",), r"dop_v1_[0-9a-f]{64}"),
    (("SG.",), r"SG\.[\w-]{22}\.[\w-]{43}"),
    ((":AA",), r"\d{8,10}:AA[\w-]{33}"),
    (("eyJ",), r"eyJ[\w-]{8,2000}\.eyJ[\w-]{8,4000}\.[\w-]{8,1000}"),
))  # fmt: skip
_HOOK = re.compile(r"hooks\.slack\.com/services/(T\w{6,14}/B\w{6,14}/\w{16,40})")
_PEM = re.compile(r"-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = re.compile(r"-----END (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_PEM_BODY = re.compile(r"(?:[A-Za-z0-9+/=:,.\s\\]|-(?!----))*+")
_PEM_LINES = re.compile(r"(?:\s*[A-Za-z0-9+/=]{16,})*+")
_IN_ADDRESS = re.compile(r"://[^\s/:@\"'<>]{1,64}:([^\s/:@\"'<>]{3,100})@[\w.-]")
_BEARER = re.compile(
    r"authorization[\"']?\s{0,2}:\s{0,2}[\"']?(?:bearer|basic|token)\s{1,2}([\w.~+/=-]{16,2000})", re.I
)
_NAMES = {  # of settings, by what they all have in them
    "pass": ("password", "passwd", "passphrase"), "secret": ("secret",), "token": ("token",),
    "credential": ("credential",), "key": ("api_key", "apikey", "api-key", "access_key", "accesskey", "access-key",
                                           "private_key", "auth_key"),
}  # fmt: skip
_VALUE = re.compile(
    r"[\w.-]{0,30}[\"'`\])]{0,2}(?P<sign>\s{0,3}(?::=|=>|[:=])\s{0,3}|\s{1,3})"
    r"(?:(?P<quote>[\"'`])(?P<quoted>[^\"'`\s]{6,200})(?P=quote)|(?P<bare>[^\s\"'`<>;,()\[\]{}]{8,200}))"
)
_PLACEHOLDER = re.compile(
    r"example|sample|dummy|change|placeholder|redacted|removed|undefined|passw|secret|xxx|\*\*\*|\.\.\.|0000|1234|\$\{"
    r"|%\(|://|^[$%{/]|^~/|^\.{1,2}/|(?<![a-z0-9])(?:your|here|foo|bar|test|todo|none|null|my|the)(?![a-z0-9])",
    re.I,
)
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.I)
_HUMP = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
# Names, calls and paths, whose parts are words with a number at their end at most.
_NAME = re.compile(
    r"[^A-Za-z0-9]*+(?:(?:(?:[A-Z]++(?:[a-z]{3,}+)?|[a-z]{3,}+)++\d{0,3}+|\d{1,3}+)(?!\d)[.:/()_-]*+)++"
)
_DIGEST = re.compile(r"(?:md5|sha\d{1,3}|blake\w{1,3}|scrypt|bcrypt|argon2\w{0,2}|pbkdf2\w{0,8})[\W_]", re.I)


def secrets(text: str, low: str) -> Iterator[tuple[int, int]]:
    """Where secrets stand in an ASCII text; of a setting or an address, its value alone. Places may overlap. `low` is
    the text in small letters."""
    long = " ".join(word for word in text.split() if len(word) >= SHORTEST)
    for hints, look in _PREFIXED:
        if any(hint in long for hint in hints):
            yield from (found.span() for found in look.finditer(text) if not _is_made_up(found[0]))
    if "PRIVATE KEY" in text:
        yield from _private_keys(text)
    if "hooks.slack.com/services/" in text:
        yield from (found.span(1) for found in _HOOK.finditer(text) if not _is_made_up(found[1]))
    if "://" in text and "@" in text:
        for found in _IN_ADDRESS.finditer(text):
            if not found[1].isalpha() and not found[1].isdigit() and not _PLACEHOLDER.search(found[1]):
                yield found.span(1)
    if "authorization" in low:
        yield from (found.span(1) for found in _BEARER.finditer(text) if looks_random(found[1]))
    for name in [name for stem, names in _NAMES.items() if stem in low for name in names]:
        at = low.find(name)
        while at >= 0:
            at += len(name)
            found = _VALUE.match(text, at)
            # A blank is enough before a quote, as in SQL, but not in prose.
            if found and (found["quoted"] or found["sign"].strip()) and _is_secret(found["quoted"] or found["bare"]):
                yield found.span(found.lastgroup or 0)
            at = low.find(name, at)


def looks_random(value: str) -> bool:
    """Whether a value is as mixed as a secret: at least 2.5 bits a character by its own letters (Shannon's entropy),
    with digits among letters, and capitals or signs too unless it is 16 characters or longer; or 16 letters whose case
    changes at every second."""
    if len(value) < 6 or entropy(value) < 2.5:
        return False
    if not any(map(str.isdigit, value)):
        return len(value) >= 16 and len(value) / max(len(_HUMP.findall(value)), 1) < 2.5
    lower, upper, signs = any(map(str.islower, value)), any(map(str.isupper, value)), not value.isalnum()
    return (lower or upper) and lower + upper + signs >= (1 if len(value) >= 16 else 2)


def entropy(value: str) -> float:
    """Shannon's entropy of the letters of `value`, bits a character."""
    return -sum(count / len(value) * math.log2(count / len(value)) for count in Counter(value).values())


def _is_secret(value: str) -> bool:
    value = value.rstrip(".:")
    if _PLACEHOLDER.search(value) or _UUID.fullmatch(value) or _DIGEST.match(value) or not looks_random(value):
        return False
    return _NAME.fullmatch(value) is None


def _is_made_up(value: str) -> bool:
    """Keys in documentation say that they are: AWS's end in EXAMPLE, others repeat one letter."""
    body = value[-16:]
    return "example" in value.lower() or "xxxx" in value.lower() or len(set(body)) < 6


def _private_keys(text: str) -> Iterator[tuple[int, int]]:
    """From the first line of a private key to its last; where that is missing, as far as it goes on as a key does."""
    for begin in _PEM.finditer(text):
        body = _PEM_BODY.match(text, begin.end())
        end = _PEM_END.match(text, body.end()) if body else None
        part = end or _PEM_LINES.match(text, begin.end())
        if part and part.end() - begin.end() >= 64:  # a heading alone is only spoken of
            yield begin.start(), part.end()
