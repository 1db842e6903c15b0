from __future__ import annotations

import pyarrow

from hornbook.corpus.funnel import Change, Rule, changes, examples, rules, shared

REFUSED = pyarrow.Table.from_pylist([
    {"url": f"https://a.example/{number:02d}", "step": step, "reason": reason, "detail": "d", "title": "t",
     "excerpt": "e", "bytes": size}
    for number, (step, reason, size) in enumerate(
        [("filter", "thin", 10)] * 25
        + [("crawl", "robots", None)] * 2 + [("filter", "spam", 5), ("extract", "empty", 1)]
    )
])  # fmt: skip


def test_rules_by_step_with_pages_and_bytes() -> None:
    assert rules(REFUSED) == [
        Rule("crawl", "robots", 2, 0), Rule("extract", "empty", 1, 1), Rule("filter", "thin", 25, 250),
        Rule("filter", "spam", 1, 5),
    ]  # fmt: skip


def test_examples_are_taken_evenly() -> None:
    found = [row["url"][-2:] for row in examples(REFUSED, "thin")]
    assert found == [f"{place * 25 // 10:02d}" for place in range(10)]
    assert len(examples(REFUSED, "robots")) == 2
    assert examples(REFUSED, "no such") == []


def test_changes_between_two_corpora() -> None:
    kept = pyarrow.table({"url": ["a", "b", "c", "new"]})
    refused = pyarrow.table({"url": ["d", "e"], "reason": ["thin", "spam"]})
    kept_now = pyarrow.table({"url": ["a", "d"]})
    refused_now = pyarrow.table({"url": ["b", "c", "e"], "reason": ["thin", "thin", "near copy"]})
    assert changes((kept, refused), (kept_now, refused_now)) == [
        Change("kept", "thin", 2, ("b", "c")), Change("spam", "near copy", 1, ("e",)),
        Change("thin", "kept", 1, ("d",)),
    ]  # fmt: skip
    assert changes((kept, refused), (kept, refused)) == []
    assert shared((kept, refused), (kept_now, refused_now)) == 5
    assert shared((kept,), (pyarrow.table({"url": ["z"]}),)) == 0
