"""Tests and intervals of a paired difference, against published values and slow obvious twins."""

import math
from decimal import Decimal, localcontext
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from hydrometer.stats.estimate import Paired
from hydrometer.stats.paired import (
    estimate,
    flips,
    mcnemar_exact,
    mcnemar_midp,
    mcnemar_midp_gain,
    plus_two_interval,
    plus_two_z,
    tango_interval,
    tango_z,
)

Z95 = 1.959963984540054
COUNTS = st.integers(0, 40)


def table(both: int, gained: int, lost: int, neither: int = 0) -> Paired:
    """Scores of a fourfold table."""
    counts = [both, gained, lost, neither]
    return Paired(
        base=np.repeat([1.0, 0.0, 1.0, 0.0], counts), student=np.repeat([1.0, 1.0, 0.0, 0.0], counts)
    )


def enumerate_midp(gained: int, lost: int) -> float:
    """Two-sided mid-p value by adding up binomial coefficients."""
    flipped, rarer = gained + lost, min(gained, lost)
    below = sum(math.comb(flipped, k) for k in range(rarer))
    return min(1.0, float((2 * below + math.comb(flipped, rarer)) / 2**flipped))


def tango_z_by_likelihood(gained: int, lost: int, n: int, delta: float) -> float:
    """Tango's z with the constrained chance of a loss found by scanning the likelihood."""
    chances = np.linspace(max(0.0, -delta), (1.0 - delta) / 2.0, 200_001)[1:-1]
    likelihood = (
        gained * np.log(chances + delta)
        + lost * np.log(chances)
        + (n - gained - lost) * np.log1p(-2 * chances - delta)
    )
    q = float(chances[np.argmax(likelihood)])
    return (gained - lost - n * delta) / math.sqrt(n * (2 * q + delta - delta**2))


def textbook_tango_z(gained: int, lost: int, n: int, delta: float) -> float:
    """Tango's z by the published root, in 60 decimal digits."""
    with localcontext() as context:
        context.prec = 60
        b, c, pairs, d = Decimal(gained), Decimal(lost), Decimal(n), Decimal(delta)
        linear = -b - c + (2 * pairs - b + c) * d
        q = ((linear**2 + 8 * pairs * c * d * (1 - d)).sqrt() - linear) / (4 * pairs)
        spread = (pairs * (2 * q + d * (1 - d))).sqrt()
        return float((b - c - pairs * d) / spread) if spread > Decimal("1e-25") else 0.0


class TestMcNemar:
    @pytest.mark.parametrize(
        ("gained", "lost", "p"),
        [
            (121, 59, 4.434e-6),
            (70, 59, 0.378688),
            (80, 59, 0.089452),
            (30, 60, 0.00206),
            (10, 30, 0.002221),
            (10, 10, 1.0),
            (9, 2, 0.0654297),
            (6, 16, 0.052479),
            (1, 7, 0.0703125),
            (8, 0, 0.0078125),
        ],
    )
    def test_exact_published(self, gained: int, lost: int, p: float) -> None:
        assert mcnemar_exact(gained, lost) == pytest.approx(p, rel=2e-4)

    @pytest.mark.parametrize(
        ("gained", "lost", "p"), [(9, 2, 0.0385742), (6, 16, 0.034690), (1, 7, 0.0390625), (4, 0, 0.0625)]
    )
    def test_midp_published(self, gained: int, lost: int, p: float) -> None:
        assert mcnemar_midp(gained, lost) == pytest.approx(p, rel=2e-5)

    @given(COUNTS, COUNTS)
    @settings(deadline=None)
    def test_midp_adds_up_binomials(self, gained: int, lost: int) -> None:
        assert mcnemar_midp(gained, lost) == pytest.approx(enumerate_midp(gained, lost), rel=1e-12)

    @given(COUNTS, COUNTS)
    @settings(deadline=None)
    def test_exact_is_the_binomial_test(self, gained: int, lost: int) -> None:
        if gained + lost:
            oracle = binomtest(gained, gained + lost, 0.5).pvalue
            assert mcnemar_exact(gained, lost) == pytest.approx(oracle, rel=1e-9)

    @given(COUNTS, COUNTS)
    @settings(deadline=None)
    def test_directions_share_one_unit_of_probability(self, gained: int, lost: int) -> None:
        up, down = mcnemar_midp_gain(gained, lost), mcnemar_midp_gain(lost, gained)
        assert up + down == pytest.approx(1.0)
        assert (up < down) == (gained > lost)
        assert 2 * min(up, down) == pytest.approx(float(mcnemar_midp(gained, lost)))

    def test_four_against_none_is_not_significant(self) -> None:
        assert mcnemar_midp(0, 4) > 0.05

    def test_far_tail_keeps_its_digits(self) -> None:
        assert mcnemar_midp(0, 60) == pytest.approx(2.0**-60, rel=1e-12)

    def test_arrays_of_tables(self) -> None:
        assert mcnemar_midp([9, 6], [2, 16]).tolist() == [mcnemar_midp(9, 2), mcnemar_midp(6, 16)]

    @pytest.mark.parametrize("counts", [(-1, 2), (0.5, 2), (2, float("nan"))])
    def test_refuses_what_is_not_a_count(self, counts: tuple[float, float]) -> None:
        with pytest.raises(ValueError, match="whole numbers"):
            mcnemar_midp(*counts)


class TestTango:
    @pytest.mark.parametrize(
        ("gained", "lost", "n", "level", "low", "high"),
        [
            (6, 16, 161, 0.95, -0.1240, -0.0054),
            (6, 16, 161, 0.90, -0.11313, -0.01506),
            (1, 7, 21, 0.95, -0.517, -0.026),
            (16, 8, 86, 0.95, -0.020, 0.207),
            (9, 3, 32, 0.95, -0.027, 0.390),
            (0, 1, 44, 0.90, -0.096, 0.037),
            (3, 0, 3, 0.95, -0.1230, 1.0),
            (40, 20, 160, 0.95, 0.030865, 0.218064),
        ],
    )
    def test_interval_published(
        self, gained: int, lost: int, n: int, level: float, low: float, high: float
    ) -> None:
        digits = 10.0 ** -len(str(low).split(".")[1])
        assert tango_interval(gained, lost, n, level) == pytest.approx((low, high), abs=digits / 1.9)

    def test_statistic_published(self) -> None:
        z = tango_z(6, 16, 161, [0.0, -0.10, -0.15])
        assert z == pytest.approx([-2.132007, 1.24892, 2.66792], abs=1e-5)

    @given(COUNTS, COUNTS, st.integers(1, 60), st.floats(-0.9, 0.9))
    @settings(deadline=None, max_examples=30)
    def test_statistic_agrees_with_scanned_likelihood(
        self, gained: int, lost: int, more: int, delta: float
    ) -> None:
        n = gained + lost + more
        assert tango_z(gained, lost, n, delta) == pytest.approx(
            tango_z_by_likelihood(gained, lost, n, delta), abs=2e-3
        )

    @given(COUNTS, COUNTS, COUNTS)
    @settings(deadline=None, max_examples=50)
    def test_interval_agrees_with_grid(self, gained: int, lost: int, more: int) -> None:
        n = gained + lost + more
        low, high = tango_interval(gained, lost, n)
        grid = np.linspace(-1.0, 1.0, 2001)
        kept = grid[np.abs(tango_z(gained, lost, n, grid)) <= Z95]
        if n and kept.size:
            assert low <= kept.min() <= low + 0.001
            assert high - 0.001 <= kept.max() <= high

    @given(COUNTS, COUNTS, COUNTS, st.floats(-1.0, 1.0))
    @settings(deadline=None)
    def test_swapping_the_models_negates(self, gained: int, lost: int, more: int, delta: float) -> None:
        n = gained + lost + more
        assert tango_z(lost, gained, n, -delta) == -tango_z(gained, lost, n, delta)
        low, high = tango_interval(gained, lost, n)
        assert tango_interval(lost, gained, n) == (-high, -low)

    @given(COUNTS, COUNTS, COUNTS)
    @settings(deadline=None)
    def test_interval_holds_zero_exactly_where_z_is_small(self, gained: int, lost: int, more: int) -> None:
        n = gained + lost + more
        low, high = tango_interval(gained, lost, n)
        assert (low <= 0.0 <= high) == (abs(tango_z(gained, lost, n, 0.0)) <= Z95)

    @given(COUNTS, COUNTS)
    @settings(deadline=None)
    def test_statistic_at_zero_is_mcnemars(self, gained: int, lost: int) -> None:
        z = tango_z(gained, lost, gained + lost + 7, 0.0)
        assert z == pytest.approx((gained - lost) / math.sqrt(max(1, gained + lost)), abs=1e-9)

    @given(COUNTS, COUNTS, COUNTS)
    @settings(deadline=None)
    def test_interval_is_never_empty_or_outside(self, gained: int, lost: int, more: int) -> None:
        n = gained + lost + more
        low, high = tango_interval(gained, lost, n)
        assert -1.0 <= low < high <= 1.0
        assert low <= (gained - lost) / max(n, 1) <= high

    @pytest.mark.parametrize("n", [1, 10, 1000])
    def test_width_without_a_flip(self, n: int) -> None:
        reach = Z95**2 / (n + Z95**2)
        assert tango_interval(0, 0, n) == pytest.approx((-reach, reach))

    def test_without_pairs_nothing_is_known(self) -> None:
        assert list(tango_interval(0, 0, 0)) == [-1.0, 1.0]
        assert tango_z(0, 0, 0, [-0.03, 0.0, 0.03]).tolist() == [0.0, 0.0, 0.0]

    def test_extreme_null_values(self) -> None:
        assert tango_z(3, 1, 9, [-1.0, 1.0]).tolist() == [math.inf, -math.inf]
        assert tango_z(9, 0, 9, 1.0) == 0.0
        assert tango_z(0, 9, 9, -1.0) == 0.0

    @given(COUNTS, COUNTS, st.integers(1, 10**6), st.floats(-0.999, 0.999))
    @settings(deadline=None)
    def test_statistic_keeps_its_digits(self, gained: int, lost: int, more: int, delta: float) -> None:
        n = gained + lost + more
        assert tango_z(gained, lost, n, delta) == pytest.approx(
            textbook_tango_z(gained, lost, n, delta), rel=1e-9
        )

    def test_arrays_of_tables(self) -> None:
        low, high = tango_interval([6, 1], [16, 7], [161, 21])
        assert [low[1], high[1]] == list(tango_interval(1, 7, 21))

    @pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
    def test_refuses_a_level_that_is_no_probability(self, level: float) -> None:
        with pytest.raises(ValueError, match="level"):
            tango_interval(1, 2, 10, level)

    def test_refuses_more_flips_than_pairs(self) -> None:
        with pytest.raises(ValueError, match="cannot exceed the pairs"):
            tango_interval(6, 6, 11)


SCORES = st.lists(st.floats(-1.0, 1.0).map(lambda x: round(x, 3)), min_size=1, max_size=40)


class TestPlusTwo:
    @given(SCORES, st.floats(-1.0, 1.0), st.sampled_from([0.5, 1.0]))
    @settings(deadline=None)
    def test_statistic_is_that_of_the_padded_sample(
        self, differences: list[float], m: float, pseudo: float
    ) -> None:
        n = len(differences)
        padded = np.array([*differences, pseudo, -pseudo])
        error = padded.std() / math.sqrt(n + 2)
        assert plus_two_z(differences, m, pseudo) == pytest.approx((padded.mean() - m * n / (n + 2)) / error)

    @given(SCORES)
    @settings(deadline=None)
    def test_interval_inverts_the_statistic(self, differences: list[float]) -> None:
        low, high = plus_two_interval(differences)
        assert -1.0 <= low < high <= 1.0
        if low > -1.0:
            assert plus_two_z(differences, low) == pytest.approx(Z95)
        if high < 1.0:
            assert plus_two_z(differences, high) == pytest.approx(-Z95)

    @given(SCORES, st.randoms(use_true_random=False))
    @settings(deadline=None)
    def test_swap_negates_and_order_is_nothing(self, differences: list[float], random: Random) -> None:
        shuffled = random.sample(differences, len(differences))
        low, high = plus_two_interval(differences)
        assert plus_two_interval([-d for d in shuffled]) == pytest.approx((-high, -low))

    def test_equal_scores_do_not_give_zero_width(self) -> None:
        low, high = plus_two_interval(np.zeros(100))
        assert high == -low > 0.02

    def test_without_pairs_nothing_is_known(self) -> None:
        assert plus_two_interval([]) == (-1.0, 1.0)
        assert plus_two_z([], [0.0, 0.03]).tolist() == [0.0, 0.0]

    def test_approaches_the_t_statistic(self) -> None:
        d = np.random.default_rng(5).uniform(-0.4, 0.6, 20_000)
        assert plus_two_z(d, 0.0) == pytest.approx(d.mean() / d.std() * math.sqrt(d.size), rel=1e-3)

    def test_refuses_no_pseudo_units(self) -> None:
        with pytest.raises(ValueError, match="zero width"):
            plus_two_interval([0.0, 0.0], pseudo=0.0)


class TestEstimate:
    def test_right_and_wrong_scores(self) -> None:
        found = estimate(table(59, 6, 16, 80))
        assert (found.n, found.gained, found.lost) == (161, 6, 16)
        assert found.base == pytest.approx(75 / 161)
        assert found.student == pytest.approx(65 / 161)
        assert found.difference == pytest.approx(-10 / 161)
        assert (found.low, found.high) == pytest.approx((-0.1240, -0.0054), abs=5e-5)
        assert found.p_value == pytest.approx(0.034690, abs=5e-7)
        assert "Tango" in found.method

    def test_fractional_scores(self) -> None:
        paired = Paired(base=np.array([0.5, 1.0, 0.0]), student=np.array([1.0, 1.0, 0.25]), missing_student=2)
        found = estimate(paired, level=0.9)
        assert (found.gained, found.lost, found.missing_student, found.level) == (2, 0, 2, 0.9)
        assert (found.low, found.high) == pytest.approx(plus_two_interval([0.5, 0.0, 0.25], 0.9))
        assert found.p_value == pytest.approx(
            math.erfc(float(plus_two_z([0.5, 0.0, 0.25], 0.0)) / math.sqrt(2))
        )
        assert "plus-two" in found.method

    def test_without_pairs(self) -> None:
        empty = Paired(base=np.array([]), student=np.array([]), missing_base=3, missing_both=1)
        found = estimate(empty)
        assert (found.difference, found.low, found.high, found.p_value) == (0.0, -1.0, 1.0, 1.0)
        assert (found.missing_base, found.missing_both) == (3, 1)

    @given(COUNTS, COUNTS, COUNTS, COUNTS)
    @settings(deadline=None, max_examples=50)
    def test_adding_agreeing_pairs_leaves_the_p_value(
        self, both: int, gained: int, lost: int, more: int
    ) -> None:
        before, after = estimate(table(both, gained, lost)), estimate(table(both + more, gained, lost, more))
        assert before.p_value == after.p_value

    @given(COUNTS, COUNTS, COUNTS, st.booleans())
    @settings(deadline=None, max_examples=50)
    def test_is_plain_finite_numbers(self, both: int, gained: int, lost: int, fractional: bool) -> None:
        paired = table(both, gained, lost)
        if fractional:
            paired = Paired(base=paired.base / 2, student=paired.student)
        found = estimate(paired)
        numbers = [found.base, found.student, found.difference, found.low, found.high, found.p_value]
        assert all(type(x) is float and math.isfinite(x) for x in numbers)
        assert found.low <= found.difference <= found.high

    def test_flips_count_directions(self) -> None:
        assert flips(Paired(base=np.array([0.2, 0.5, 1.0, 1.0]), student=np.array([0.3, 0.5, 0.9, 0.0]))) == (
            1,
            2,
        )
