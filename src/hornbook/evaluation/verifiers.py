"""Rewards that can be checked: a verifier looks at a conversation and an answer and says how good the answer is."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Sequence

from hornbook.conversations.formats import Message
from hornbook.conversations.matching import agrees
from hornbook.conversations.refusals import is_refusal
from hornbook.evaluation.grading import as_number, last_number

Verifier = Callable[[Sequence[Message], str], float]  # more is better; NaN where it cannot judge

_STATEMENT = re.compile(r"((?:\(?-?\d[\d,.]*\)?\s*[-+*/x×÷]\s*)+\(?-?\d[\d,.]*\)?)\s*=\s*(-?\d[\d,]*(?:\.\d+)?)")
_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def arithmetic(expected: Callable[[Sequence[Message]], str | None], *, working: float = 0.2) -> Verifier:
    """A verifier of worked arithmetic. `expected` gives the right number for a conversation, None where it has none.

    The number after "Answer:" earns 1 - `working` when right; each "a + b = c" of the working earns its part of
    `working` when it is true. A right answer with no working at all earns no part for it.
    """

    def verify(conversation: Sequence[Message], answer: str) -> float:
        wanted = expected(conversation)
        number = None if wanted is None else as_number(wanted)
        if number is None:
            return math.nan
        checked = [holds(left, right) for left, right in _STATEMENT.findall(answer)]
        reward = (1 - working) * (last_number(answer) == number)
        return reward + (working * sum(checked) / len(checked) if checked else 0.0)

    return verify


def truthful(expected: Callable[[Sequence[Message]], str | None], *, silence: float = 0.0) -> Verifier:
    """A verifier of what is said about the world: 1 for what is right, -1 for what is not, `silence` for "I don't know"
    where there is something to know. Where there is not, that is what is right.

    `expected` gives a right answer, which is a refusal where nobody knows, and None where nothing can be checked.
    Wei et al., "TruthRL", arXiv:2509.25760.
    """

    def verify(conversation: Sequence[Message], answer: str) -> float:
        wanted = expected(conversation)
        if wanted is None:
            return math.nan
        if is_refusal(wanted):
            return 1.0 if is_refusal(answer) else -1.0
        if is_refusal(answer):
            return silence
        return 1.0 if agrees(conversation[-1]["content"], wanted, answer) else -1.0

    return verify


def holds(expression: str, result: str) -> bool:
    """Whether the expression of numbers, + - * / and brackets has this value. What cannot be read does not hold.

    >>> holds("3 + 4 x 2", "11")
    True
    """
    plain = expression.replace(",", "").replace("×", "*").replace("x", "*").replace("÷", "/")
    wanted = as_number(result)
    try:
        value = _value(ast.parse(plain.strip(), mode="eval").body)
    except (SyntaxError, ArithmeticError, ValueError, MemoryError, RecursionError):
        return False
    return wanted is not None and math.isclose(value, wanted, rel_tol=1e-9, abs_tol=1e-9)


def _value(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    raise ValueError("no arithmetic")
