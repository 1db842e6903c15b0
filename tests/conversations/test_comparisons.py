from __future__ import annotations

import json
import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.conversations.comparisons import agreement, checked, comparison, pairs, ranked, read_comparisons
from hornbook.conversations.raters import program_rater, rank_in_terminal
from hornbook.core.errors import InputError, RecipeError

PROMPT = [{"role": "user", "content": "Who?"}]


def row(**changes):
    answers = ["Mara.", "Bren.", "I don't know."]
    return comparison("c-1", PROMPT, answers, [[2], [0, 1]], rater="ona", rater_kind="person") | changes


@given(st.lists(st.integers(0, 3).map(float), min_size=2, max_size=6))
def test_ranking_gives_back_the_scores_order(scores):
    told = set(pairs(ranked(scores)))
    assert told == {(a, b) for a in range(len(scores)) for b in range(len(scores)) if scores[a] > scores[b]}


def test_agreement_counts_pairs_both_decide():
    assert agreement([[[0], [1], [2]]], [[[0], [2], [1]]]) == (2 / 3, 3)
    assert agreement([[[0, 1]]], [[[0], [1]]])[1] == 0
    assert math.isnan(agreement([], [])[0])


def test_only_a_persons_ranking_is_not_simulated():
    assert "simulated" not in row()
    assert comparison("c", PROMPT, ["a", "b"], [[0, 1]], rater="x:y", rater_kind="program")["simulated"] is True
    assert checked(row(rater_kind="program"))["simulated"] is True
    assert "simulated" not in checked(row(simulated=True))


@pytest.mark.parametrize(("changes", "said"), [
    ({"prompt": []}, '"prompt"'),
    ({"prompt": [{"role": "user"}]}, "message 1: the content is not a text"),
    ({"answers": ["one"]}, "at least two"),
    ({"ranking": [[0], [1]]}, "each of the 3 answers once"),
    ({"ranking": [[0], [1], [1]]}, "each of the 3 answers once"),
    ({"ranking": [0, 1, 2]}, "each of the 3 answers once"),
    ({"ranking": None}, "each of the 3 answers once"),
    ({"again": [[0]]}, '"again"'),
    ({"rater_kind": "cat"}, "unknown rater_kind"),
    ({"rater": ""}, '"rater"'),
])  # fmt: skip
def test_a_bad_row_is_named_by_its_line(tmp_path, changes, said):
    path = tmp_path / "ranked.jsonl"
    path.write_text(json.dumps(row()) + "\n" + json.dumps(row(**changes)), encoding="utf-8")
    with pytest.raises(InputError) as error:
        list(read_comparisons(path))
    assert said in str(error.value)
    assert "line 2" in str(error.value)


def test_a_person_ranks_at_the_terminal():
    shown: list[str] = []
    order = list(range(3))
    Random(3).shuffle(order)
    said = iter(["a b", "c a = b"])
    ranking = rank_in_terminal(PROMPT, ["x", "y", "z"], random=Random(3), ask=lambda _: next(said), show=shown.append)
    assert ranking == [[order[2]], sorted(order[:2])]
    assert any("name each of a, b, c once" in line for line in shown)
    assert rank_in_terminal(PROMPT, ["x", "y"], random=Random(0), ask=lambda _: "s", show=shown.append) is None


def longest(data, seed):
    return lambda prompt, answers, again: [float(len(answer)) for answer in answers]


def test_a_program_rates():
    rate = program_rater(f"{__name__}:longest", None, 0)
    assert ranked(rate(PROMPT, ["a", "bbb", "cc"], 0)) == [[1], [2], [0]]


@pytest.mark.parametrize("name", ["nothing", "no.such.module:rater", "json:no_such_rater", ":x"])
def test_no_such_rater_is_one_line(name):
    with pytest.raises(RecipeError):
        program_rater(name, None, 0)
