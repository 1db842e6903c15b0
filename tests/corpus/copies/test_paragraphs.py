from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.corpus.copies.folding import words
from hornbook.corpus.copies.paragraphs import hash_paragraphs, paragraphs, repeated, without_repeated
from hornbook.corpus.copies.shingles import Hashes

LONG = "This paragraph is quoted by every page of the site, and it is long enough to be looked for."
TEXTS = st.lists(st.lists(st.sampled_from(["aaaa", "bbbb", "AAAA!", "cccc", "d"]), max_size=6).map("\n\n".join),
                 max_size=8)  # fmt: skip


def plain(texts: list[str], least: int) -> list[str]:
    """The rule, a document at a time."""
    seen: set[tuple[str, ...]] = set()
    kept = []
    for text in texts:
        parts = text.split("\n\n")
        own = {tuple(words(part)) for part in parts if len(part) >= least}
        rest = [part for part in parts if len(part) < least or tuple(words(part)) not in seen]
        kept.append("\n\n".join(rest) if len(rest) < len(parts) else text)
        seen |= own
    return kept


def deduplicated(texts: list[str], least: int, cut: int = 0) -> list[str]:
    hashes = Hashes.joined([hash_paragraphs(texts[:cut], least), hash_paragraphs(texts[cut:], least)])
    seen, ends = repeated(hashes), hashes.ends
    return [without_repeated(text, seen[end - count : end].tolist(), least)
            for text, end, count in zip(texts, ends, hashes.counts, strict=True)]  # fmt: skip


@settings(max_examples=200)
@given(TEXTS, st.integers(0, 8))
def test_as_the_rule_says_in_any_shards(texts: list[str], cut: int) -> None:
    once = deduplicated(texts, 4, cut)
    assert once == plain(texts, 4)
    assert deduplicated(once, 4) == once


def test_what_is_kept_and_what_goes() -> None:
    texts = [f"# One\n\n{LONG}\n\nOwn words.", f"# Two\n\n{LONG.upper()}\n\n\n  Other words.\n\n{LONG}", LONG]
    assert deduplicated(texts, 50) == [texts[0], "# Two\n\n  Other words.", ""]
    assert deduplicated([f"{LONG}\n\n{LONG}"], 50) == [f"{LONG}\n\n{LONG}"]  # by itself a document may repeat itself


def test_a_code_block_is_one_paragraph() -> None:
    code = f"```python\nfirst = 1\n\n\nsecond = '{LONG}'\n```"
    assert paragraphs(f"Before.\n\n{code}\n\nAfter.") == ["Before.", code, "After."]
    assert paragraphs(f"```\nnever closed\n\n{LONG}") == [f"```\nnever closed\n\n{LONG}"]
    assert paragraphs("") == [""]


def test_white_space_without_end() -> None:
    assert len(paragraphs("a" + "\n" * 1_000_000 + "b" + " \t" * 500_000 + "c")) == 2


def test_only_some_may_have_a_claim() -> None:
    texts = [LONG, f"{LONG}\n\nOwn words.", LONG]
    hashes = hash_paragraphs(texts, 50)
    assert repeated(hashes).tolist() == [False, True, True]
    assert repeated(hashes, np.array([False, True, True])).tolist() == [False, False, True]
    assert repeated(hashes, np.zeros(3, bool)).tolist() == [False, False, False]
