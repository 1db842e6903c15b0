"""Pages cut into passages small enough to lay before a model, along their headings and sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from hornbook.corpus.extraction.blocks import blocks, plain, sentences

SLACK = 1.15  # over an even share, so that the last sentences find room


@dataclass(frozen=True)
class Passage:
    """A part of a page: what a search finds and a model reads. `heading` is the one above it, empty at the top."""

    title: str
    url: str
    text: str
    heading: str = ""


def passages(documents: Iterable[Mapping[str, object]], most_words: int) -> Iterator[Passage]:
    """The passages of documents (`url`, `title`, `text` in Markdown), in order."""
    for document in documents:
        yield from cut(str(document["text"]), str(document["title"] or ""), str(document["url"]), most_words)


def cut(text: str, title: str, url: str, most_words: int) -> list[Passage]:
    """One page as passages of at most `most_words` words, each of whole sentences where sentences are that short.

    A page that needs several is shared out evenly: a search by words prefers what is short, and would find every
    leftover line first. A heading begins a new passage once the one before it is at least half full.
    """
    lines = list(_lines(text))
    whole = sum(len(line.split()) for kind, line in lines if kind == "text")
    shares = -(-whole // most_words)
    most_words = min(most_words, round(whole / max(shares, 1) * SLACK) + 1)
    cuts: list[Passage] = []
    heading, above, held, words = "", "", [], 0

    def close() -> None:
        nonlocal held, words, above
        if held:
            cuts.append(Passage(title, url, " ".join(held), above))
        held, words, above = [], 0, heading

    for kind, line in lines:
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
    """Headings and paragraphs, without the marks of Markdown. A line of a table or of code is a paragraph."""
    for block in blocks(text):
        if block.kind in ("table", "code"):
            yield from (("text", plain(line)) for line in block.text.splitlines())
        else:
            yield "heading" if block.kind == "heading" else "text", block.text


def _sentences(paragraph: str, most_words: int) -> Iterator[str]:
    """The sentences; one longer than `most_words` is cut between words."""
    for sentence in sentences(paragraph):
        words = sentence.split()
        for start in range(0, len(words), most_words):
            yield " ".join(words[start : start + most_words])
