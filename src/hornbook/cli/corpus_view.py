"""What `hornbook show` says of a corpus: its funnel, examples of a refusal, how its tags are spread, what it decides
otherwise than another. Each view is data for `--json`, and rows of a table made of it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from hornbook.cli.common import size
from hornbook.core.errors import InputError
from hornbook.corpus.funnel import STEPS, changes, examples, flows, groups, kept, rules, shared
from hornbook.corpus.tagging.filters import thresholds
from hornbook.corpus.tagging.spread import SHARES, spreads
from hornbook.road.artifacts import Corpus

Rows = Iterator[tuple[object, ...]]
GROUPS = 20  # sources or languages shown; --json has all of them


def funnel(corpus: Corpus) -> dict[str, Any]:
    """What was kept, what went through each step, what each rule refused, by source and language."""
    documents, heldout = kept(corpus.path)
    return {
        "kept": documents,
        "heldout": heldout,
        "steps": [asdict(flow) for flow in flows(corpus.path)],
        "rules": [asdict(rule) for rule in rules(corpus.path)],
        "sources": [asdict(group) for group in groups(corpus.path, "source")],
        "languages": [asdict(group) for group in groups(corpus.path, "language")],
        "personal": corpus.record.metrics.get("personal", {}),
    }


def funnel_rows(found: dict[str, Any]) -> Rows:
    """That, as lines."""
    yield "kept", f"{found['kept']:,} pages"
    yield "held out", f"{found['heldout']:,} pages"
    for flow in found["steps"]:
        before, after = flow["before"], flow["after"]
        told = [f"{before['pages']:,} -> {after['pages']:,} pages"]
        if "bytes" in after:
            told.append(f"{size(before['bytes'])} -> {size(after['bytes'])}")
            told += [f"{before[name]:,} -> {after[name]:,} {name}" for name in ("characters", "words")]
        yield f"through {flow['step']}", ", ".join(told)
    for rule in found["rules"]:
        yield f"refused by {rule['step']}: {rule['reason']}", f"{rule['pages']:,} pages, {size(rule['bytes'])}"
    for what in ("source", "language"):
        every = found[f"{what}s"]
        for group in every[:GROUPS]:
            told = f"{group['kept']:,} of {group['pages']:,} pages, {group['characters']:,} characters"
            yield f"{what} {group['name']}", told
        if len(every) > GROUPS:
            yield f"and {len(every) - GROUPS:,} more", f"--json names each {what}"
    for kind, count in found["personal"].items():
        yield f"personal data: {kind}", f"{count:,}"


def refusals(corpus: Corpus, reason: str) -> list[dict[str, Any]]:
    """Ten pages refused for `reason`, evenly taken. Raises InputError naming the reasons there are."""
    found = examples(corpus.path, reason)
    if not found:
        known = ", ".join(f"'{reason}'" for reason in dict.fromkeys(rule.reason for rule in rules(corpus.path)))
        raise InputError(f"no page was refused for '{reason}'", where=corpus.path, fix=f"ask for one of {known}")
    return found


def refusal_rows(found: list[dict[str, Any]]) -> Rows:
    """Those, as lines."""
    for row in found:
        yield row["url"], row["detail"] or ""
        yield "", " ".join((row["excerpt"] or "").split())[:300]


def tags(corpus: Corpus) -> list[dict[str, Any]]:
    """How each tag is spread over the pages, and what the corpus's own thresholds refuse. Raises InputError where the
    tags were not kept."""
    config = corpus.record.config
    found = spreads(corpus.path, thresholds(config["preset"], config["thresholds"]))
    if not found:
        raise InputError("this corpus has kept no tags", where=corpus.path, fix="make it again: hornbook corpus NAME")
    return [asdict(spread) for spread in found]


def tag_rows(found: list[dict[str, Any]]) -> Rows:
    """Those, as lines under a heading."""
    yield ("tag", *(f"{share:.0%} below" for share in SHARES), "at least", "at most", "refused")
    for spread in found:
        bounds = ("" if bound is None else f"{bound:g}" for bound in (spread["low"], spread["high"]))
        bounded = spread["low"] is not None or spread["high"] is not None
        share = f"{spread['refused']:.2%}" if bounded else ""
        yield (spread["tag"], *(f"{value:.4g}" for value in spread["quantiles"]), *bounds, share)


def differences(corpus: Corpus, other: Corpus) -> dict[str, Any]:
    """The configuration that differs, and the pages this corpus decides otherwise than the other, by what became of
    them. Raises InputError where they have no page in common."""
    common = shared(other.path, corpus.path)
    if not common:
        raise InputError("these two have no page in common", where=other.path, fix="name a corpus of the same pages")
    was, now = other.record.config, corpus.record.config
    differing = {key: [was.get(key), now.get(key)] for key in sorted(was.keys() | now.keys())
                 if was.get(key) != now.get(key)}  # fmt: skip
    bounds = [_bounds(config) for config in (was, now)]
    moved = {column: [side.get(column) for side in bounds] for column in sorted(bounds[0].keys() | bounds[1].keys())
             if bounds[0].get(column) != bounds[1].get(column)}  # fmt: skip
    refused = [{(rule.step, rule.reason): rule.pages for rule in rules(each.path)} for each in (other, corpus)]
    order = sorted(refused[0].keys() | refused[1].keys(), key=lambda rule: (STEPS.index(rule[0]), rule[1]))
    return {
        "common": common, "config": differing, "thresholds": moved,
        "rules": [{"step": step, "reason": reason, "was": refused[0].get((step, reason), 0),
                   "now": refused[1].get((step, reason), 0)} for step, reason in order],
        "changes": [asdict(change) for change in changes(other.path, corpus.path)],
    }  # fmt: skip


def difference_rows(found: dict[str, Any]) -> Rows:
    """Those, as lines."""
    yield "pages of both", f"{found['common']:,}"
    for key, (was, now) in found["config"].items():
        yield f"[corpus] {key}", f"{json.dumps(was)} -> {json.dumps(now)}"
    for column, (was, now) in found["thresholds"].items():
        yield f"threshold {column}", f"{_between(was)} -> {_between(now)}"
    for rule in found["rules"]:
        if rule["was"] != rule["now"]:
            told = f"{rule['was']:,} -> {rule['now']:,} pages"
            yield f"refused by {rule['step']}: {rule['reason']}", told
    if not found["changes"]:
        yield "no difference", "all of them have the same outcome"
    for change in found["changes"]:
        yield f"{change['was']} -> {change['now']}", f"{change['pages']:,} pages"
        yield from (("", url) for url in change["examples"])


def _bounds(config: dict[str, Any]) -> dict[str, list[float | None]]:
    """The least and the most of each column that a corpus's configuration filters by."""
    table = thresholds(config["preset"], config["thresholds"]) if "preset" in config else ()
    bounds = {rule.column: [-math.inf, math.inf] for rule in table}
    for rule in table:  # several may bound one column
        low, high = bounds[rule.column]
        bounds[rule.column] = [max(low, rule.low), min(high, rule.high)]
    return {column: [None if math.isinf(bound) else bound for bound in both] for column, both in bounds.items()}


def _between(bounds: list[float | None] | None) -> str:
    if bounds is None:
        return "any"
    low, high = ("" if bound is None else f"{bound:g}" for bound in bounds)
    return f"{low} to {high}" if low and high else f"at least {low}" if low else f"at most {high}"
