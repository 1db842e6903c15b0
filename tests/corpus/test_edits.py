"""Passages of benchmarks cut out of documents."""

from __future__ import annotations

import json
import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.corpus.copies.decontaminate import LEAST_PIECE, Benchmarks
from hornbook.corpus.edits import cut_benchmarks, read_edits, with_edits
from hornbook.corpus.scores import Scoring
from tests.corpus import made

QUESTIONS = [
    "A lighthouse keeper has 14 lamps and lights half of them each night; how many burn after three nights?",
    "Which river flows through the town of Railkwick?",
]
WORDS = 40  # of a document that is kept


def prose(seed: int, count: int) -> str:
    rng = random.Random(seed)
    return " ".join(f"word{rng.randrange(500)}" for _ in range(count))


PARTS = st.one_of(st.sampled_from(QUESTIONS), st.builds(prose, st.integers(0, 99), st.integers(1, 120)))
DOCUMENTS = st.lists(st.lists(PARTS, min_size=1, max_size=6).map("\n\n".join), min_size=1, max_size=5)


@pytest.fixture(scope="module")
def scoring(tmp_path_factory) -> Scoring:
    folder = tmp_path_factory.mktemp("models")
    (folder / "exam.jsonl").write_text("".join(json.dumps({"question": text}) + "\n" for text in QUESTIONS))
    return made.scoring(folder, folder / "exam.jsonl")


@settings(max_examples=25)
@given(DOCUMENTS)
def test_nothing_of_a_benchmark_is_left(scoring: Scoring, texts: list[str]) -> None:
    benchmarks = Benchmarks({"exam": [[text] for text in QUESTIONS]})
    with TemporaryDirectory() as name:
        folder, sieve = Path(name), made.sieve(WORDS)
        (shard,) = made.shards(folder, texts, len(texts), scoring)
        cut_benchmarks(folder / "cut.parquet", shard, sieve, scoring)
        (after,) = with_edits([shard], [folder / "cut.parquet"])
        kept = made.kept(made.left([after], sieve))
    assert benchmarks.overlaps([*kept.values()]) == [None] * len(kept)
    before = benchmarks.overlaps(texts)
    for number, text in enumerate(texts):
        if before[number] is None:
            assert kept.get(number) == (text if len(text.split()) >= WORDS else None)
        elif number in kept:
            pieces = kept[number].split("\n\n")
            assert all(piece in text for piece in pieces)


def test_what_is_cut_and_what_is_refused(scoring: Scoring, tmp_path: Path) -> None:
    lamp, river = QUESTIONS
    texts = [
        f"{prose(1, 200)} {lamp} {prose(2, 200)}",  # loses the question and what stands beside it
        f"{prose(3, 40)} {lamp} {prose(4, 10)}",  # is little else
        f"{prose(5, 60)} {river}",  # what is left is too short for the sieve
        prose(6, 100),
        lamp,  # refused anyhow: the sieve has its own reason
    ]
    sieve = made.sieve(WORDS)
    (shard,) = made.shards(tmp_path, texts, len(texts), scoring)
    cut_benchmarks(tmp_path / "cut.parquet", shard, sieve, scoring)
    edits = [*read_edits(tmp_path / "cut.parquet")]
    assert [(edit.row, edit.benchmark, edit.parts) for edit in edits] == [(row, "exam", 1) for row in range(3)]
    (after,) = with_edits([shard], [tmp_path / "cut.parquet"])
    found = made.left([after], sieve)
    kept, verdicts = made.kept(found), found.of_shard(0)[1]
    assert set(kept) == {0, 3}
    assert kept[3] == texts[3]
    before, behind = kept[0].split("\n\n")
    assert texts[0].startswith(before)
    assert texts[0].endswith(behind)
    assert min(len(before), len(behind)) >= LEAST_PIECE
    assert edits[0].characters == len(texts[0]) - len(kept[0]) > len(lamp) + 400
    ngram = "a lighthouse keeper has 14 lamps and lights half of them each night"
    assert verdicts[1].detail == f"exam: {ngram}; the rest is empty (nothing is left that is worth keeping)"
    ngram = "which river flows through the town of railkwick"
    assert verdicts[2].detail.startswith(f"exam: {ngram}; the rest is thin (words ")
    assert {(verdict.step, verdict.reason) for verdict in verdicts.values()} == {("filter", "benchmark")}
    assert [verdict.reason for verdict in sieve(after.read())] == [None, "benchmark", "benchmark", None, "thin"]
    assert after.read(["text"]).column("text")[1].as_py() == texts[1]
