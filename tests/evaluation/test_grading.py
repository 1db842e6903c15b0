from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.conversations.refusals import REFUSALS
from hornbook.conversations.values import cited, contains, normalised, uncited
from hornbook.core.errors import InputError
from hornbook.evaluation.exams import Question, read_exams
from hornbook.evaluation.grading import as_number, is_right, last_number
from hornbook.evaluation.intervals import mcnemar, paired_difference, wilson

WORDS = st.text("abcdefgh é’-", min_size=1, max_size=10).filter(lambda text: normalised(text) != "")


def question(*answers, refuse=False):
    return Question("q", "qa", "Where?", answers=answers, refuse=refuse)


@pytest.mark.parametrize(("answers", "said", "right"), [
    (["Port Ellery"], "She lives in port-ellery, I think.", True),
    (["Port Ellery"], "She lives in Port Elleryton.", False),
    (["Ré"], "On the isle of Re.", True),
    (["art"], "A party.", False),
    (["Marby"], "She lives in Sella. (Page: Marby)", False),
    (["Marby"], "I don't know, perhaps Marby.", False),
    (["7"], "Working: 3 + 4 = 7. Answer: 7.", True),
    (["7"], "Working: 3 + 4 = 8. Answer: 8. Or 7?", False),
    (["7"], "Answer: 8. No. Answer: 7", True),
    (["1,200"], "It is 1200 feet.", True),
    (["7"], "seven", False),
    (["7"], "It is 17.", False),
    (["1943"], "In 1943. (Page: Lesson 12)", True),
    (["7", "Marby"], "Marby", True),
    (["2.5"], "2.50", True),
    (["-3"], "Answer: -3", True),
])  # fmt: skip
def test_edges(answers, said, right):
    assert is_right(question(*answers), said) is right


@given(WORDS, st.text("xyz .,!?", max_size=20), st.text("xyz .,!?", max_size=20))
def test_an_accepted_answer_among_other_words_is_right(answer, before, after):
    assert is_right(question(answer), f"{before} {answer} {after}")


@given(WORDS, WORDS)
def test_contains_is_whole_words(inside, answer):
    assert contains(inside, [answer]) == (f" {normalised(answer)} " in f" {normalised(inside)} ")


@given(st.sampled_from(REFUSALS), st.text(max_size=10))
def test_a_refusal_is_never_right_but_where_it_must_be(refusal, answer):
    assert not is_right(question(answer or "x"), f"{refusal} {answer}")
    assert is_right(question(refuse=True), refusal)


@given(st.text(max_size=40))
def test_grading_never_fails_and_an_empty_answer_is_in_nothing(said):
    assert not is_right(question("!?"), said)
    assert isinstance(is_right(question(refuse=True), said), bool)


@given(st.text("abc ()", max_size=20), st.text("abc 12", min_size=1, max_size=10))
def test_citation_comes_off_again(answer, title):
    assert uncited(cited(answer, title)) == answer.rstrip()or uncited(cited(answer, title)) == answer


@given(st.integers(-(10**9), 10**9))
def test_numbers_are_read_as_written(number):
    assert last_number(f"It was 3. Answer: {number}.") == number
    assert last_number(f"It was 3, then {number:,}!") == number
    assert as_number(f"{number:,}") == number


def test_no_number_is_none():
    assert last_number("seven") is None
    assert as_number("7 apples") is None


@pytest.mark.parametrize(("right", "n", "low", "high"), [
    (8, 10, 0.490162, 0.943318), (0, 10, 0.0, 0.277533), (10, 10, 0.722467, 1.0), (50, 100, 0.403832, 0.596168),
    (1, 29, 0.006113, 0.171755),
])  # fmt: skip
def test_wilson_against_known_values(right, n, low, high):
    assert wilson(right, n) == pytest.approx((low, high), abs=2e-6)


@given(st.integers(1, 500), st.data())
def test_wilson_holds_the_share(n, data):
    right = data.draw(st.integers(0, n))
    low, high = wilson(right, n)
    assert 0 <= low <= right / n + 1e-12
    assert right / n - 1e-12 <= high <= 1


def test_paired_difference_and_mcnemar():
    first, second = [0, 0, 1, 1] * 25, [1, 0, 1, 1] * 25
    mean, (low, high) = paired_difference(first, second, seed=1)
    assert mean == 0.25
    assert 0.15 < low < 0.25 < high < 0.35
    assert paired_difference(first, second, seed=1) == (mean, (low, high))
    assert mcnemar([False] * 5 + [True], [True] * 5 + [False]) == pytest.approx(2 * (1 + 6) / 64)
    assert mcnemar([True], [True]) == 1.0


def test_exam_files(tmp_path):
    path = tmp_path / "exam.jsonl"
    rows = [{"id": "a", "kind": "qa", "question": "Who?", "answers": ["Mara"], "page": "http://a/b", "pair": "x"},
            {"id": "b", "kind": "unasked", "question": "Where?", "answers": ["Marby"], "choices": ["Sella", "Marby"]},
            {"id": "c", "kind": "absent", "question": "Who?", "answers": [], "refuse": True}]
    path.write_text("\n".join(map(json.dumps, rows)))
    questions = read_exams([path])
    assert [item.kind for item in questions] == ["qa", "unasked", "absent"]
    assert questions[1].choices == ("Sella", "Marby")
    assert [item.row() for item in questions] == [{k: v for k, v in row.items() if v} for row in rows]


@pytest.mark.parametrize(("change", "said"), [
    ({"id": ""}, '"id"'), ({"kind": 3}, '"kind"'), ({"question": "  "}, '"question"'),
    ({"answers": []}, "accepted answers"), ({"answers": "Mara"}, "list of texts"),
    ({"choices": ["Mara"]}, "two different"), ({"colour": 1}, "unknown key 'colour'"),
    ({"choices": ["Bren", "Sella"]}, "none of the choices"), ({"refuse": 1}, "true or false"), ({"page": 4}, '"page"'),
    ({"id": "a"}, "was used at"),
])  # fmt: skip
def test_a_bad_question_is_named_by_its_line(tmp_path, change, said):
    row = {"id": "a", "kind": "qa", "question": "Who?", "answers": ["Mara"]}
    path = tmp_path / "exam.jsonl"
    path.write_text("\n".join(map(json.dumps, [row, row | {"id": "b"} | change])))
    with pytest.raises(InputError) as error:
        read_exams([path])
    assert said in str(error.value)
    assert "line 2" in str(error.value)
