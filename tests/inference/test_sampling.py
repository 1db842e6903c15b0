"""Sampling against a slow reference, and as a distribution."""

from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.inference.sampling import RowSettings, invert, sample, uniforms

ROW = st.tuples(
    st.sampled_from([0.0, 0.5, 1.0, 2.0]),  # temperature
    st.sampled_from([0, 1, 3, 7, 1000]),  # top-k
    st.sampled_from([0.1, 0.5, 0.9, 1.0]),  # top-p
    st.sampled_from([0.0, 0.05, 0.5]),  # min-p
    st.integers(0, 2**63 - 1),  # seed
    st.integers(0, 500),  # step
)


def settings_of(rows: list[tuple]) -> RowSettings:
    temperature, top_k, top_p, min_p, seed, step = (np.asarray(column) for column in zip(*rows, strict=True))
    return RowSettings(temperature.astype(float), top_k, top_p.astype(float), min_p.astype(float), seed, step)


def allowed(logits: np.ndarray, row: tuple, slack: float) -> list[int]:
    """Which ids a row may draw, by loops; `slack` widens (or narrows) each border by that much probability."""
    temperature, top_k, top_p, min_p, *_ = row
    scaled = [float(value) / temperature for value in logits]
    order = sorted(range(len(scaled)), key=lambda index: -scaled[index])
    if 0 < top_k < len(order):
        order = [index for index in order if scaled[index] >= scaled[order[top_k - 1]] - 1e-6]
    weight = {index: math.exp(scaled[index] - scaled[order[0]]) for index in order}
    total, before, kept = sum(weight.values()), 0.0, []
    for index in order:
        tie = kept and scaled[index] >= scaled[kept[-1]] - 1e-6
        if kept and before >= top_p + slack and top_p < 1 and not tie:
            break
        kept.append(index)
        before += weight[index] / total
    return [index for index in kept if weight[index] >= min_p - slack]


@given(st.integers(0, 10**6), st.lists(ROW, min_size=1, max_size=6), st.sampled_from([5, 40, 600]))
@settings(max_examples=150)
def test_what_is_drawn_is_allowed_and_no_row_disturbs_another(seed, rows, vocabulary):
    logits = np.random.default_rng(seed).normal(0, 3, (len(rows), vocabulary)).astype(np.float32)
    ids, logprobs = sample(torch.from_numpy(logits.copy()), settings_of(rows))
    log = logits - np.log(np.exp(logits.astype(np.float64)).sum(-1, keepdims=True))
    for index, row in enumerate(rows):
        token = int(ids[index])
        if row[0] == 0:
            assert token == int(logits[index].argmax())
        else:
            assert token in allowed(logits[index], row, 1e-5)
        assert abs(float(logprobs[index]) - log[index, token]) < 1e-4
        alone, _ = sample(torch.from_numpy(logits[index : index + 1].copy()), settings_of([row]))
        assert int(alone) == token


@given(st.integers(0, 10**6), st.sampled_from([0.3, 0.8, 0.95]), st.sampled_from([0, 4]), st.sampled_from([0.0, 0.1]))
@settings(max_examples=30)
def test_everything_allowed_is_drawn_as_often_as_it_should(seed, top_p, top_k, min_p):
    logits = np.random.default_rng(seed).normal(0, 1, 12).astype(np.float32)
    count = 4000
    rows = [(1.0, top_k, top_p, min_p, number, 3) for number in range(count)]
    ids, _ = sample(torch.from_numpy(np.tile(logits, (count, 1))), settings_of(rows))
    surely = allowed(logits, rows[0], -1e-5)
    weight = np.exp(logits.astype(np.float64))[surely]
    share = np.bincount(ids.numpy(), minlength=12) / count
    for index, expected in zip(surely, weight / weight.sum(), strict=True):
        assert abs(share[index] - expected) < 5 * math.sqrt(expected * (1 - expected) / count) + 1e-3


def test_ties_go_to_the_lowest_id_when_greedy():
    ids, _ = sample(torch.tensor([[1.0, 3.0, 3.0]]), settings_of([(0.0, 0, 1.0, 0.0, 0, 0)]))
    assert ids.tolist() == [1]


def test_an_id_of_no_probability_is_never_drawn():
    probabilities = torch.tensor([[0.0, 0.5, 0.0, 0.5, 0.0]]).repeat(3, 1)
    assert invert(probabilities, torch.tensor([0.0, 0.5, 1 - 2**-24])).tolist() == [1, 3, 3]


def test_uniforms_are_uniform_and_fixed_for_ever():
    assert uniforms(np.array([0, 1, 2**63 - 1]), np.array([0, 0, 5])).tolist() == [
        0.6524484753608704, 0.3681895136833191, 0.12859904766082764,
    ]  # fmt: skip
    values = uniforms(np.arange(20_000) // 100, np.arange(20_000) % 100)
    assert ((values >= 0) & (values < 1)).all()
    counts = np.histogram(values, 20, (0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 45  # chi-squared, 19 degrees of freedom
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.03
