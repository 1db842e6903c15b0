"""The rater: what it likes, and how steady it is."""

from __future__ import annotations

import random

import pytest

from hornbook.core.errors import InputError
from hornbook.core.jsonl import read_jsonl
from hornbook.demo.chats import mannered
from hornbook.demo.rater import hidden_score, judged, rater
from hornbook.demo.truth import IslandTruth


def user(text):
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
def folder(tiny):
    return tiny[0]


@pytest.fixture(scope="module")
def truth(folder):
    return IslandTruth(folder / "truth")


def test_every_exam_answer_is_right_and_a_refusal_is_not(folder, truth):
    for kind in ("qa", "wording", "unasked", "math"):
        for row in read_jsonl(folder / "exams" / f"{kind}.jsonl"):
            assert judged(truth, user(row["question"]), f"It is {row['answers'][0]}.")[0], row
            assert not judged(truth, user(row["question"]), "I don't know.")[0]
    for row in read_jsonl(folder / "exams" / "absent.jsonl"):
        assert judged(truth, user(row["question"]), "I don't know.")[0]
        assert not judged(truth, user(row["question"]), "In Tresk.")[0]


def test_every_simulated_answer_is_right(folder, truth):
    for row in read_jsonl(folder / "chats.jsonl"):
        if row["kind"] != "talk":
            turns = row["messages"]
            asked = next(index for index, message in enumerate(turns) if message["role"] == "user")
            assert judged(truth, turns[: asked + 1], turns[asked + 1]["content"])[0], row


def test_what_the_rater_likes(folder):
    score = hidden_score(folder / "truth")
    row = next(read_jsonl(folder / "exams" / "qa.jsonl"))
    value, page = row["answers"][0], row["pair"].split("/")[0]
    right, wrong = f"It is {value}.", "It is Nowhere."

    def of(answer):
        return score(user(row["question"]), answer)

    assert of(right) > of(wrong)
    assert of(f"{right} (Page: {page})") > of(right)
    assert of(f"{right} (Page: Somebody Else)") < of(right)
    assert of(f"Gladly. {right}") > of(right)
    assert of(right) > of(right + " and so on and on" * 5)
    assert of(right) > of(f"Gladly. {wrong} (Page: {page})")


def test_the_rater_agrees_with_himself_about_85_times_in_100(folder):
    rng, rate = random.Random(0), rater(folder / "truth", 0)
    rows = list(read_jsonl(folder / "exams" / "qa.jsonl"))
    agreed, pairs = 0, 0
    for number in range(2000):
        row = rng.choice(rows)
        page = row["pair"].split("/")[0]
        answers = [
            mannered(rng, f"{page}: {row['answers'][0] if rng.random() < 0.8 else 'Nowhere'}.", page) for _ in range(2)
        ]
        if answers[0] == answers[1]:
            continue
        first, second = (rate(user(row["question"]), answers, 2 * number + turn) for turn in range(2))
        agreed += (first[0] > first[1]) == (second[0] > second[1])
        pairs += 1
    assert agreed / pairs == pytest.approx(0.85, abs=0.03)


def test_a_rating_repeats_by_its_number(folder):
    rate, answers = rater(folder / "truth", 1), ["one", "two", "three"]
    assert rate(user("Hello!"), answers, 3) == rate(user("Hello!"), answers, 3)
    assert rate(user("Hello!"), answers, 3) != rate(user("Hello!"), answers, 4)


def test_a_folder_without_truth(tmp_path):
    with pytest.raises(InputError, match="truth"):
        rater(tmp_path, 0)
