"""Pages cut into passages small enough to lay before a model, along their headings and sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

MOST_WORDS = 120
SLACK = 1.15  # over an even share, so that the last sentences find room

_HEADING = re.compile(r"#{1,6}\s+(.*?)\s*#*$")
_RULE = re.compile(r"[-*_=\s]{3,}$")  # a line drawn across the page, or under a heading
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_EMPHASIS = re.compile(r"(\*\*|__|`+|(?<!\w)[*_])(?=\S)(.+?)(?<=\S)\1(?!\w)")
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)]*\s+")


@dataclass(frozen=True)
class Passage:
    """A part of a page: what a search finds and a model reads. `heading` is the one above it, empty at the top."""

    title: str
    url: str
    text: str
    heading: str = ""


def passages(documents: Iterable[Mapping[str, object]], most_words: int = MOST_WORDS) -> Iterator[Passage]:
    """The passages of documents (`url`, `title`, `text` in Markdown), in order."""
    for document in documents:
        yield from cut(str(document["text"]), str(document["title"] or ""), str(document["url"]), most_words)


def cut(text: str, title: str, url: str, most_words: int = MOST_WORDS) -> list[Passage]:
    """One page as passages of at most `most_words` words, each of whole sentences where sentences are that short.

    A page that needs several is shared out evenly: a search by words prefers what is short, and would find every
    leftover line first. A heading begins a new passage once the one before it is at least half full.
    """
    whole = sum(len(line.split()) for kind, line in _lines(text) if kind == "text")
    shares = -(-whole // most_words)
    most_words = min(most_words, round(whole / max(shares, 1) * SLACK) + 1)
    cuts: list[Passage] = []
    heading, above, held, words = "", "", [], 0

    def close() -> None:
        nonlocal held, words, above
        if held:
            cuts.append(Passage(title, url, " ".join(held), above))
        held, words, above = [], 0, heading

    for kind, line in _lines(text):
        if kind == "heading":
            heading = line
            if words * 2 >= most_words or not held:
                close()
            continue
        for sentence in _sentences(line, most_words):
            count = len(sentence.split())
            if held and words + count > most_words:
                close()
            held.append(sentence)
            words += count
    close()
    return cuts


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Headings and paragraphs, without the marks of Markdown. A table's or a list's line is a paragraph of its own."""
    paragraph: list[str] = []
    for line in [*text.splitlines(), ""]:
        line = line.strip()
        heading = _HEADING.match(line)
        alone = line.startswith(("- ", "* ", "+ ", "|", ": ")) or re.match(r"\d{1,3}[.)]\s", line)
        if paragraph and (not line or heading or alone or _RULE.match(line)):
            yield "text", _plain(" ".join(paragraph))
            paragraph = []
        if heading:
            yield "heading", _plain(heading.group(1))
        elif line and not _RULE.match(line) and not line.startswith(("```", "~~~")):
            paragraph.append(re.sub(r"^(?:[-*+:]|\d{1,3}[.)])\s+", "", line) if alone else line)


def _sentences(paragraph: str, most_words: int) -> Iterator[str]:
    """The sentences; one longer than `most_words` is cut between words."""
    for sentence in _SENTENCE_END.split(paragraph):
        words = sentence.split()
        for start in range(0, len(words), most_words):
            yield " ".join(words[start : start + most_words])


def _plain(text: str) -> str:
    text = _LINK.sub(r"\1", text)
    return " ".join(_EMPHASIS.sub(r"\2", text).split())
