"""Scores: what a person's judgements, or a scorer of another kind, make of pages."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Sequence

import pyarrow

from hornbook.corpus.scores import scores
from tests.corpus import made


def by_length(texts: Sequence[str]) -> list[float]:
    return [len(text) / 100 for text in texts]


def test_a_scorer_of_any_kind_tells_quality(tmp_path) -> None:
    plain = made.scoring(tmp_path)
    other = pickle.loads(pickle.dumps(dataclasses.replace(plain, judge=by_length)))  # as a worker is given it
    pages = pyarrow.table({"url": ["http://a/1", "http://a/2"], "text": ["Ten signs.", "x" * 50], "form": [0.9, 0.2]})
    assert scores(pages, plain).column("quality").to_pylist() == [0.9, 0.2]
    assert scores(pages, other).column("quality").to_pylist() == [0.1, 0.5]
    assert scores(pages, other).drop_columns(["quality"]) == scores(pages, plain).drop_columns(["quality"])
