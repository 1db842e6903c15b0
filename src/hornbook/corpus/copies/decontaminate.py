"""Documents that hold what a benchmark asks: found by the word 13-grams they share, refused or cut.

Source: Brown et al. 2020 (GPT-3), appendix C. A benchmark's text of 8 to 12 words is looked for as a whole; a shorter
one could stand anywhere by chance, and is not looked for.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet

from hornbook.core.errors import DamagedError, InputError
from hornbook.core.jsonl import read_jsonl
from hornbook.corpus.copies.folding import words
from hornbook.corpus.copies.paragraphs import paragraphs
from hornbook.corpus.copies.shingles import Hashes, blocks, hash_words, windows

NGRAM, LEAST_NGRAM = 13, 8  # words
MARGIN = 200  # characters cut on both sides of what is shared: an answer stands beside its question
LEAST_PIECE, MOST_PIECES = 200, 10  # characters of a piece worth keeping; more pieces than these are no document
_TABLES = (".jsonl", ".parquet", ".csv")  # in a folder; what else lies there describes them
_BITS = 16  # of the table that tells most n-grams apart from those of the benchmarks, for each of these n-grams


@dataclass(frozen=True)
class Overlap:
    """What a document shares with a benchmark: its name, the first n-gram (folded), and all passages as spans of
    characters, in order and apart."""

    benchmark: str
    ngram: str
    passages: list[tuple[int, int]]


class Benchmarks:
    """The n-grams of benchmarks' questions, each given by its texts. Of each benchmark, by its name, `questions` counts
    them all and `too_short` those of which no text is long enough to be looked for."""

    def __init__(self, questions: Mapping[str, Iterable[Sequence[str]]]):
        self.names = list(questions)
        self.questions: dict[str, int] = {}
        self.too_short: dict[str, int] = {}
        grams: dict[int, list[tuple[np.ndarray, int]]] = defaultdict(list)
        for number, (name, own) in enumerate(questions.items()):
            own = list(own)
            hashed = hash_words([text for texts in own for text in texts])
            owners = np.repeat(np.arange(len(own)), [len(texts) for texts in own])
            self.questions[name] = len(own)
            self.too_short[name] = len(own) - len(np.unique(owners[hashed.counts >= LEAST_NGRAM]))
            for size in range(LEAST_NGRAM, NGRAM + 1):
                wanted = hashed.counts >= size if size == NGRAM else hashed.counts == size
                chosen = Hashes(hashed.values[np.repeat(wanted, hashed.counts)], hashed.counts[wanted])
                if len(chosen.counts):
                    grams[size].append((windows(chosen, size).values, number))
        self._tables = {size: _Table(parts) for size, parts in grams.items()}

    @classmethod
    def read(cls, paths: Iterable[Path]) -> Benchmarks:
        """One benchmark a file or folder, named after it: JSON lines, Parquet or CSV (a row is a question, every string
        in it a text), plain text (every paragraph is a question). Raises InputError for another kind of file,
        DamagedError for one that cannot be read."""
        paths = list(paths)
        stems = Counter(path.stem for path in paths)
        named: dict[str, list[list[str]]] = defaultdict(list)
        for path in paths:  # files of many benchmarks are called test.jsonl
            name = path.stem if stems[path.stem] == 1 else f"{path.parent.name}/{path.stem}"
            named[name] += [list(_strings(row)) for file in _files(path) for row in _rows(file)]
        return cls(named)

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


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.suffix in _TABLES)
    if not found:
        raise InputError("no benchmark's texts in this folder", where=path, fix=f"put {', '.join(_TABLES)} files there")
    return found


def _rows(path: Path) -> Iterable[object]:
    if path.suffix == ".jsonl":
        return read_jsonl(path)
    if path.suffix in (".txt", ".md"):
        return paragraphs(path.read_text(encoding="utf-8", errors="replace"))
    try:
        if path.suffix == ".parquet":
            return pyarrow.parquet.read_table(path).to_pylist()
        if path.suffix == ".csv":
            with open(path, encoding="utf-8", errors="replace", newline="") as file:
                return list(csv.reader(file))
    except (pyarrow.ArrowException, csv.Error) as error:
        raise DamagedError(f"not readable ({str(error)[:100]})", where=path, fix="fetch the file again") from None
    raise InputError("not a benchmark's texts", where=path, fix="name a .jsonl, .parquet, .csv, .txt or .md file")


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
