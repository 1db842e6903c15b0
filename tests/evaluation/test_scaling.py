"""Scaling laws: known laws are found again in synthetic data, and the published figures in the published points."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.evaluation.scaling.chinchilla import Chinchilla, fit_chinchilla
from hornbook.evaluation.scaling.findings import best_size, compared, laws, prediction
from hornbook.evaluation.scaling.grid import (
    HELD_OUT,
    LEAST_SIZES,
    LEAST_STEPS,
    ROWS,
    SEEDS,
    SIZES,
    Shape,
    affordable,
    grid,
    nearest,
    trial,
)
from hornbook.evaluation.scaling.isoflop import best_sizes, valleys
from hornbook.evaluation.scaling.kaplan import Kaplan, fit_compute, fit_kaplan
from hornbook.evaluation.scaling.points import Point, by_flops, seed_noise
from hornbook.evaluation.scaling.prediction import bootstrap, noise, parameter_intervals, predict

pytest.importorskip("scipy", reason="pip install 'hornbook[scaling]'")

LAW = Chinchilla(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658)  # Besiroglu et al., arXiv:2404.10102


def points_of(law, *, off: float = 0.0, seed: int = 0, budgets=(1e13, 2e13, 4e13, 8e13), sizes: int = 7) -> list[Point]:
    """An isoFLOP grid around the law's best sizes, its losses off by so much."""
    random = np.random.default_rng(seed)
    found = []
    for flops in budgets:
        centre = LAW.best(flops)[0]
        for size in centre * 2.0 ** np.linspace(-2, 2, sizes):
            tokens = flops / 6 / size
            found.append(Point(size, tokens, float(law.loss(size, tokens) * np.exp(random.normal(0, off))), flops))
    return found


@settings(max_examples=8)
@given(
    st.builds(Chinchilla, E=st.floats(0.8, 3), A=st.floats(50, 900), B=st.floats(100, 3000),
              alpha=st.floats(0.25, 0.5), beta=st.floats(0.25, 0.5))
)  # fmt: skip
def test_chinchillas_law_is_found_again(law: Chinchilla) -> None:
    points = points_of(law, budgets=(1e12, 1e14, 1e16))
    found = fit_chinchilla(points)
    sizes, tokens = np.array([[point.parameters, point.tokens] for point in points]).T
    assert found.loss(sizes, tokens) == pytest.approx(law.loss(sizes, tokens), rel=2e-4)
    assert (found.alpha, found.beta) == pytest.approx((law.alpha, law.beta), abs=0.02)
    assert pytest.approx(law.E, rel=0.03) == found.E


def test_an_outlier_moves_nothing() -> None:
    points = points_of(LAW, budgets=(1e12, 1e14, 1e16))
    points[3] = points[3]._replace(loss=points[3].loss * 1.5)
    found = fit_chinchilla(points)
    assert (found.alpha, found.beta) == pytest.approx((LAW.alpha, LAW.beta), abs=0.02)


def published() -> list[Point]:
    """The runs of Chinchilla's figure 4, as Epoch AI read them off it (github.com/epoch-research/analyzing-chinchilla),
    without the five of the highest loss, as they did."""
    with open(Path(__file__).with_name("chinchilla.csv"), encoding="ascii") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    rows.sort(key=lambda row: row["loss"])
    return [Point(row["parameters"], row["flops"] / 6 / row["parameters"], row["loss"], row["flops"])
            for row in rows[:-5]]


def test_the_published_figures_come_of_the_published_points() -> None:
    points = published()
    law = fit_chinchilla(points)
    assert len(points) == 240
    assert pytest.approx(1.8172, abs=0.002) == law.E
    assert pytest.approx(482, rel=0.02) == law.A
    assert pytest.approx(2085, rel=0.05) == law.B
    assert (law.alpha, law.beta) == pytest.approx((0.3478, 0.3658), abs=0.002)
    between = parameter_intervals(bootstrap(points, law, seed=0, draws=60))
    # their standard errors: E 0.03, alpha 0.02, beta 0.02; best sizes grow as C^0.512, between 0.454 and 0.544
    for name, error in (("E", 0.03), ("alpha", 0.02), ("beta", 0.02)):
        low, high = between[name]
        assert low < getattr(law, name) < high
        assert 0.3 * error < (high - low) / 4 < 2 * error
    low, high = between["share_of_size"]
    assert 0.45 < low < 0.513 < high < 0.58


def test_best_spends_what_it_has_and_nothing_is_better() -> None:
    size, tokens = LAW.best(1e15, 7.0)
    assert 7.0 * size * tokens == pytest.approx(1e15)
    for other in (0.9, 1.1):
        assert LAW.loss(size * other, tokens / other) > LAW.loss(size, tokens)


@settings(max_examples=8)
@given(st.floats(0.06, 0.2), st.floats(0.06, 0.2), st.floats(18, 30), st.floats(18, 32))
def test_kaplans_law_is_found_again(alpha_n: float, alpha_d: float, size: float, data: float) -> None:
    law = Kaplan(np.exp(size), np.exp(data), alpha_n, alpha_d)
    points = points_of(law, budgets=(1e12, 1e14, 1e16))
    found = fit_kaplan(points)
    sizes, tokens = np.array([[point.parameters, point.tokens] for point in points]).T
    assert found.loss(sizes, tokens) == pytest.approx(law.loss(sizes, tokens), rel=1e-3)
    assert law.loss(1e6, 1e30) == pytest.approx(law.of_size(1e6), rel=1e-6)
    assert law.loss(1e300, 1e6) == pytest.approx(law.of_data(1e6), rel=1e-6)


def test_the_law_of_compute_goes_through_the_best_of_each_budget() -> None:
    points = [Point(size, 1.0, (1e20 / flops) ** 0.05 * off, flops)
              for flops in (1e12, 1e13, 1e14) for size, off in ((1, 1.3), (2, 1.0), (3, 1.1))]
    found = fit_compute(points)
    assert found.alpha_C == pytest.approx(0.05)
    assert found.loss(1e15) == pytest.approx((1e20 / 1e15) ** 0.05)


def test_valleys_lie_where_the_law_has_them() -> None:
    found = valleys(points_of(LAW, sizes=9))
    assert [valley.inside for valley in found] == [True] * 4
    for valley in found:
        # a parabola is not quite the law: the valley's place is right to a fifth
        assert valley.parameters == pytest.approx(LAW.best(valley.flops)[0], rel=0.2)
        assert 6 * valley.parameters * valley.tokens == pytest.approx(valley.flops)
    powers = best_sizes(found)
    assert powers is not None
    assert powers[0].exponent == pytest.approx(LAW.beta / (LAW.alpha + LAW.beta), abs=0.02)
    assert powers[0].exponent + powers[1].exponent == pytest.approx(1)


def test_a_valley_beyond_the_sizes_is_said_to_be() -> None:
    rising = [Point(size, 1e12 / size, size / 1e6, 1e12) for size in (1e6, 2e6, 4e6)]
    assert [valley.inside for valley in valleys(rising)] == [False]
    assert best_sizes(valleys(rising)) is None
    assert valleys(rising[:2]) == []


def test_seeds_are_pooled() -> None:
    points = [Point(1, 1, np.exp(x), 1) for x in (0.0, 0.2)] + [Point(2, 1, np.exp(x), 2) for x in (1.0, 1.1, 1.2)]
    sd, freedom = seed_noise(points)
    assert freedom == 3
    assert sd == pytest.approx(np.sqrt((0.02 + 0.02) / 3))
    assert seed_noise(points_of(LAW)) == (0.0, 0)
    assert list(map(len, by_flops(points).values())) == [2, 3]


def test_the_interval_holds_what_it_says_it_holds() -> None:
    """Of many grids whose runs are off by 0.5 %, the larger run, as much off, lies inside nearly as often as asked."""
    inside, widths = 0, []
    for seed in range(16):
        points = points_of(LAW, off=0.005, seed=seed, sizes=5)
        law = fit_chinchilla(points)
        size, tokens = LAW.best(4 * 8e13)
        drawn = bootstrap(points, law, seed=seed, draws=20)
        foretold = predict(law, drawn, noise(points, law), size, tokens, seed=seed)
        true = LAW.loss(size, tokens) * np.exp(np.random.default_rng(1000 + seed).normal(0, 0.005))
        inside += foretold.has(true)
        widths.append(foretold.width / foretold.loss)
    assert inside >= 13
    assert 0.02 < np.median(widths) < 0.08  # two standard deviations of one run alone are 0.02 wide


def test_findings_are_one_record() -> None:
    points = points_of(LAW, off=0.002)
    found = laws(points)
    assert found["chinchilla"]["error"] < 0.005
    assert found["kaplan"]["error"] < 0.05
    assert len(found["valleys"]) == 4
    size = best_size(points, 4 * 8e13)
    assert size == pytest.approx(LAW.best(4 * 8e13)[0], rel=0.5)
    foretold = prediction(points, size, 4 * 8e13 / 6 / size)
    low, high = foretold["interval"]
    assert low < foretold["loss"] < high
    assert foretold["width"] == pytest.approx(high - low)
    assert compared(foretold, foretold["loss"])["inside"] is True
    assert compared(foretold, high + 0.01)["inside"] is False


def test_too_few_points_are_refused() -> None:
    with pytest.raises(ValueError, match="five parameters"):
        fit_chinchilla(points_of(LAW)[:4])
    with pytest.raises(ValueError, match="nothing to draw"):
        bootstrap(points_of(LAW)[:5], LAW, seed=0, draws=1)


PAIRS = [(depth, 64 * heads) for heads in range(1, 12) for depth in (heads, heads + 1)]
SIZED = sorted((depth * 12 * width**2 + 1024 * width, depth, width) for depth, width in PAIRS)
SHAPES = [Shape(depth, width, size, 6.0 * size + 3072 * depth * width) for size, depth, width in SIZED]


def test_the_grid_has_rows_of_equal_compute() -> None:
    trials = grid(SHAPES, 1e15, 1024)
    plain = [trial for trial in trials if trial.seed == 0]
    rows = by_flops([Point(t.shape.parameters, t.tokens, 1.0, t.shape.flops * t.tokens) for t in plain])
    assert [len(row) for row in rows.values()] == [SIZES] * ROWS
    assert list(rows) == pytest.approx([1e15 / 8, 1e15 / 4, 1e15 / 2, 1e15], rel=0.05)
    assert len(trials) == ROWS * SIZES + 2 * (SEEDS - 1)
    assert all(each.tokens % 1024 == 0 for each in trials)
    larger = trial(nearest(SHAPES, 2e6), HELD_OUT * 1e15, 1024)
    assert larger.shape.flops * larger.tokens == pytest.approx(4e15, rel=0.01)


def test_a_small_budget_takes_the_smallest_shapes() -> None:
    assert {each.shape for each in grid(SHAPES, 1e9, 1024)} == set(SHAPES[:LEAST_SIZES])
    trials = grid(SHAPES, 2e13, 1024)
    assert all(each.tokens >= LEAST_STEPS * 1024 for each in trials if each.shape not in SHAPES[:LEAST_SIZES])
    assert nearest(SHAPES, 1) == SHAPES[0]


@given(st.floats(1.0, 1e5))
def test_the_budget_is_what_the_time_affords(seconds: float) -> None:
    flops = affordable(seconds, lambda flops: flops / 1e11 + 3, least=1e9)
    if seconds > 3.1:
        assert flops / 1e11 + 3 <= seconds
        assert (flops * 1.021) / 1e11 + 3 > seconds
