"""E-processes: reference values, exact twins by counting, and fair bets under the null."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import product
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hydrometer.stats.anytime import (
    TARGET_WEIGHTS,
    TARGETS,
    anytime_p,
    e_bh,
    margin_log_e,
    mcnemar_log_e,
    p_to_e,
    zero_log_e,
)

COUNTS = st.integers(0, 60)
DIFFERENCES = st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=30)
SIDES = st.sampled_from(["greater", "less"])
Side = Literal["greater", "less"]


def bets_one_by_one(differences: list[float], null: float, sign: int, target: float) -> float:
    """Log E after the last item, from a loop over plain numbers."""
    fortune, squares = 1.0, 0.0
    for asked, difference in enumerate(differences):
        spread = (squares + 0.15 * 30) / (asked + 30) - 2 * null * (null + sign * target) + null**2
        stake = min(target / max(spread, 1e-3), 0.9 / (1 + sign * null))
        fortune *= 1 + sign * stake * (difference - null)
        squares += difference**2
    return math.log(fortune)


# McNemar


def test_reference_mcnemar() -> None:
    assert np.exp(mcnemar_log_e(15, 5, 1.0)) == pytest.approx(3.220600521, abs=5e-10)
    assert np.exp(mcnemar_log_e(16, 6, 1.0)) == pytest.approx(2.444092, abs=5e-7)
    assert np.exp(mcnemar_log_e(27, 85, 1.0)) == pytest.approx(713851.8896, abs=5e-5)


@given(COUNTS, COUNTS)
def test_mcnemar_uniform_mixture_is_a_fraction(gained: int, lost: int) -> None:
    flips = gained + lost
    exact = Fraction(2**flips, (flips + 1) * math.comb(flips, gained))
    assert math.exp(mcnemar_log_e(gained, lost, 1.0)) == pytest.approx(float(exact), rel=1e-11)


@given(COUNTS, COUNTS, st.sampled_from([0.5, 1.0, 5.0, 20.0]))
def test_mcnemar_is_a_fair_bet_on_every_flip(gained: int, lost: int, a: float) -> None:
    """Under the null the next flip goes either way alike, and the mean of what it makes of E is E."""
    now = mcnemar_log_e(gained, lost, a)
    after = np.exp(mcnemar_log_e([gained + 1, gained], [lost, lost + 1], a) - now)
    assert after.mean() == pytest.approx(1.0)
    assert mcnemar_log_e(lost, gained, a) == now


def test_mcnemar_starts_from_one() -> None:
    assert mcnemar_log_e(0, 0) == 0.0
    assert np.isfinite(mcnemar_log_e(100_000, 3))


# Bets


def test_reference_bets() -> None:
    differences = [0, 1, 0, -1, 0, 0, -1, 0, -1, 0] * 20
    found = margin_log_e(differences, 0.0, "less", 0.05)
    assert found[[49, 99, 199]] == pytest.approx([1.48737, 2.78489, 5.20618], abs=5.1e-6)


@given(DIFFERENCES, st.sampled_from([-0.1, -0.03, 0.0, 0.05]), SIDES, st.sampled_from([0.02, 0.1, 5.0]))
def test_bets_are_the_loop(differences: list[float], null: float, side: Side, target: float) -> None:
    sign = 1 if side == "greater" else -1
    expected = bets_one_by_one(differences, null, sign, target)
    assert margin_log_e(differences, null, side, target)[-1] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("null", [-0.05, 0.0, 0.25])
@pytest.mark.parametrize("side", ["greater", "less"])
def test_bets_are_fair_at_the_border_of_the_null(null: float, side: Side) -> None:
    """Mean of E over all sequences of six items with mean `null`, each weighed with its chance."""
    values = np.array([-1.0, 0.0, 1.0])
    chances = np.array([0.2 - null / 2, 0.6, 0.2 + null / 2])
    cases = np.array(list(product(range(3), repeat=6)))
    weights = chances[cases].prod(axis=1)
    e = np.exp(margin_log_e(values[cases], null, side, 0.05))
    assert weights @ e == pytest.approx(np.ones(6))
    assert e.std() > 0.01
    if null == 0.0:
        assert weights @ np.exp(zero_log_e(values[cases], side)) == pytest.approx(np.ones(6))


def test_zero_null_is_the_weighted_mean_of_its_bets() -> None:
    differences = np.random.default_rng(4).choice([-1.0, 0.0, 1.0], p=[0.3, 0.6, 0.1], size=(2, 80))
    parts = [np.exp(margin_log_e(differences, 0.0, "less", target)) for target in TARGETS]
    expected = sum(weight * part for weight, part in zip(TARGET_WEIGHTS, parts, strict=True))
    assert np.exp(zero_log_e(differences, "less")) == pytest.approx(expected)
    assert sum(TARGET_WEIGHTS) == pytest.approx(1.0)


@given(DIFFERENCES, SIDES)
def test_swapping_the_models_swaps_the_sides(differences: list[float], side: Side) -> None:
    other: Side = "less" if side == "greater" else "greater"
    swapped = -np.array(differences)
    assert zero_log_e(differences, side) == pytest.approx(zero_log_e(swapped, other), abs=1e-12)
    assert margin_log_e(differences, -0.03, side, 0.03) == pytest.approx(
        margin_log_e(swapped, 0.03, other, 0.03), abs=1e-12
    )


def test_false_alarms_stay_below_alpha() -> None:
    """400 items, looked at after each, no difference; the McNemar process looks after each flip."""
    differences = np.random.default_rng(8).choice([-1.0, 0.0, 1.0], p=[0.1, 0.8, 0.1], size=(2000, 400))
    for side in ("greater", "less"):
        assert (anytime_p(zero_log_e(differences, side))[:, -1] <= 0.05).mean() < 0.05
    gained, lost = np.cumsum(differences > 0, axis=1), np.cumsum(differences < 0, axis=1)
    assert (anytime_p(mcnemar_log_e(gained, lost))[:, -1] <= 0.05).mean() < 0.05


def test_true_differences_are_found() -> None:
    differences = np.random.default_rng(8).choice([-1.0, 0.0, 1.0], p=[0.15, 0.8, 0.05], size=(200, 1000))
    assert (anytime_p(zero_log_e(differences, "less"))[:, -1] <= 0.05).mean() > 0.95
    assert (anytime_p(margin_log_e(differences, 0.0, "greater", 0.05))[:, -1] <= 0.05).mean() < 0.05


# What is made of them


def test_anytime_p_latches() -> None:
    assert anytime_p(np.log([0.5, 4.0, 2.0, 25.0, 0.1])) == pytest.approx([1.0, 0.25, 0.25, 0.04, 0.04])
    assert 0.0 < anytime_p([1e6])[0] < 1e-300


def test_reference_calibrator() -> None:
    assert p_to_e([0.001, 0.01, 0.05]) == pytest.approx([20.7911, 4.4510, 1.7833], abs=5.1e-5)
    assert p_to_e([0.0, 1.0]).tolist() == [math.inf, 0.5]


def test_calibrator_is_worth_one_on_average() -> None:
    """Over uniform p, substituted by p = exp(-x) for the singular end; what is left out beyond x = X is 1 / X."""
    edges = np.concatenate([np.linspace(0.0, 1.0, 4001), np.geomspace(1.0, 700.0, 40_001)[1:]])
    x = (edges[1:] + edges[:-1]) / 2.0
    total = np.sum(p_to_e(np.exp(-x)) * np.exp(-x) * np.diff(edges))
    assert total == pytest.approx(1.0 - 1.0 / 700.0, abs=1e-5)


@pytest.mark.parametrize("p", [0.5, 0.99, 0.991, 0.999, 0.999999])
def test_calibrator_keeps_its_digits_near_one(p: float) -> None:
    with localcontext() as context:
        context.prec = 50
        exact, log = Decimal(p), Decimal(p).ln()
        expected = float((1 - exact + exact * log) / (exact * log**2))
    assert p_to_e(p) == pytest.approx(expected, rel=1e-12)


def test_calibrator_falls_smoothly() -> None:
    e = p_to_e(np.exp(-np.linspace(0.0, 0.05, 5001)))
    assert np.all(np.diff(e) > 0.0)
    assert np.diff(e).max() < 1.1 * np.diff(e).min()


def test_reference_e_bh() -> None:
    assert e_bh([50, 30, 25, 2, 1], 0.1).tolist() == [True, True, True, False, False]
    assert e_bh([2, 50, 1, 25, 30], 0.1).tolist() == [False, True, False, True, True]
    assert e_bh([]).tolist() == []
    assert e_bh([9.0]).tolist() == [False]


@given(st.lists(st.floats(0.0, 300.0), min_size=1, max_size=8), st.sampled_from([0.05, 0.1, 0.3]))
def test_e_bh_takes_the_largest_set_that_pays(e: list[float], alpha: float) -> None:
    """By trying all sizes: every one of the k rejected is worth at least J / (k alpha)."""
    sizes = [k for k in range(len(e) + 1) if sum(value * k * alpha >= len(e) for value in e) >= k]
    rejected = e_bh(e, alpha)
    assert rejected.sum() == sizes[-1]
    assert min(np.array(e)[rejected], default=math.inf) >= max(np.array(e)[~rejected], default=0.0)


def test_refuses_what_it_cannot_bet_on() -> None:
    with pytest.raises(ValueError, match="counts"):
        mcnemar_log_e(-1, 2)
    with pytest.raises(ValueError, match="differences"):
        margin_log_e([1.5], 0.0, "less", 0.05)
    with pytest.raises(ValueError, match="null"):
        margin_log_e([0.5], 1.0, "less", 0.05)
    with pytest.raises(ValueError, match="target"):
        margin_log_e([0.5], 0.0, "less", 0.0)
    with pytest.raises(ValueError, match="p-values"):
        p_to_e([1.2])
    with pytest.raises(ValueError, match="e-values"):
        e_bh([-1.0])
