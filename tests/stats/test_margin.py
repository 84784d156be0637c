"""The four one-sided tests."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr
from scipy.stats import binom

from hydrometer.stats.estimate import Paired
from hydrometer.stats.margin import FourTests, four_tests, fraction_tests, table_tests
from hydrometer.stats.paired import mcnemar_midp, plus_two_z, tango_interval

COUNTS = st.integers(0, 40)


def table(gained: int, lost: int, n: int) -> Paired:
    """Scores of a table in which both models are right on the rest."""
    counts = [n - gained - lost, gained, lost]
    return Paired(base=np.repeat([1.0, 0.0, 1.0], counts), student=np.repeat([1.0, 1.0, 0.0], counts))


def test_published_margin_tests() -> None:
    """Cavo 2012: 6 against 16 of 161; Tango z(-.10) = 1.24892 and z(-.15) = 2.66792."""
    assert four_tests(table(6, 16, 161), 0.10).above_lower == pytest.approx(0.10585, abs=5e-6)
    assert four_tests(table(6, 16, 161), 0.15).above_lower == pytest.approx(0.00382, abs=5e-6)
    assert four_tests(table(16, 6, 161), 0.15).below_upper == pytest.approx(0.00382, abs=5e-6)


def test_direction_of_every_test() -> None:
    tests = four_tests(table(6, 16, 161), 0.10)
    assert tests.worse == pytest.approx(0.034690 / 2, abs=5e-7)
    assert tests.better == pytest.approx(1 - 0.034690 / 2, abs=5e-7)
    assert tests.below_upper < 0.001 < tests.above_lower
    assert tests.inside == tests.above_lower


@given(COUNTS, COUNTS, COUNTS, st.floats(0.005, 0.5))
@settings(deadline=None)
def test_swapping_the_models_swaps_the_tests(gained: int, lost: int, more: int, margin: float) -> None:
    n = gained + lost + more
    one, other = four_tests(table(gained, lost, n), margin), four_tests(table(lost, gained, n), margin)
    assert (one.better, one.worse) == (other.worse, other.better)
    assert (one.above_lower, one.below_upper) == pytest.approx((other.below_upper, other.above_lower))
    assert one.two_sided == pytest.approx(float(mcnemar_midp(gained, lost)))


@given(COUNTS, COUNTS, COUNTS, st.sampled_from([0.01, 0.03, 0.1]))
@settings(deadline=None)
def test_equivalence_is_the_90_percent_interval_inside_the_margin(
    gained: int, lost: int, more: int, margin: float
) -> None:
    n = gained + lost + more
    low, high = tango_interval(gained, lost, n, 0.90)
    # The binomial tail may hold an equivalence back that Tango's interval allows, never the other way round.
    net = abs(lost - gained)
    one_way = max(binom.cdf(net, n, margin), 0.0)
    inside = four_tests(table(gained, lost, n), margin).inside
    assert (inside < 0.05) == (-margin < low and high < margin and one_way < 0.05)


@pytest.mark.parametrize(("n", "flips"), [(90, 0.03), (87, 0.031), (147, 0.0325), (200, 0.03), (361, 0.035)])
def test_false_equivalence_at_the_margin_by_enumeration(n: int, flips: float) -> None:
    """All tables of n pairs with a true loss of exactly 3 points. Tango's score alone reaches 6.5 % at 90 pairs."""
    margin = 0.03
    loss, gain = (flips + margin) / 2, (flips - margin) / 2
    lost, gained = (grid.ravel() for grid in np.meshgrid(np.arange(60), np.arange(12)))
    chance = binom.pmf(gained, n, gain) * binom.pmf(lost, n - gained, loss / (1 - gain))
    tests = table_tests(gained, lost, n, margin)
    wrong = chance[(tests[:, 2] <= 0.05) & (tests[:, 3] <= 0.05)].sum()
    assert chance.sum() == pytest.approx(1.0, abs=1e-6)
    assert wrong <= 0.051


@pytest.mark.parametrize(("margin", "enough"), [(0.05, 59), (0.03, 99)])
def test_no_flips_show_nothing_before_enough_pairs(margin: float, enough: int) -> None:
    assert four_tests(table(0, 0, enough - 1), margin).inside > 0.05
    assert four_tests(table(0, 0, enough), margin).inside <= 0.05


def test_without_pairs_nothing_is_shown() -> None:
    tests = four_tests(table(0, 0, 0), 0.03)
    assert tests == FourTests(better=0.5, worse=0.5, above_lower=1.0, below_upper=1.0)
    assert tests.two_sided == 1.0


def test_fractional_scores_use_plus_two() -> None:
    paired = Paired(base=np.linspace(0.1, 0.9, 60), student=np.linspace(0.05, 0.8, 60))
    tests, d = four_tests(paired, 0.1), paired.differences
    assert tests.worse == pytest.approx(ndtr(plus_two_z(d, 0.0)))
    assert tests.better == pytest.approx(1 - tests.worse)
    assert tests.above_lower == pytest.approx(ndtr(-plus_two_z(d, -0.1)))
    assert tests.below_upper == pytest.approx(ndtr(plus_two_z(d, 0.1)))
    assert tests.worse < 0.5 < tests.better


def test_equal_fractional_scores_are_not_equivalent_at_once() -> None:
    same = np.full(40, 0.5)
    assert four_tests(Paired(base=same, student=same), 0.03).inside > 0.05


@pytest.mark.parametrize("margin", [0.0, -0.03, 1.0, 3.0])
def test_refuses_a_margin_that_is_no_share(margin: float) -> None:
    with pytest.raises(ValueError, match=r"0\.03 is 3 points"):
        four_tests(table(1, 1, 10), margin)


@pytest.mark.parametrize(("n", "flips"), [(129, 0.03), (223, 0.04), (379, 0.05)])
@pytest.mark.parametrize("samples", [1, 2, 4])
def test_few_fractional_differences_are_not_equivalence(n: int, flips: float, samples: int) -> None:
    """A true loss of 3 points from few items, in worlds where the studentised test alone errs in up to 10 %."""
    random, worlds, margin = np.random.default_rng(n), 4000, 0.03
    size = np.ones((worlds, n)) if samples == 1 else random.binomial(samples, 0.5, size=(worlds, n)) / samples
    grown = 1.0 if samples == 1 else 2.0
    loss, gain = grown * (flips + margin) / 2, grown * (flips - margin) / 2
    d = random.choice([-1, 0, 1], p=[loss, 1 - loss - gain, gain], size=(worlds, n)) * size
    tests = fraction_tests(d.sum(1), (d**2).sum(1), n, margin, absolute=np.abs(d).sum(1))
    assert (np.maximum(tests[:, 2], tests[:, 3]) <= 0.05).mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / worlds)


def test_fractional_tests_of_whole_flips_are_never_bolder_than_tangos() -> None:
    gained, lost = (grid.ravel() for grid in np.meshgrid(np.arange(12), np.arange(12)))
    whole = table_tests(gained, lost, 150, 0.03)[:, 2:]
    fractional = fraction_tests(gained - lost, gained + lost, 150, 0.03)[:, 2:]
    assert (fractional >= whole - 1e-12).all()
