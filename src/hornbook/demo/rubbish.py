"""What the worst pages of a site hold: spam, other languages, next to nothing, noise, or menus and notices alone."""

from __future__ import annotations

import gzip
import random
from html import escape

from hornbook.demo.wordings import read

LANGUAGES = read("languages")
RUBBISH = read("rubbish")


def spam_page(rng: random.Random) -> tuple[str, str]:
    """Title and main HTML of an advertisement nobody asked for: shouted, stuffed with words, links, or filler Latin."""
    offer = rng.choice(RUBBISH["offers"])
    title = f"Cheap {offer} online"
    shouts = [rng.choice(RUBBISH["shouts"]).format(offer=offer) for _ in range(rng.randint(14, 22))]
    style = rng.randrange(4)
    if style == 0:
        return title, "".join(f"<p>{shout}</p>" for shout in shouts)
    if style == 1:
        words = [rng.choice((*RUBBISH["stuffing"], offer)) for _ in range(rng.randint(120, 220))]
        return title, f"<p>{' '.join(words)}</p>"
    if style == 2:
        links = "".join(f'<a href="https://shop{rng.randrange(999)}.example/">{shout}</a> ' for shout in shouts)
        return title, f"<div>{links}</div>"
    words = RUBBISH["lorem"].split()
    latin = " ".join(rng.choice(words) for _ in range(rng.randint(90, 160)))
    return title, f"<p>{latin.capitalize()}. {' '.join(shouts[:6])}</p>"


def foreign_page(rng: random.Random, number: int, places: list[str]) -> tuple[str, str]:
    """Title and main HTML in one of the other languages, each in its turn."""
    language = list(LANGUAGES)[number % len(LANGUAGES)]
    sentences = rng.sample(LANGUAGES[language], rng.randint(7, 10))
    place = rng.choice(places)
    text = [escape(sentence.format(place=place), quote=False) for sentence in sentences]
    half = len(text) // 2
    return f"{place} ({number + 1})", f"<p>{' '.join(text[:half])}</p><p>{' '.join(text[half:])}</p>"


def thin_text(rng: random.Random) -> tuple[str, str]:
    """Title and main HTML of a page that says next to nothing."""
    number = rng.randint(2, 39)
    return f"Notice {number}", f"<p>{rng.choice(RUBBISH['thin']).format(n=number)}</p>"


def boilerplate_html(rng: random.Random) -> str:
    """Notices, buttons and links, and no text of its own."""
    phrases = [rng.choice(RUBBISH["boilerplate"]) for _ in range(rng.randint(25, 50))]
    shapes = ("<p>{}</p>", "<div>{}</div>", '<a href="#">{}</a> ', "<li>{}</li>", "<button>{}</button>")
    return "".join(rng.choice(shapes).format(phrase) for phrase in phrases)


def truncated(rng: random.Random, source: bytes) -> tuple[bytes, str | None]:
    """Cut off before the main text begins."""
    return source[: rng.randint(60, max(source.find(b"<h1"), 100))], None


def noise(rng: random.Random, source: bytes) -> tuple[bytes, str | None]:
    """Random bytes called HTML."""
    return rng.randbytes(rng.randint(600, 3000)), "text/html; charset=utf-8"


def packed(rng: random.Random, source: bytes) -> tuple[bytes, str | None]:
    """Compressed bytes without the header that says so."""
    return gzip.compress(source, mtime=0), "text/html"


def high_bits(rng: random.Random, source: bytes) -> tuple[bytes, str | None]:
    """Every letter of the main text with its high bit set, called UTF-8: not one of them can be read."""
    start = max(source.find(b"<p>"), 0)
    scrambled = bytes(byte | 0x80 if chr(byte).isalpha() and byte < 128 else byte for byte in source[start:])
    return source[:start] + b"<p>" + scrambled.replace(b"<", b" ").replace(b">", b" ") + b"</p></body></html>", None


def mojibake(rng: random.Random, source: bytes) -> tuple[bytes, str | None]:
    """UTF-8 read as Latin-1 and written again, thrice, on text that is full of accents."""
    accents = str.maketrans("aeioustn", "äéïöüšťñ")
    start = max(source.find(b"<p>"), 0)
    parts = source[start:].decode().split("<")
    text = "<".join(part.partition(">")[0] + ">" + part.partition(">")[2].translate(accents) for part in parts)
    for _ in range(2):
        text = text.encode().decode("latin-1")
    return source[:start] + text.encode(), None


BROKEN = (truncated, noise, packed, high_bits, mojibake)
