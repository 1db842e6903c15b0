"""How well the crawl and the corpus dealt with the planted faults: counted against the truth, after the run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow


COPY_REASONS = ("duplicate", "copy")  # words in the reason of a page refused as another's copy


@dataclass(frozen=True)
class Tally:
    """How many of how many; `missed` names a few that were not, for a person to look at."""

    right: int
    n: int
    missed: tuple[str, ...] = field(default=(), repr=False)

    @property
    def share(self) -> float | None:
        return self.right / self.n if self.n else None


def grade(island: Path, kept: pyarrow.Table, *, reasons: Mapping[str, str], taken: Iterable[str]) -> dict:
    """Figures about the planted faults, each `{"value", "right", "n", "missed"}`, and `by_kind`.

    `kept` are all documents kept, held-out ones too (`url`, `text`); `reasons` says why an address was refused; `taken`
    are the addresses whose pages were fetched.
    A copy is dealt with when no more than one page of its family is kept; a page of which a copy was kept in its stead
    is not lost. Personal data is counted by item: nowhere in the kept text.
    """
    truth = json.loads((Path(island) / "truth" / "faults.json").read_text())
    urls = set(kept.column("url").to_pylist())
    texts = kept.column("text").to_pylist()
    by_kind = fault_tallies(truth, urls, set(taken)) | {"personal data": personal_tally(truth, texts)}
    worst = min(by_kind.values(), key=lambda tally: tally.share or 0.0)
    pooled = Tally(sum(t.right for t in by_kind.values()), sum(t.n for t in by_kind.values()))
    figures = {
        "faults_refused": pooled,
        "faults_refused_worst": worst,
        "good_kept": good_tally(truth, urls),
        "near_copies_found": by_kind["near copy"],
        "wrongly_merged": merged_tally(truth, urls, reasons),
    }
    return {
        "figures": {name: as_row(tally) for name, tally in figures.items()},
        "by_kind": {kind: as_row(tally) for kind, tally in sorted(by_kind.items())},
    }


def as_row(tally: Tally) -> dict:
    return {"value": tally.share, "right": tally.right, "n": tally.n, "missed": list(tally.missed[:5])}


def fault_tallies(truth: dict, kept: set[str], taken: set[str]) -> dict[str, Tally]:
    """Every kind of fault but personal data."""
    families = family_of(truth)
    tallies = {}
    for kind in sorted(set(truth["faults"].values())):
        faults = [url for url, what in truth["faults"].items() if what == kind]
        if kind in ("exact copy", "near copy"):
            # The copy counts as found when it is gone, or when it stayed in place of its original.
            missed = [url for url in faults if url in kept and len(families[url] & kept) > 1]
        elif kind == "disallowed":
            missed = [url for url in faults if url in kept or url in taken]
        else:
            missed = [url for url in faults if url in kept]
        tallies[kind] = Tally(len(faults) - len(missed), len(faults), tuple(missed))
    return tallies


def family_of(truth: dict) -> dict[str, set[str]]:
    """Every page that has copies, and every copy -> all of them together."""
    families: dict[str, set[str]] = {}
    for copy, original in truth["copies"].items():
        families.setdefault(original, {original}).add(copy)
    return {url: family for family in families.values() for url in family}


def good_tally(truth: dict, kept: set[str]) -> Tally:
    """Good pages kept, themselves or by a copy."""
    families = family_of(truth)
    missed = [url for url in truth["good"] if not families.get(url, {url}) & kept]
    return Tally(len(truth["good"]) - len(missed), len(truth["good"]), tuple(missed))


def merged_tally(truth: dict, kept: set[str], reasons: Mapping[str, str]) -> Tally:
    """Good pages lost because they were taken for a copy of another page. Fewer is better."""
    families = family_of(truth)
    merged = [
        url for url in truth["good"]
        if not families.get(url, {url}) & kept and any(word in reasons.get(url, "") for word in COPY_REASONS)
    ]  # fmt: skip
    return Tally(len(merged), len(truth["good"]), tuple(merged))


def personal_tally(truth: dict, texts: list[str]) -> Tally:
    """Items of personal data that stand in no kept text, however they are spaced."""
    whole = compact("\n".join(texts))
    items = [(url, item) for url, found in truth["personal"].items() for item in found]
    missed = [f"{item} on {url}" for url, item in items if compact(item) in whole]
    return Tally(len(items) - len(missed), len(items), tuple(missed))


def compact(text: str) -> str:
    """Without spaces, dashes and brackets."""
    return re.sub(r"[\s()\-]+", "", text)
