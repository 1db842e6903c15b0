"""Reading a funnel: pages and bytes by rule, examples of each, and what two corpora decided otherwise."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow

EXAMPLES = 10
KEPT = "kept"


@dataclass(frozen=True)
class Rule:
    """What one rule refused: the step it belongs to, its pages and their bytes."""

    step: str
    reason: str
    pages: int
    bytes: int


@dataclass(frozen=True)
class Change:
    """Pages of which two corpora say different things; `was` and `now` are "kept" or the reason."""

    was: str
    now: str
    pages: int
    examples: tuple[str, ...]  # URLs


def rules(refused: pyarrow.Table) -> list[Rule]:
    """Every rule that refused a page, in the order of the steps, those with most pages first."""
    pages: Counter[tuple[str, str]] = Counter()
    sizes: Counter[tuple[str, str]] = Counter()
    columns = (refused.column(name).to_pylist() for name in ("step", "reason", "bytes"))
    for step, reason, size in zip(*columns, strict=True):
        pages[step, reason] += 1
        sizes[step, reason] += size or 0
    order = ["crawl", "extract", "filter", "deduplicate"]
    found = [Rule(step, reason, count, sizes[step, reason]) for (step, reason), count in pages.items()]
    return sorted(found, key=lambda rule: (order.index(rule.step), -rule.pages, rule.reason))


def examples(refused: pyarrow.Table, reason: str, count: int = EXAMPLES) -> list[dict]:
    """Pages refused for `reason`, taken evenly from all of them: `url, detail, title, excerpt`."""
    rows = [place for place, own in enumerate(refused.column("reason").to_pylist()) if own == reason]
    chosen = [rows[place * len(rows) // count] for place in range(count)] if len(rows) > count else rows
    told = refused.select(["url", "detail", "title", "excerpt"])
    return told.take(pyarrow.array(chosen, pyarrow.int64())).to_pylist()


def shared(one: tuple[pyarrow.Table, ...], other: tuple[pyarrow.Table, ...]) -> int:
    """How many pages two corpora, each given by its tables, both have seen."""
    return len(dict(_outcomes(one)).keys() & dict(_outcomes(other)).keys())


def changes(was: tuple[pyarrow.Table, ...], now: tuple[pyarrow.Table, ...]) -> list[Change]:
    """What two corpora, each given by its tables (those without a column `reason` are of pages kept), decided
    otherwise. A page that one of them has never seen is left out."""
    before, moved = dict(_outcomes(was)), defaultdict(list)
    for url, outcome in _outcomes(now):
        if before.get(url, outcome) != outcome:
            moved[before[url], outcome].append(url)
    found = [Change(one, other, len(urls), tuple(urls[:EXAMPLES])) for (one, other), urls in moved.items()]
    return sorted(found, key=lambda change: (-change.pages, change.was, change.now))


def _outcomes(tables: tuple[pyarrow.Table, ...]) -> Iterator[tuple[str, str]]:
    for table in tables:
        urls = table.column("url").to_pylist()
        reasons = table.column("reason").to_pylist() if "reason" in table.column_names else [KEPT] * len(urls)
        yield from zip(urls, reasons, strict=True)
