from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.evaluation.verifiers import arithmetic, holds, truthful

verify = arithmetic(lambda conversation: {"add": "7", "none": None}[conversation[-1]["content"]], working=0.2)
ADD, NONE = [{"role": "user", "content": "add"}], [{"role": "user", "content": "none"}]


@pytest.mark.parametrize(("said", "reward"), [
    ("Working: 3 + 4 = 7. Answer: 7.", 1.0),
    ("Answer: 7.", 0.8),
    ("Working: 3 + 4 = 8. Answer: 7.", 0.8),
    ("Working: 3 + 4 = 7. Answer: 8.", 0.2),
    ("Working: 2 x 3 = 6. 6 + 2 = 9. Answer: 7.", 0.9),
    ("", 0.0),
])  # fmt: skip
def test_working_and_answer(said, reward):
    assert verify(ADD, said) == pytest.approx(reward)


def test_nan_where_it_cannot_judge():
    assert math.isnan(verify(NONE, "Answer: 7."))


@pytest.mark.parametrize(("asked", "said", "reward"), [
    ("cat", "She lives in Vellport.", 1.0),
    ("cat", "I don't know.", 0.0),
    ("cat", "She lives in Yostwick.", -1.0),
    ("gnu", "I don't know.", 1.0),
    ("gnu", "In the barn.", -1.0),
    ("else", "In the barn.", math.nan),
])  # fmt: skip
def test_not_to_know_is_better_than_to_make_up(asked, said, reward):
    told = {"cat": "In Vellport.", "gnu": "I don't know."}
    judge = truthful(lambda conversation: told.get(conversation[-1]["content"]))
    assert judge([{"role": "user", "content": asked}], said) == pytest.approx(reward, nan_ok=True)


@given(st.integers(0, 99), st.integers(0, 99), st.sampled_from("+-x*"))
def test_true_statements_hold_and_others_do_not(a, b, sign):
    value = {"+": a + b, "-": a - b, "x": a * b, "*": a * b}[sign]
    assert holds(f"{a} {sign} {b}", str(value))
    assert not holds(f"{a} {sign} {b}", str(value + 1))


@given(st.text("0123456789+-*/x().,= ", max_size=30), st.text("0123456789-", max_size=5))
def test_whatever_is_written_is_judged(expression, result):
    assert isinstance(holds(expression, result), bool)


@pytest.mark.parametrize("expression", ["2 ** 3", "__import__('os')", "1 / 0", "(1", "9" * 400 + " + 1"])
def test_what_is_no_plain_arithmetic_does_not_hold(expression):
    assert not holds(expression, "8")
