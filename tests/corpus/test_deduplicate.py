"""Documents of earlier corpora, by their signatures alone."""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.corpus.copies.earlier import SIGNATURES, Kept, Origin
from hornbook.corpus.deduplicate import SEEN, Left, keep_signatures, one_of_each, sign_shard
from hornbook.corpus.scores import Scoring
from tests.corpus import made

NEAR = 0.45


def text(seed: int, changes: int) -> str:
    """One of some texts, a few of its words others."""
    rng = random.Random(seed)
    words = [f"word{rng.randrange(900)}" for _ in range(60)]
    for place in random.Random(seed + 100 * changes).sample(range(60), changes):
        words[place] = f"other{changes}x{place}"
    return " ".join(words)


TEXTS = st.lists(st.builds(text, st.integers(0, 4), st.integers(0, 7)), min_size=1, max_size=10)


@pytest.fixture(scope="module")
def scoring(tmp_path_factory) -> Scoring:
    return made.scoring(tmp_path_factory.mktemp("models"))


def corpus(folder: Path, texts: list[str], size: int, scores: Scoring, *earlier: Path) -> Left:
    """What is left of the texts, its signatures beside it."""
    folder.mkdir()
    sieve, shards = made.sieve(20), made.shards(folder, texts, size, scores)
    signed = [folder / f"sign-{number}.parquet" for number in range(len(shards))]
    for path, shard in zip(signed, shards, strict=True):
        sign_shard(path, shard, sieve, NEAR)
    left = one_of_each(shards, signed, NEAR, earlier)
    keep_signatures(folder / SIGNATURES, left, signed, Origin("these pages", NEAR))
    return left


@settings(max_examples=10)
@given(TEXTS, st.integers(1, 4), st.integers(1, 4))
def test_nothing_is_kept_twice_and_what_is_unrelated_bears_nothing(
    scoring: Scoring, texts: list[str], size: int, other: int
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        first = corpus(folder / "first", texts, size, scoring)
        kept = Kept.read(folder / "first" / SIGNATURES)
        assert [int(url.as_py().rpartition("/")[2]) for url in kept.urls] == [*made.kept(first)]
        assert len(kept.signatures) == len(kept.urls) > 0
        again = corpus(folder / "again", texts, other, scoring, folder / "first" / SIGNATURES)
        assert made.kept(again) == {}
        reasons = {verdict.reason for number in range(len(again.shards))
                   for verdict in again.of_shard(number)[1].values()}  # fmt: skip
        assert SEEN in reasons <= {SEEN, "exact copy", "near copy"}
        corpus(folder / "unrelated", [text(50, 0), text(51, 0)], size, scoring)
        beside = corpus(folder / "beside", texts, size, scoring, folder / "unrelated" / SIGNATURES)
        assert (beside.copies, beside.seen) == (first.copies, {})
        both = corpus(folder / "both", [*texts, text(60, 0)], size, scoring, folder / "unrelated" / SIGNATURES,
                      folder / "first" / SIGNATURES)  # fmt: skip
        assert made.kept(both) == {len(texts): text(60, 0)}
        bytes_of = [(folder / each / SIGNATURES).read_bytes() for each in ("first", "beside")]
        assert bytes_of[0] == bytes_of[1]
