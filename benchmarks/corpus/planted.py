"""Personal data and secrets, made up afresh for each seed, in sentences; and beside them what only looks like some."""

from __future__ import annotations

import base64
import random
import string
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

# How people write telephone numbers in 29 countries: national and international, d any digit, n any but 0 and 1. A format
# that says nothing by itself stands only where a word says what it is ("Tel.", "phone").
PHONES = {
    "US": (["(nnd) ndd-dddd", "nnd-ndd-dddd", "nnd.ndd.dddd", "1-8nn-ndd-dddd", "+1 nnd ndd dddd", "+1 (nnd) ndd-dddd", "+1-nnd-ndd-dddd"], ["nnd ndd dddd", "nndndddddd"]),
    "GB": (["020 7ddd dddd", "(0161) 4dd dddd", "07ddd dddddd", "+44 20 7ddd dddd", "+44 7ddd dddddd", "+44 (0)20 7ddd dddd"], ["07ddddddddd"]),
    "DE": (["030 ndddddd", "(089) nddd dddd", "0151 ndddddd", "0171/ndddddd", "+49 30 ndddddd", "+49 (0)171 nddd ddd", "0049 30 nddddd"], ["0171ndddddd"]),
    "FR": (["01 4d nd dd dd", "06.1d.nd.dd.dd", "+33 1 4d nd dd dd", "+33 (0)6 1d nd dd dd"], ["061dnddddd"]),
    "IT": (["02 nddd dddd", "06 ndddddd", "+39 02 nddd dddd", "+39 34d ddd dddd"], ["34d ddd dddd"]),
    "ES": (["+34 91 ndd dd dd", "+34 6dd ddd ddd"], ["91 ndd dd dd", "6dd ddd ddd"]),
    "PT": (["+351 21 ndd dddd", "+351 91d ddd ddd"], ["21 ndd dddd", "91d ddd ddd"]),
    "NL": (["020 ndd dddd", "06 nddddddd", "010-nddddddd", "+31 20 ndd dddd", "+31 6 nddd dddd"], ["06nddddddd"]),
    "BE": (["02 ndd dd dd", "0475 nd dd dd", "+32 2 ndd dd dd", "+32 475 dd dd dd"], []),
    "CH": (["044 ndd dd dd", "079 ndd dd dd", "+41 44 ndd dd dd", "+41 79 ndd dd dd"], []),
    "AT": (["01 ndddddd", "0664 ndddddd", "+43 1 ndddddd", "+43 664 ndddddd"], []),
    "SE": (["08-ndd ddd dd", "070-ndd dd dd", "+46 8 ndd ddd dd", "+46 70 ndd dd dd"], []),
    "NO": (["+47 nd dd dd dd", "+47 9dd dd ddd"], ["nd dd dd dd", "9dd dd ddd"]),
    "DK": (["+45 nd dd dd dd", "+45 ndddnddd"], ["nd dd dd dd"]),
    "FI": (["09 nddd dddd", "040 ndddddd", "+358 9 nddd dddd", "+358 40 ndd dddd"], []),
    "PL": (["+48 22 ndd dd dd", "+48 5dd ddd ddd"], ["22 ndd dd dd", "5dd ddd ddd"]),
    "CZ": (["+420 2dd ddd ddd", "+420 60d ddd ddd"], ["60d ddd ddd"]),
    "IE": (["01 ndd dddd", "087 ndd dddd", "+353 1 ndd dddd", "+353 87 ndd dddd"], []),
    "RU": (["8 (495) ndd-dd-dd", "8-800-ndd-dd-dd", "+7 495 ndd-dd-dd", "+7 (9nd) ddd-dd-dd", "+79ndddddddd"], []),
    "TR": (["0212 ndd dd dd", "0532 ndd dd dd", "+90 212 ndd dd dd", "+90 532 ndd dd dd"], []),
    "IN": (["022 nddd dddd", "+91 98ddd ddddd", "+91-22-nddd-dddd", "+9198dddddddd"], ["98ddd ddddd"]),
    "CN": (["010-nddd dddd", "+86 10 nddd dddd", "+86 138 dddd dddd"], ["138 dddd dddd", "138dddddddd"]),
    "JP": (["03-nddd-dddd", "090-nddd-dddd", "+81 3-nddd-dddd", "+81 90-nddd-dddd"], []),
    "KR": (["02-nddd-dddd", "010-nddd-dddd", "+82 2-nddd-dddd", "+82-10-nddd-dddd"], []),
    "AU": (["(02) 9ddd dddd", "04nd ddd ddd", "+61 2 9ddd dddd", "+61 4nd ddd ddd"], ["04ndddnddd"]),
    "NZ": (["09-ndd dddd", "021 ndd dddd", "+64 9 ndd dddd", "+64 21 ndd dddd"], []),
    "ZA": (["011 ndd dddd", "082 ndd dddd", "+27 11 ndd dddd", "+27 82 ndd dddd"], []),
    "BR": (["(11) 9nddd-dddd", "(21) nddd-dddd", "+55 11 9nddd-dddd", "+55 (21) nddd-dddd"], ["11 9nddd-dddd"]),
    "MX": (["+52 55 nddd dddd", "+52 33 nddd dddd"], ["55 nddd dddd"]),
}  # fmt: skip
SAYING = ("Tel. {}", "phone: {}", "Call me on my mobile, {}", "Telefon {}", "fax {}", "tél. : {}", "WhatsApp: {}",
          "Telephone number {}", "Mobil: {}", "cell {}", "móvil {}", "тел. {}", "電話: {}")  # fmt: skip
OPEN = ("You can reach her under {}.", "Ask for Maria ({}) before noon.", "The plumber, {}, comes at once.", "Write to {} instead.",
        "He left {} on the note.", "Contact: {}", "- {}", "| Ona | {} |", "My details are {}, thank you.", "See {}; or wait.")  # fmt: skip
NAMES = "ona bruno maria.lopez j.smith tanaka_k wei.zhang olu-ade lars+news f.o.brien anne99 KHughes sales info x.y.z".split()
HOSTS = ("gmail.com hotmail.co.uk posteo.de mail.ru orange.fr uni-heidelberg.de stanford.edu nhs.uk acme-widgets.com "
         "sub.mail.firma.at correo.com.mx qq.com kyoto-u.ac.jp open-source.org startup.io navy.mil harbour.info my.shop").split()  # fmt: skip


@dataclass
class Planted:
    """A text, the pieces planted in it as (kind, start, end), and the kinds of what only looks like one."""

    text: str = ""
    spans: list[tuple[str, int, int]] = field(default_factory=list)
    alike: list[str] = field(default_factory=list)

    def add(self, sentence: str, kind: str = "", item: str = "") -> None:
        """Append a sentence whose {} is the item."""
        before, _, after = sentence.partition("{}")
        self.text += " " if self.text and not self.text.endswith("\n") else ""
        start = len(self.text) + len(before)
        self.text += before + item + after if item else sentence
        if item:
            self.spans.append((kind, start, start + len(item)))


def plant(sentences: Sequence[str], seed: int) -> Planted:
    """A page of these sentences with two to six pieces of personal data and as many things alike between them."""
    rng = random.Random(f"planted {seed}")
    page = Planted()
    places = [sentences[at : at + 2] for at in range(0, len(sentences), 2)] or [[]]
    for part in places:
        for sentence in part:
            page.add(sentence)
        if rng.random() < 0.6:
            kind = rng.choice(list(MAKERS))
            item, said = MAKERS[kind](rng)
            page.add(rng.choice(said), kind, item)
        if rng.random() < 0.6:
            kind = rng.choice(list(ALIKE))
            page.add(rng.choice(("{}", "It says {} there.", "See {}.", "| {} |")).replace("{}", ALIKE[kind](rng)))
            page.alike.append(kind)
        page.text += rng.choice(("\n\n", "\n", ""))
    return page


def digits(rng: random.Random, form: str) -> str:
    """
    >>> digits(random.Random(0), "+1 nnd") in {f"+1 {number}" for number in range(220, 1000)}
    True
    """
    return "".join(rng.choice({"d": string.digits, "n": "23456789"}.get(letter, letter)) for letter in form)


def phone(rng: random.Random) -> tuple[str, Sequence[str]]:
    plain, said = PHONES[rng.choice(list(PHONES))]
    if said and rng.random() < 0.3:
        return digits(rng, rng.choice(said)), SAYING
    return digits(rng, rng.choice(plain)), SAYING + OPEN


def address(rng: random.Random) -> tuple[str, Sequence[str]]:
    name, host = rng.choice(NAMES) + rng.choice(("", str(rng.randint(1, 999)))), rng.choice(HOSTS)
    disguised = rng.choice((f"{name} (at) {host}", f"{name}[at]{host}", f"{name} at {host.replace('.', ' dot ')}"))
    return (disguised if rng.random() < 0.15 else f"{name}@{host}"), OPEN + ("<{}>", "mailto:{}", "E-mail: {}")


def card(rng: random.Random) -> tuple[str, Sequence[str]]:
    prefix, length = rng.choice((("4", 16), ("51", 16), ("55", 16), ("2223", 16), ("34", 15), ("37", 15), ("6011", 16), ("3530", 16)))
    body = prefix + "".join(rng.choice(string.digits) for _ in range(length - len(prefix) - 1))
    number = next(body + last for last in string.digits if luhn(body + last))
    if rng.random() < 0.7:
        sign = rng.choice(" -")
        sizes = (4, 4, 4, 4) if length == 16 else (4, 6, 5)
        number = sign.join(number[sum(sizes[:at]) : sum(sizes[: at + 1])] for at in range(len(sizes)))
    return number, OPEN + ("Paid with card {}.", "Visa {}", "Credit card number: {}")


def iban(rng: random.Random) -> tuple[str, Sequence[str]]:
    country, form = rng.choice((
        ("DE", "d" * 18), ("GB", "AAAA" + "d" * 14), ("NL", "AAAA" + "d" * 10), ("FR", "d" * 23), ("ES", "d" * 20),
        ("IT", "A" + "d" * 22), ("BE", "d" * 12), ("NO", "d" * 11), ("MT", "AAAA" + "d" * 23), ("CH", "d" * 17),
        ("PL", "d" * 24), ("SE", "d" * 20), ("AT", "d" * 16),
    ))  # fmt: skip
    account = "".join(rng.choice(string.ascii_uppercase if letter == "A" else string.digits) for letter in form)
    check = 98 - int("".join(str(int(letter, 36)) for letter in f"{account}{country}00")) % 97
    whole = f"{country}{check:02d}{account}"
    spaced = " ".join(whole[at : at + 4] for at in range(0, len(whole), 4))
    return rng.choice((whole, spaced)), OPEN + ("IBAN: {}", "Please pay to {} by Friday.")


def ip(rng: random.Random) -> tuple[str, Sequence[str]]:
    if rng.random() < 0.3:
        groups = [f"2a0{rng.randint(0, 9)}", *(f"{rng.randrange(1 << 16):x}" for _ in range(7))]
        whole = ":".join(groups)
        return rng.choice((whole, ":".join(groups[:3]) + "::" + groups[7])), OPEN + ("login from {}", "host {} refused")
    first = rng.choice([number for number in range(33, 223) if number not in (100, 127, 169, 172, 192, 198, 203)])
    parts = [first, rng.randrange(256), rng.randrange(256), rng.randint(1, 254)]
    return ".".join(map(str, parts)), OPEN + ("login from {}", "host {} refused", "{} - - [10/Oct/2024:13:55:36] GET /")


def secret(rng: random.Random) -> tuple[str, Sequence[str]]:
    def mixed(count: int, letters: str = string.ascii_letters + string.digits) -> str:
        return "".join(rng.choice(letters) for _ in range(count))

    def encoded(count: int) -> str:
        return base64.urlsafe_b64encode(rng.randbytes(count)).decode().rstrip("=")

    header = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    claims = base64.urlsafe_b64encode(f'{{"sub":"{rng.randrange(10**9)}"}}'.encode()).decode().rstrip("=")
    lines = "\n".join(base64.b64encode(rng.randbytes(48)).decode() for _ in range(rng.randint(3, 20)))
    kind = rng.choice(("RSA ", "EC ", "OPENSSH ", ""))
    known = (
        "AKIA" + mixed(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), "ghp_" + mixed(36), "github_pat_" + mixed(22) + "_" + mixed(59),
        f"xoxb-{rng.randrange(10**11)}-{rng.randrange(10**12)}-{mixed(24)}", "AIza" + mixed(35, string.ascii_letters + string.digits + "-_")[:34] + "x",
        "sk_live_" + mixed(24), f"{header}.{claims}.{encoded(32)}", "glpat-" + mixed(20), "sk-" + mixed(48), "hf_" + mixed(34),
        "npm_" + mixed(36), f"SG.{encoded(16)}.{encoded(32)}", f"{rng.randrange(10**8, 10**10)}:AA{mixed(33)}",
        f"-----BEGIN {kind}PRIVATE KEY-----\n{lines}\n-----END {kind}PRIVATE KEY-----",
    )  # fmt: skip
    if rng.random() < 0.6:
        return rng.choice(known), ("The key is {}", "export KEY={}", "token {} leaked", "{}", '"key": "{}",')
    value = rng.choice((mixed(20), mixed(40, "0123456789abcdef"), mixed(10) + "7!", encoded(24)))
    return value, ('password="{}"', "api_key: {}", "DB_PASSWORD={}", '"client_secret": "{}",', "SECRET_KEY = '{}'",
                   "auth_token => {}", "Authorization: Bearer {}" if len(value) > 16 else "passwd: {}",
                   "postgresql://bob:{}@db.internal/app")  # fmt: skip


MAKERS: dict[str, Callable[[random.Random], tuple[str, Sequence[str]]]] = {
    "phone": phone, "email": address, "card": card, "iban": iban, "ip": ip, "secret": secret,
}  # fmt: skip


def luhn(number: str) -> bool:
    doubled = [int(digit) if place % 2 == 0 else sum(divmod(2 * int(digit), 10)) for place, digit in enumerate(number[::-1])]
    return sum(doubled) % 10 == 0


# What only looks like personal data, or is what standards keep for examples.
ALIKE: dict[str, Callable[[random.Random], str]] = {
    "version": lambda rng: f"version {rng.randint(1, 99)}.{rng.randint(0, 99)}.{rng.randint(0, 300)}.{rng.randint(0, 99)}",
    "date": lambda rng: digits(rng, rng.choice(("19nn-0n-1d", "1d/0n/20dd", "1d.0n.20dd 08:1d", "20dd-0n-1dT1d:nn:nn", "0n-1d-20dd 1dnn"))),
    "isbn": lambda rng: digits(rng, rng.choice(("ISBN 978-0-ddd-ddddd-d", "ISBN 0-nd-dddddd-X", "ISBN-13: 978 3 16 dddddd d"))),
    "price": lambda rng: digits(rng, rng.choice(("$n,ddd,ddd.dd", "€ nddd,dd", "nd.ddd.ddd,dd EUR", "n ddd ddd kr"))),
    "range": lambda rng: digits(rng, rng.choice(("pages ndd-nddd", "19nd-19nd", "the years 18dd-19dd", "0000-9999", "ports nddd-nddd"))),
    "hash": lambda rng: f"{rng.randrange(16**40):040x}",
    "sha256": lambda rng: f"sha256: {rng.randrange(16**64):064x}",
    "uuid": lambda rng: f"token: {uuid.UUID(int=rng.getrandbits(128), version=4)}",
    "scope": lambda rng: rng.choice(("std::vector<int>::iterator", "a::b::c", "absl::Cord::ChunkIterator", "2001::f")),
    "time": lambda rng: digits(rng, rng.choice(("1d:nn:nn", "1d:nn:nn.dddddd", "dd:nd:nd:nd"))),
    "mac": lambda rng: ":".join(f"{rng.randrange(256):02x}" for _ in range(6)),
    "number": lambda rng: digits(rng, rng.choice(("nddddddddd", "0.ndddddddddd", "nd ddd ddd", "2147483647", "1e+10000000", "n.dddde-10", "-nddddddd"))),
    "dump": lambda rng: " ".join(f"{rng.randrange(256):02x}" for _ in range(16)),
    "private address": lambda rng: digits(rng, rng.choice(("192.168.n.dn", "10.0.d.n", "127.0.0.1", "172.16.n.dn", "fe80::1", "255.255.255.0"))),
    "example address": lambda rng: rng.choice(("192.0.2.17", "198.51.100.4", "203.0.113.9", "2001:db8:1::1a2b", "jane@example.com", "joe@shop.example", "root@localhost", "you@mail.example.org")),
    "example phone": lambda rng: digits(rng, rng.choice(("(nnd) 555-01dd", "nnd-555-01dd", "+1 nnd 555 01dd"))),
    "no card": lambda rng: next(form for _ in iter(int, 1) if not luhn((form := digits(rng, "4ddd dddd dddd dddd")).replace(" ", ""))),
    "code": lambda rng: rng.choice(("@app.route", "a @ b.T", "user@host:~$", "git@github.com:me/it.git", "icon@2x.png", "unit@1.service", "x = @decorator.name", "password = getpass.getpass()", "token = self.next_token()", "api_key=YOUR_API_KEY_HERE", 'password = "changeme123"', "secret: ${VAULT_SECRET_1}", "PASSWORD_HASHERS = django.contrib.auth.hashers.PBKDF2")),
    "picture": lambda rng: "data:image/png;base64," + base64.b64encode(rng.randbytes(rng.randint(100, 400))).decode(),
    "message": lambda rng: f"Message-ID: <20{rng.randrange(10**10):010d}.GA{rng.randrange(9999)}@mail.server.org>",
    "table": lambda rng: " | ".join(digits(rng, "nddd") for _ in range(6)),
    "sum": lambda rng: digits(rng, "nd + nd = nnd; ndd x nd = nddd"),
    "bug": lambda rng: digits(rng, rng.choice(("bug #nddddd", "CVE-20dd-nddd", "RFC nddd", "issue ndddddd", "PMID nddddddd", "doi:10.nddd/nddd.nddd"))),
}  # fmt: skip
