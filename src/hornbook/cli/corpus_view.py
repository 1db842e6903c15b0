"""What `hornbook show` says of a corpus: its funnel, examples of a refusal, what it decides otherwise than another."""

from __future__ import annotations

from collections.abc import Iterator

from hornbook.cli.common import size
from hornbook.core.errors import InputError
from hornbook.corpus.funnel import changes, examples, rules, shared
from hornbook.road.artifacts import Corpus

Rows = Iterator[tuple[object, ...]]


def funnel(corpus: Corpus) -> Rows:
    """What was kept, and the pages and bytes that each rule refused."""
    yield "kept", f"{corpus.documents().num_rows:,} pages"
    yield "held out", f"{corpus.heldout().num_rows:,} pages"
    for rule in rules(corpus.refused()):
        yield f"refused by {rule.step}: {rule.reason}", f"{rule.pages:,} pages, {size(rule.bytes)}"


def refusals(corpus: Corpus, reason: str) -> Rows:
    """Ten pages refused for `reason`, evenly taken. Raises InputError naming the reasons there are."""
    refused = corpus.refused()
    found = examples(refused, reason)
    if not found:
        known = ", ".join(f"'{rule.reason}'" for rule in rules(refused))
        raise InputError(f"no page was refused for '{reason}'", where=corpus.path, fix=f"ask for one of {known}")
    for row in found:
        yield row["url"], row["detail"] or ""
        yield "", " ".join((row["excerpt"] or "").split())[:300]


def differences(corpus: Corpus, other: Corpus) -> Rows:
    """The pages this corpus decides otherwise than the other, by what became of them, with examples. Raises InputError
    where they have no page in common."""
    was, now = ((each.documents(), each.heldout(), each.refused()) for each in (other, corpus))
    common = shared(was, now)
    if not common:
        raise InputError("these two have no page in common", where=other.path, fix="name a corpus of the same pages")
    found = changes(was, now)
    yield "pages of both", f"{common:,}"
    if not found:
        yield "no difference", "all of them have the same outcome"
    for change in found:
        yield f"{change.was} -> {change.now}", f"{change.pages:,} pages"
        yield from (("", url) for url in change.examples)
