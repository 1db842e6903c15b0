"""Reading a corpus's funnel: what each step and each rule refused, examples, what two corpora decided otherwise.

A corpus is given by its folder. Only the columns that are asked for are read, and no texts but those of the examples:
memory grows by some numbers and an address a page.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow
import pyarrow.parquet

EXAMPLES = 10
KEPT, UNKNOWN = "kept", "?"
STEPS = ("crawl", "extract", "filter", "deduplicate")
MEASURES = ("pages", "bytes", "characters", "words")
FATES = ("documents", "heldout", "refused")  # the tables of a corpus
BATCH = 4096


@dataclass(frozen=True)
class Rule:
    """What one rule refused: the step it belongs to, its pages and their bytes as they came."""

    step: str
    reason: str
    pages: int
    bytes: int


@dataclass(frozen=True)
class Flow:
    """What came into a step and what went on: pages, bytes as they came, characters and words of their text. Of the
    crawl only the pages are known."""

    step: str
    before: dict[str, int]
    after: dict[str, int]


@dataclass(frozen=True)
class Group:
    """Pages of one source or language: all that were fetched, those kept (held out or not), and their characters."""

    name: str
    pages: int
    kept: int
    characters: int


@dataclass(frozen=True)
class Change:
    """Pages of which two corpora say different things; `was` and `now` are "kept" or the reason."""

    was: str
    now: str
    pages: int
    examples: tuple[str, ...]  # URLs


def rules(folder: Path) -> list[Rule]:
    """Every rule that refused a page, in the order of the steps, those with most pages first."""
    pages: Counter[tuple[str, str]] = Counter()
    sizes: Counter[tuple[str, str]] = Counter()
    for step, reason, size in _rows(_tables(folder, "refused"), ("step", "reason", "bytes")):
        pages[step, reason] += 1
        sizes[step, reason] += size or 0
    found = [Rule(step, reason, count, sizes[step, reason]) for (step, reason), count in pages.items()]
    return sorted(found, key=lambda rule: (STEPS.index(rule.step), -rule.pages, rule.reason))


def kept(folder: Path) -> tuple[int, int]:
    """How many documents are kept to learn from, and how many are held out."""
    documents, heldout = (
        sum(pyarrow.parquet.read_metadata(path).num_rows for path in _tables(folder, name)) for name in FATES[:2]
    )
    return documents, heldout


def flows(folder: Path) -> list[Flow]:
    """Each step from what came into it to what went on, told by the tags of all pages; none where the corpus, an old
    one, has not kept them."""
    shards = _shards(folder)
    if not shards:
        return []
    ended = dict(_rows(_tables(folder, "refused"), ("url", "step")))
    lost: dict[str, Counter[str]] = {step: Counter() for step in (*STEPS, KEPT)}
    for url, size, characters, words in _rows(shards, ("url", *MEASURES[1:])):
        numbers = (1, size or 0, int(characters or 0), int(words or 0))
        lost[ended.get(url, KEPT)].update(dict(zip(MEASURES, numbers, strict=True)))
    unfetched = sum(rule.pages for rule in rules(folder) if rule.step == "crawl")
    at = sum(lost.values(), Counter[str]())
    found = [Flow("crawl", {"pages": at["pages"] + unfetched}, {"pages": at["pages"]})]
    for step in STEPS[1:]:
        before, at = at, at - lost[step]
        found.append(Flow(step, {name: before[name] for name in MEASURES}, {name: at[name] for name in MEASURES}))
    return [*found[:-1], replace(found[-1], after=found[-1].after | _written(folder))]


def groups(folder: Path, by: str) -> list[Group]:
    """The pages by `by`, "source" or "language", those with most characters kept first; of a corpus that has kept no
    tags only the documents."""
    pages: Counter[str] = Counter()
    for path in _shards(folder):
        there = pyarrow.parquet.read_schema(path).names
        name = by if by in there else "site"
        pages.update(value or UNKNOWN for (value,) in _rows([path], (name,)))
    documents, characters = Counter[str](), Counter[str]()
    for value, count in _rows([*_tables(folder, "documents"), *_tables(folder, "heldout")], (by, "characters")):
        documents[value or UNKNOWN] += 1
        characters[value or UNKNOWN] += int(count or 0)
    names = pages.keys() | documents.keys()
    found = [Group(name, max(pages[name], documents[name]), documents[name], characters[name]) for name in names]
    return sorted(found, key=lambda group: (-group.characters, -group.pages, group.name))


def examples(folder: Path, reason: str, count: int = EXAMPLES) -> list[dict]:
    """Pages refused for `reason`, taken evenly from all of them: `url, detail, title, excerpt`."""
    return _examples(folder, ("reason",), count).get((reason,), [])


def all_examples(folder: Path, count: int) -> dict[tuple[str, str], list[dict]]:
    """The same for every step and reason."""
    return _examples(folder, ("step", "reason"), count)


def shared(one: Path, other: Path) -> int:
    """How many pages two corpora both have seen."""
    return len(dict(_outcomes(one)).keys() & dict(_outcomes(other)).keys())


def changes(was: Path, now: Path) -> list[Change]:
    """What two corpora decided otherwise. A page that one of them has never seen is left out."""
    before, moved = dict(_outcomes(was)), defaultdict(list)
    for url, outcome in _outcomes(now):
        if before.get(url, outcome) != outcome:
            moved[before[url], outcome].append(url)
    found = [Change(one, other, len(urls), tuple(urls[:EXAMPLES])) for (one, other), urls in moved.items()]
    return sorted(found, key=lambda change: (-change.pages, change.was, change.now))


def _examples(folder: Path, by: tuple[str, ...], count: int) -> dict[tuple, list[dict]]:
    places = defaultdict(list)
    for place, rule in enumerate(_rows(_tables(folder, "refused"), by)):
        places[rule].append(place)
    chosen = {rule: _evenly(found, count) for rule, found in places.items()}
    wanted = {place for found in chosen.values() for place in found}
    columns = ("url", "detail", "title", "excerpt")
    rows = enumerate(_rows(_tables(folder, "refused"), columns))
    told = {place: dict(zip(columns, row, strict=True)) for place, row in rows if place in wanted}
    return {rule: [told[place] for place in found] for rule, found in chosen.items()}


def _written(folder: Path) -> dict[str, int]:
    """Characters and words of the documents as they are written, which may have been cut since they were tagged."""
    measures = MEASURES[2:]
    sums: Counter[str] = Counter(dict.fromkeys(measures, 0))
    for row in _rows([*_tables(folder, "documents"), *_tables(folder, "heldout")], measures):
        sums.update({name: int(value or 0) for name, value in zip(measures, row, strict=True)})
    return dict(sums)


def _outcomes(folder: Path) -> Iterator[tuple[str, str]]:
    for name in FATES:
        for url, reason in _rows(_tables(folder, name), ("url", "reason")):
            yield url, reason if name == "refused" else KEPT


def _evenly(places: Sequence[int], count: int) -> list[int]:
    if len(places) <= count:
        return list(places)
    return [places[number * len(places) // count] for number in range(count)]


def _tables(folder: Path, name: str) -> list[Path]:
    return sorted(folder.glob(f"{name}*.parquet"))


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("tags/*.parquet"))


def _rows(paths: Sequence[Path], columns: tuple[str, ...]) -> Iterator[tuple]:
    """The rows of these columns, a few at a time; a column that a file does not have is None."""
    for path in paths:
        with pyarrow.parquet.ParquetFile(path) as file:
            there = [name for name in columns if name in file.schema_arrow.names]
            for batch in file.iter_batches(BATCH, columns=there):
                none = [None] * batch.num_rows
                found = {name: batch.column(name).to_pylist() for name in there}
                yield from zip(*(found.get(name, none) for name in columns), strict=True)
