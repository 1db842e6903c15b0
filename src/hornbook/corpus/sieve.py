"""Whether a page is worth keeping, told by its tags alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow

from hornbook.corpus.scores import NAMED, Shard
from hornbook.corpus.tagging.filters import Threshold, verdicts
from hornbook.corpus.tagging.tags import PERSONAL

CLOSED_SITE = 0.8  # the share of a site's pages with </html>, from which on one without it broke off


@dataclass(frozen=True)
class Verdict:
    """`reason` is None for a page to keep; `step` is the one that refuses it, `detail` the value and its bound."""

    reason: str | None
    detail: str = ""
    step: str = "filter"


GOOD = Verdict(None)


@dataclass(frozen=True)
class Sieve:
    """`rules` are thresholds over tags, `languages` those to keep (none: any), at `language_score` or more; pages with
    personal data are refused where `drops_personal`. `closed` are the sites whose pages end with </html>."""

    rules: tuple[Threshold, ...]
    languages: frozenset[str]
    language_score: float
    drops_personal: bool
    closed: frozenset[str]

    def __call__(self, table: pyarrow.Table) -> list[Verdict]:
        """A verdict for each row of a tagged shard."""
        judged = zip(*verdicts(table, self.rules, self.languages, self.language_score), strict=True)
        found = [GOOD if reason is None else Verdict(reason, detail) for reason, detail in judged]
        if self.drops_personal:
            for name in PERSONAL:
                for row, count in enumerate(table.column(name).to_pylist()):
                    if count and found[row] is GOOD:
                        found[row] = Verdict("personal data", f"{count} of {name.removeprefix('personal_')}")
        columns = (table.column(name).to_pylist() for name in ("fault", "detail", "unclosed", "site", *NAMED))
        for row, (fault, detail, unclosed, site, *named) in enumerate(zip(*columns, strict=True)):
            for reason, found_there in zip(NAMED, named, strict=True):
                if found_there is not None and found[row] is GOOD:
                    found[row] = Verdict(reason, found_there)
            if fault in (None, "empty") and unclosed and site in self.closed:
                found[row] = Verdict("truncated", "the HTML breaks off", "extract")
            elif fault is not None:
                found[row] = Verdict(fault, detail or "", "extract")
        return found


def closed_sites(shards: Sequence[Shard]) -> frozenset[str]:
    """The sites of tagged shards on which a page without </html> broke off, since nearly all others have it."""
    pages, ended = Counter[str](), Counter[str]()
    for shard in shards:
        table = shard.read(["site", "ended", "html"])
        table = table.filter(table.column("html"))
        pages.update(table.column("site").to_pylist())
        ended.update(table.filter(table.column("ended")).column("site").to_pylist())
    return frozenset(site for site, count in pages.items() if ended[site] >= CLOSED_SITE * count)
