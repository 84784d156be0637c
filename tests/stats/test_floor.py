"""Excess flips and the noise floor."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from hydrometer.stats.floor import excess_flips, noise_floor
from hydrometer.stats.intervals import wilson_interval
from hydrometer.stats.paired import tango_interval


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
@settings(deadline=None)
def test_excess_counts_items(flips: list[tuple[bool, bool]]) -> None:
    found = excess_flips([s for s, _ in flips], [b for _, b in flips])
    more, fewer = (sum(pair == kind for pair in flips) for kind in ((True, False), (False, True)))
    assert found.excess == pytest.approx((more - fewer) / len(flips))
    assert found.excess == pytest.approx(found.student - found.floor)
    assert (found.low, found.high) == tuple(map(float, tango_interval(more, fewer, len(flips))))
    rarer, total = min(more, fewer), more + fewer
    midp = 2 * binom.cdf(rarer, total, 0.5) - binom.pmf(rarer, total, 0.5)
    assert found.p_value == pytest.approx(min(1.0, midp))


def test_another_run_of_the_base_has_no_excess() -> None:
    random = np.random.default_rng(1)
    p_values = []
    for _ in range(400):
        first, second, third = random.random((3, 300)) < random.beta(0.4, 0.4, 300)
        p_values.append(excess_flips(third != first, second != first).p_value)
    assert np.mean(np.array(p_values) <= 0.05) <= 0.075


def test_a_different_model_with_the_same_score_shows() -> None:
    random = np.random.default_rng(2)
    student, floor = random.random(500) < 0.15, random.random(500) < 0.04
    found = excess_flips(student, floor)
    assert found.low > 0.05
    assert found.p_value < 1e-4


def test_without_items() -> None:
    assert excess_flips([], []) == (0.0, 0.0, 0.0, -1.0, 1.0, 1.0, 0)


def test_noise_floor_published() -> None:
    """5 % flips, 1000 items: 2.8 sqrt(psi / n) is 2.0 points, and the margin 1.4 half-widths."""
    assert noise_floor(15, 300, 1000) == pytest.approx(1.4 * 1.96 * math.sqrt(0.05 / 1000))
    assert 100 * noise_floor(15, 300, 1000) == pytest.approx(1.94, abs=5e-3)
    assert noise_floor(0, 300, 1000) == 0.0


@given(
    st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.sampled_from([0.8, 0.95]),
)
@settings(deadline=None)
def test_wilson(counts: tuple[int, int], level: float) -> None:
    low, high = wilson_interval(*counts, level)
    oracle = proportion_confint(*counts, alpha=1 - level, method="wilson")
    assert (float(low), float(high)) == pytest.approx(oracle, abs=1e-12)
    assert 0.0 <= low < high <= 1.0


def test_wilson_without_trials_and_arrays() -> None:
    low, high = wilson_interval([0, 3], [0, 10])
    assert (low[0], high[0]) == (0.0, 1.0)
    assert low[1] == wilson_interval(3, 10)[0]


def test_refuses() -> None:
    with pytest.raises(ValueError, match="same items"):
        excess_flips([True], [True, False])
    with pytest.raises(ValueError, match="true or false"):
        excess_flips([1, 0], [0, 1])
    with pytest.raises(ValueError, match="flips within them"):
        noise_floor(4, 3, 100)
    with pytest.raises(ValueError, match="flips within them"):
        noise_floor(0, 0, 100)
    with pytest.raises(ValueError, match="more than the trials"):
        wilson_interval(4, 3)
