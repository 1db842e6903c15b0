"""Personal data and secrets, made up afresh for each seed, in sentences; and beside them what only looks like some."""

from __future__ import annotations

import base64
import random
import string
import tomllib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

WORDINGS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
PHONES = WORDINGS["phones"]
OPEN, SAYING = WORDINGS["around"]["open"], WORDINGS["around"]["said"]
ALPHANUMERIC = string.ascii_letters + string.digits


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
            kind, item = alike(rng)
            page.add(rng.choice(("{}", "It says {} there.", "See {}.", "| {} |")).replace("{}", item))
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
    """Each maker gives a piece and the sentences it may stand in."""
    forms = PHONES[rng.choice(list(PHONES))]
    if forms["said"] and rng.random() < 0.3:
        return digits(rng, rng.choice(forms["said"])), SAYING
    return digits(rng, rng.choice(forms["plain"])), SAYING + OPEN


def address(rng: random.Random) -> tuple[str, Sequence[str]]:
    made_of = WORDINGS["email"]
    name, host = rng.choice(made_of["names"]) + rng.choice(("", str(rng.randint(1, 999)))), rng.choice(made_of["hosts"])
    disguised = rng.choice((f"{name} (at) {host}", f"{name}[at]{host}", f"{name} at {host.replace('.', ' dot ')}"))
    return (disguised if rng.random() < 0.15 else f"{name}@{host}"), [*OPEN, "<{}>", "mailto:{}", "E-mail: {}"]


def card(rng: random.Random) -> tuple[str, Sequence[str]]:
    prefix = rng.choice(("4", "51", "55", "2223", "34", "37", "6011", "3530"))
    length = 15 if prefix in ("34", "37") else 16
    body = prefix + "".join(rng.choice(string.digits) for _ in range(length - len(prefix) - 1))
    number = next(body + last for last in string.digits if luhn(body + last))
    if rng.random() < 0.7:
        sizes = (4, 4, 4, 4) if length == 16 else (4, 6, 5)
        groups = [number[sum(sizes[:at]) : sum(sizes[: at + 1])] for at in range(len(sizes))]
        number = rng.choice(" -").join(groups)
    return number, [*OPEN, "Paid with card {}.", "Visa {}", "Credit card number: {}"]


def iban(rng: random.Random) -> tuple[str, Sequence[str]]:
    country, letters, figures = rng.choice((
        ("DE", 0, 18), ("GB", 4, 14), ("NL", 4, 10), ("FR", 0, 23), ("ES", 0, 20), ("IT", 1, 22), ("BE", 0, 12),
        ("NO", 0, 11), ("MT", 4, 23), ("CH", 0, 17), ("PL", 0, 24), ("SE", 0, 20), ("AT", 0, 16),
    ))  # fmt: skip
    bank = "".join(rng.choice(string.ascii_uppercase) for _ in range(letters))
    account = bank + "".join(rng.choice(string.digits) for _ in range(figures))
    check = 98 - int("".join(str(int(letter, 36)) for letter in f"{account}{country}00")) % 97
    whole = f"{country}{check:02d}{account}"
    spaced = " ".join(whole[at : at + 4] for at in range(0, len(whole), 4))
    return rng.choice((whole, spaced)), [*OPEN, "IBAN: {}", "Please pay to {} by Friday."]


def ip(rng: random.Random) -> tuple[str, Sequence[str]]:
    said = [*OPEN, "login from {}", "host {} refused", "{} - - [10/Oct/2024:13:55:36] GET /"]
    if rng.random() < 0.3:
        groups = [f"2a0{rng.randint(0, 9)}", *(f"{rng.randrange(1 << 16):x}" for _ in range(7))]
        return rng.choice((":".join(groups), ":".join(groups[:3]) + "::" + groups[7])), said
    first = rng.choice([number for number in range(33, 223) if number not in (100, 127, 169, 172, 192, 198, 203)])
    return ".".join(map(str, (first, rng.randrange(256), rng.randrange(256), rng.randint(1, 254)))), said


def secret(rng: random.Random) -> tuple[str, Sequence[str]]:
    def mixed(count: int, letters: str = ALPHANUMERIC) -> str:
        return "".join(rng.choice(letters) for _ in range(count))

    def encoded(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    if rng.random() < 0.4:
        value = rng.choice((mixed(20), mixed(40, "0123456789abcdef"), mixed(10) + "7!", encoded(rng.randbytes(24))))
        said = ['password="{}"', "api_key: {}", "DB_PASSWORD={}", '"client_secret": "{}",', "SECRET_KEY = '{}'",
                "auth_token => {}", "postgresql://bob:{}@db.internal/app"]  # fmt: skip
        return value, said + (["Authorization: Bearer {}"] if len(value) > 16 else [])
    header = encoded(b'{"alg":"HS256","typ":"JWT"}')
    claims = encoded(f'{{"sub":"{rng.randrange(10**9)}"}}'.encode())
    lines = "\n".join(base64.b64encode(rng.randbytes(48)).decode() for _ in range(rng.randint(3, 20)))
    kind = rng.choice(("RSA ", "EC ", "OPENSSH ", ""))
    known = (
        "AKIA" + mixed(16, string.ascii_uppercase + "234567"), "ghp_" + mixed(36),
        f"github_pat_{mixed(22)}_{mixed(59)}", f"xoxb-{rng.randrange(10**11)}-{rng.randrange(10**12)}-{mixed(24)}",
        "AIza" + mixed(34, ALPHANUMERIC + "-_") + "x", "sk_live_" + mixed(24), "glpat-" + mixed(20), "sk-" + mixed(48),
        f"{header}.{claims}.{encoded(rng.randbytes(32))}", "hf_" + mixed(34), "npm_" + mixed(36),
        f"SG.{encoded(rng.randbytes(16))}.{encoded(rng.randbytes(32))}",
        f"{rng.randrange(10**8, 10**10)}:AA{mixed(33)}",
        f"-----BEGIN {kind}PRIVATE KEY-----\n{lines}\n-----END {kind}PRIVATE KEY-----",
    )  # fmt: skip
    return rng.choice(known), ["The key is {}", "export KEY={}", "token {} leaked", "{}", '"key": "{}",']


MAKERS: dict[str, Callable[[random.Random], tuple[str, Sequence[str]]]] = {
    "phone": phone, "email": address, "card": card, "iban": iban, "ip": ip, "secret": secret,
}  # fmt: skip


def luhn(number: str) -> bool:
    doubled = [int(one) if place % 2 == 0 else sum(divmod(2 * int(one), 10)) for place, one in enumerate(number[::-1])]
    return sum(doubled) % 10 == 0


def alike(rng: random.Random) -> tuple[str, str]:
    """The kind and the text of something that only looks like personal data."""
    kind = rng.choice([*WORDINGS["alike"], *WORDINGS["exactly"], *MADE])
    if kind in MADE:
        return kind, MADE[kind](rng)
    if kind in WORDINGS["exactly"]:
        return kind, rng.choice(WORDINGS["exactly"][kind])
    return kind, digits(rng, rng.choice(WORDINGS["alike"][kind]))


def hexadecimal(rng: random.Random, count: int, sign: str) -> str:
    return sign.join(f"{rng.randrange(256):02x}" for _ in range(count))


def no_card(rng: random.Random) -> str:
    number = digits(rng, "4ddd dddd dddd ddd")
    return number + next(last for last in string.digits if not luhn(number.replace(" ", "") + last))


MADE: dict[str, Callable[[random.Random], str]] = {
    "version": lambda rng: f"version {rng.randint(1, 99)}." + ".".join(str(rng.randint(0, 300)) for _ in range(3)),
    "hash": lambda rng: hexadecimal(rng, 20, ""),
    "sha256": lambda rng: f"sha256: {hexadecimal(rng, 32, '')}",
    "uuid": lambda rng: f"token: {uuid.UUID(int=rng.getrandbits(128), version=4)}",
    "mac": lambda rng: hexadecimal(rng, 6, ":"),
    "dump": lambda rng: hexadecimal(rng, 16, " "),
    "no card": no_card,
    "picture": lambda rng: "data:image/png;base64," + base64.b64encode(rng.randbytes(rng.randint(100, 400))).decode(),
    "message": lambda rng: f"Message-ID: <20{rng.randrange(10**10):010d}.GA{rng.randrange(9999)}@mail.server.org>",
    "table": lambda rng: " | ".join(digits(rng, "nddd") for _ in range(6)),
}
