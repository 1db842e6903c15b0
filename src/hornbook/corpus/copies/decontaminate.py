"""Documents that hold what a benchmark asks: found by the word 13-grams they share, refused or cut.

Source: Brown et al. 2020 (GPT-3), appendix C. A benchmark's text of 8 to 12 words is looked for as a whole; a shorter
one could stand anywhere by chance, and is not looked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet

from hornbook.core.errors import InputError
from hornbook.core.jsonl import read_jsonl
from hornbook.corpus.copies.folding import words
from hornbook.corpus.copies.paragraphs import paragraphs
from hornbook.corpus.copies.shingles import Hashes, blocks, hash_words, windows

NGRAM, LEAST_NGRAM = 13, 8  # words
MARGIN = 200  # characters cut on both sides of what is shared: an answer stands beside its question
LEAST_PIECE, MOST_PIECES = 200, 10  # characters of a piece worth keeping; more pieces than these are no document
_BITS = 16  # of the table that tells most n-grams apart from those of the benchmarks, for each of these n-grams


@dataclass(frozen=True)
class Overlap:
    """What a document shares with a benchmark: its name, the first n-gram (folded), and all passages as spans of
    characters, in order and apart."""

    benchmark: str
    ngram: str
    passages: list[tuple[int, int]]


class Benchmarks:
    """The n-grams of the texts of benchmarks, by the benchmarks' names; `too_short` counts the texts left out."""

    def __init__(self, texts: Mapping[str, Iterable[str]]):
        self.names = list(texts)
        self.too_short = 0
        grams: dict[int, list[tuple[np.ndarray, int]]] = defaultdict(list)
        for number, own in enumerate(texts.values()):
            hashed = hash_words(list(own))
            self.too_short += int(np.count_nonzero(hashed.counts < LEAST_NGRAM))
            for size in range(LEAST_NGRAM, NGRAM + 1):
                wanted = hashed.counts >= size if size == NGRAM else hashed.counts == size
                chosen = Hashes(hashed.values[np.repeat(wanted, hashed.counts)], hashed.counts[wanted])
                if len(chosen.counts):
                    grams[size].append((windows(chosen, size).values, number))
        self._tables = {size: _Table(parts) for size, parts in grams.items()}

    @classmethod
    def read(cls, paths: Iterable[Path]) -> Benchmarks:
        """One benchmark a file, named after it: JSON lines or Parquet (every string of a row is a text), plain text
        (every paragraph is). Raises InputError for another kind of file and for one that cannot be read."""
        return cls({path.stem: list(_texts(path)) for path in paths})

    def overlaps(self, texts: Sequence[str]) -> list[Overlap | None]:
        """For each text what it shares with the benchmarks, None where that is nothing."""
        return [overlap for block in blocks(texts) for overlap in self._overlaps(block)]

    def _overlaps(self, texts: Sequence[str]) -> list[Overlap | None]:
        hashed = hash_words(texts)
        hits: dict[int, list[tuple[int, int, int]]] = defaultdict(list)  # text: (first word, words, benchmark)
        for size, table in self._tables.items():
            found = windows(hashed, size)
            places, numbers = table.find(found.values)
            own = np.searchsorted(found.ends, places, side="right")
            firsts = places - (found.ends - found.counts)[own]
            for text, first, number in zip(own.tolist(), firsts.tolist(), numbers.tolist(), strict=True):
                hits[text].append((first, size, number))
        return [self._overlap(text, sorted(hits[index])) if index in hits else None for index, text in enumerate(texts)]

    def _overlap(self, text: str, hits: list[tuple[int, int, int]]) -> Overlap:
        first, size, number = hits[0]
        spans = _spans(text)
        passages: list[tuple[int, int]] = []
        for start, count, _ in hits:
            begin, end = spans[start][0], spans[start + count - 1][1]
            if passages and begin <= passages[-1][1]:
                passages[-1] = (passages[-1][0], max(end, passages[-1][1]))
            else:
                passages.append((begin, end))
        return Overlap(self.names[number], " ".join(words(text)[first : first + size]), passages)


def without(text: str, overlap: Overlap) -> str:
    """The text without the passages shared, and `MARGIN` characters on both sides of each. What is left between two of
    them must be worth keeping; where more than ten pieces would be left, or none, nothing is: the text is empty."""
    pieces, start = [], 0
    for begin, end in overlap.passages:
        pieces.append(text[start : _border(text, max(begin - MARGIN, start), -1)])
        start = _border(text, min(end + MARGIN, len(text)), 1)
    pieces.append(text[start:])
    kept = [piece.strip() for piece in pieces if len(piece.strip()) >= LEAST_PIECE]
    return "\n\n".join(kept) if len(kept) <= MOST_PIECES else ""


class _Table:
    """The n-grams of one size, each with the first benchmark that has it."""

    def __init__(self, parts: Sequence[tuple[np.ndarray, int]]):
        values = np.concatenate([own for own, _ in parts])
        numbers = np.concatenate([np.full(len(own), number) for own, number in parts])
        self._values, first = np.unique(values, return_index=True)
        self._numbers = numbers[first]
        self._mask = np.uint64((1 << (len(self._values) * _BITS).bit_length()) - 1)
        self._known = np.zeros(int(self._mask) + 1, bool)
        self._known[self._values & self._mask] = True

    def find(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The places of those values that are a benchmark's, and the benchmark's number for each."""
        places = np.flatnonzero(self._known[values & self._mask])
        own = np.minimum(np.searchsorted(self._values, values[places]), len(self._values) - 1)
        same = self._values[own] == values[places]
        return places[same], self._numbers[own[same]]


def _spans(text: str) -> list[tuple[int, int]]:
    """Where each word of `folding.words` stands in the text: the span of what white space parts from the rest."""
    chunks = text.split()
    spans, end = [], 0
    for chunk in chunks:
        start = text.index(chunk, end)
        end = start + len(chunk)
        spans.append((start, end))
    counts = hash_words(chunks).counts.tolist()
    return [span for span, count in zip(spans, counts, strict=True) for _ in range(count)]


def _border(text: str, place: int, step: int) -> int:
    """The next place from here, backward or forward, that is between words."""
    while 0 < place < len(text) and not text[place].isspace():
        place += step
    return place


def _texts(path: Path) -> Iterator[str]:
    if path.suffix == ".jsonl":
        rows: Iterable[object] = read_jsonl(path)
    elif path.suffix == ".parquet":
        rows = pyarrow.parquet.read_table(path).to_pylist()
    elif path.suffix in (".txt", ".md"):
        rows = paragraphs(path.read_text(encoding="utf-8", errors="replace"))
    else:
        raise InputError("not a benchmark's texts", where=path, fix="name a .jsonl, .parquet, .txt or .md file")
    for row in rows:
        yield from _strings(row)


def _strings(value: object) -> Iterator[str]:
    """Every string in a row, those in its lists and objects too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, Sequence | np.ndarray) and not isinstance(value, bytes):
        for part in value:
            yield from _strings(part)
