"""Paragraphs that several documents have, against the rule told a document at a time."""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.corpus.copies.folding import words
from hornbook.corpus.copies.paragraphs import LEAST, paragraphs
from hornbook.corpus.repeats import without_repeats
from hornbook.corpus.scores import Scoring
from hornbook.corpus.tagging.tags import TAGS
from hornbook.corpus.workers import Workers
from tests.corpus import made

WORDS = 60  # of a document that is kept


def paragraph(seed: int) -> str:
    rng = random.Random(seed)
    return " ".join(f"{rng.choice(['stone', 'harbour', 'lantern', 'orchard'])}{rng.randrange(900)}" for _ in range(35))


LONG = [paragraph(seed) for seed in range(7)]
SHORT = "A few words of its own that stand alone."
DOCUMENTS = st.lists(st.lists(st.sampled_from([*LONG, SHORT]), min_size=2, max_size=5).map("\n\n".join),
                     min_size=1, max_size=9)  # fmt: skip


@pytest.fixture(scope="module")
def scoring(tmp_path_factory) -> Scoring:
    return made.scoring(tmp_path_factory.mktemp("models"))


def plain(texts: list[str]) -> tuple[dict[int, str], dict[int, str]]:
    """What is kept, and what is left of those that fall: the rule, one document after another."""
    seen: set[tuple[str, ...]] = set()
    kept, fallen = {}, {}
    for number, text in enumerate(texts):
        parts = paragraphs(text)
        if len(words(text)) < WORDS:
            continue
        rest = "\n\n".join(part for part in parts if len(part) < LEAST or tuple(words(part)) not in seen)
        if rest == text or len(words(rest)) >= WORDS:
            kept[number] = rest
            seen |= {tuple(words(part)) for part in parts if len(part) >= LEAST}
        else:
            fallen[number] = rest
    return kept, fallen


@settings(max_examples=30)
@given(DOCUMENTS, st.integers(1, 4))
def test_as_the_rule_says_in_any_shards(scoring: Scoring, texts: list[str], size: int) -> None:
    with TemporaryDirectory() as name:
        folder, sieve = Path(name), made.sieve(WORDS)
        found = made.left(made.shards(folder, texts, size, scoring), sieve)
        after, _ = without_repeats(found, folder, sieve, scoring, Workers(1))
        kept, fallen = plain(texts)
        assert made.kept(after) == kept
        lost = [verdict for number in range(len(after.shards)) for verdict in after.of_shard(number)[1].values()]
        assert len(lost) == len(fallen)
        assert {(verdict.step, verdict.reason) for verdict in lost} <= {("deduplicate", "shared paragraphs")}
        owners: dict[tuple[str, ...], int] = {}
        for number, text in made.kept(after).items():
            for part in paragraphs(text):
                if len(part) >= LEAST:
                    assert owners.setdefault(tuple(words(part)), number) == number


def test_only_what_is_kept_has_a_claim(scoring: Scoring, tmp_path: Path) -> None:
    """The second falls for what the first has, so the third keeps what the second would have taken from it; the fourth,
    which falls for what the third keeps, gives back to the fifth."""
    one, two, three, four, five, six, _ = LONG
    texts = [f"{one}\n\n{two}", f"{one}\n\n{three}", f"{three}\n\n{four}", f"{four}\n\n{five}", f"{five}\n\n{six}"]
    sieve = made.sieve(WORDS)
    found = made.left(made.shards(tmp_path, texts, 2, scoring), sieve)
    after, _ = without_repeats(found, tmp_path, sieve, scoring, Workers(1))
    assert made.kept(after) == {0: texts[0], 2: texts[2], 4: texts[4]}
    (detail,) = [verdict.detail for verdict in after.of_shard(0)[1].values()]
    size, lost = len(texts[1]), len(texts[1]) - len(three)
    assert detail == (f"1 of its paragraphs, {lost} of {size} characters, stand in others; "
                      "the rest is thin (words 35 below 60)")  # fmt: skip
    assert after.shards[0].read(["text"]).column("text")[1].as_py() == texts[1]  # to be looked at as it was
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.parquet")}
    again, _ = without_repeats(found, tmp_path, sieve, scoring, Workers(1))  # what is finished serves after a kill
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.parquet")} == written
    assert again.shards == after.shards


def test_what_is_left_is_tagged_and_scored(scoring: Scoring, tmp_path: Path) -> None:
    texts = [f"{LONG[0]}\n\n{LONG[1]}", f"{LONG[2]}\n\n{LONG[0]}\n\n{LONG[3]}\n\n{SHORT}"]
    sieve = made.sieve(WORDS)
    found = made.left(made.shards(tmp_path, texts, 2, scoring), sieve)
    after, _ = without_repeats(found, tmp_path, sieve, scoring, Workers(1))
    rest = f"{LONG[2]}\n\n{LONG[3]}\n\n{SHORT}"
    (tmp_path / "anew").mkdir()
    (anew,) = made.shards(tmp_path / "anew", [texts[0], rest], 2, scoring)
    names = [*TAGS, "url", "text", "language", "bits_per_character", "quality", "benchmark", "blocklist"]
    assert after.shards[0].read().select(names).to_pylist() == anew.read().select(names).to_pylist()
    assert after.shards[0].read(["bytes"]).column("bytes").to_pylist() == [len(text) for text in texts]
