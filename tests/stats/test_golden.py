"""Published numbers that no other test of this folder pins, and the wrong answers that other tools give.

Sources: statsmodels' tests of McNemar; the exact2x2 vignette; Cavo et al. (2012) as in the R package contingencytables;
R's sleep data as in the TOSTER introduction; statsmodels and scipy as oracles at run time.
"""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.weightstats import ttost_paired

from hydrometer.stats.clusters import cluster_error, cluster_interval, cluster_tests
from hydrometer.stats.estimate import Paired
from hydrometer.stats.intervals import bonett_price_interval, newcombe_interval, wilson_interval
from hydrometer.stats.lengths import length_ratio
from hydrometer.stats.margin import four_tests
from hydrometer.stats.paired import (
    estimate,
    mcnemar_exact,
    mcnemar_midp,
    plus_two_interval,
    plus_two_z,
    tango_interval,
    tango_z,
)

COUNTS = st.integers(0, 60)
SLEEP_ONE = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
SLEEP_TWO = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
GROUPED = np.array([1, 0, 0, -1, 1, 1, 0, 0, -1, -1, 0, 1, 0, 0, 0, -1, -1, -1, 0, 1], dtype=np.float64)


def table(both: int, gained: int, lost: int, neither: int) -> Paired:
    counts = [both, gained, lost, neither]
    return Paired(
        base=np.repeat([1.0, 0.0, 1.0, 0.0], counts), student=np.repeat([1.0, 1.0, 0.0, 0.0], counts)
    )


class TestPublished:
    @pytest.mark.parametrize(
        ("gained", "lost", "n", "chi2", "p"),
        [
            (121, 59, 314, 21.35556, 3.815136e-06),
            (9, 2, 44, 4.4545, 0.03481),
            (6, 16, 161, 2.132**2, 0.033006),
        ],
    )
    def test_score_statistic_at_zero_is_mcnemars(
        self, gained: int, lost: int, n: int, chi2: float, p: float
    ) -> None:
        z = float(tango_z(gained, lost, n, 0.0))
        assert z**2 == pytest.approx(chi2, rel=5e-4)
        assert 2 * ndtr(-abs(z)) == pytest.approx(p, rel=5e-4)
        oracle = mcnemar([[0, gained], [lost, 0]], exact=False, correction=False)
        assert z**2 == pytest.approx(oracle.statistic)

    @given(COUNTS, COUNTS)
    @settings(deadline=None, max_examples=50)
    def test_exact_p_value_is_that_of_statsmodels(self, gained: int, lost: int) -> None:
        if gained + lost:
            oracle = mcnemar([[7, gained], [lost, 9]], exact=True).pvalue
            assert mcnemar_exact(gained, lost) == pytest.approx(min(1.0, oracle))

    def test_every_interval_of_cavo(self) -> None:
        found = {
            "tango": tango_interval(6, 16, 161),
            "newcombe": newcombe_interval(59, 6, 16, 80),
            "plain": newcombe_interval(59, 6, 16, 80, corrected=False),
            "bonett-price": bonett_price_interval(6, 16, 161),
        }
        printed = {
            "tango": (-0.1240, -0.0054),
            "newcombe": (-0.1186, -0.0046),
            "plain": (-0.1174, -0.0059),
            "bonett-price": (-0.1195, -0.0032),
        }
        assert {k: tuple(round(float(x), 4) for x in v) for k, v in found.items()} == printed

    def test_cluster_error_is_that_of_clustered_least_squares(self) -> None:
        labels = np.repeat(np.arange(5), 4)
        found = cluster_error(GROUPED, labels)
        assert found.error == pytest.approx(0.1457738, abs=5e-8)
        fit = sm.OLS(GROUPED, np.ones(20)).fit(
            cov_type="cluster", cov_kwds={"groups": labels, "df_correction": True}
        )
        # statsmodels multiplies by (n - 1) / (n - k) too, which is 1 for a mean.
        assert found.error == pytest.approx(float(fit.bse[0]))
        assert (found.mean, found.freedom) == (pytest.approx(GROUPED.mean()), 4)

    def test_paired_t_of_the_sleep_data(self) -> None:
        found = cluster_error(SLEEP_ONE - SLEEP_TWO, np.arange(10))
        assert found.mean == pytest.approx(-1.58)
        assert found.error == pytest.approx(0.388959, abs=5e-6)
        assert found.mean / found.error == pytest.approx(-4.0621, abs=5e-5)
        assert (found.mean + 0.5) / found.error == pytest.approx(-2.7766, abs=5e-5)
        assert ttost_paired(SLEEP_ONE, SLEEP_TWO, -0.5, 0.5)[0] == pytest.approx(0.9892407566)
        ratio = length_ratio(np.exp(SLEEP_TWO + 9), np.exp(SLEEP_ONE + 9))
        assert math.log(ratio.ratio) == pytest.approx(-1.58)
        assert math.log(ratio.high / ratio.low) / 2 == pytest.approx(2.262157 * 0.388959, rel=1e-5)


class TestWrongAnswersOfOtherTools:
    def test_nearly_equal_student_is_not_worse(self) -> None:
        """1000 items, 4 % flips, 0.4 points lost: within the margin of 3 points, and no difference is shown."""
        tests = four_tests(table(700, 18, 22, 260), 0.03)
        assert tests.two_sided > 0.5
        assert tests.inside < 0.001

    def test_four_against_none_is_not_significant(self) -> None:
        """A normal approximation says .0455; and 300 items without a gain are still equivalent at no 1 point."""
        paired = table(200, 0, 4, 96)
        assert estimate(paired).p_value == pytest.approx(0.0625)
        assert 2 * ndtr(-abs(tango_z(0, 4, 300, 0.0))) < 0.05
        assert four_tests(paired, 0.01).inside > 0.05

    def test_eight_against_none_is_not_certain(self) -> None:
        """A resampling test that never sees the other sign says 0."""
        assert mcnemar_exact(0, 8) == pytest.approx(2 / 2**8)
        assert round(float(mcnemar_exact(0, 8)), 4) == 0.0078
        low, high = tango_interval(0, 8, 300)
        assert low < -8 / 300 < high < 0.0

    def test_copies_of_an_item_are_no_evidence(self) -> None:
        """As rows they make any difference certain; as clusters they change nothing."""
        flips = np.repeat([1.0, -1.0, 0.0], [3, 8, 19])
        copied, labels = np.repeat(flips, 40), np.repeat(np.arange(30), 40)
        assert abs(float(plus_two_z(copied, 0.0))) > 6.0
        above, below = cluster_tests(copied, labels, [0.0])
        alone = cluster_tests(flips, np.arange(30), [0.0])
        assert min(above[0], below[0]) > 0.05
        assert (above[0], below[0]) == pytest.approx((alone[0][0], alone[1][0]), abs=0.01)


class TestProperties:
    @given(COUNTS, COUNTS, st.integers(0, 200))
    @settings(deadline=None)
    def test_score_interval_holds_zero_just_as_the_test_says(self, gained: int, lost: int, more: int) -> None:
        n = gained + lost + more
        low, high = tango_interval(gained, lost, n)
        if abs(abs(float(tango_z(gained, lost, n, 0.0))) - 1.959963984540054) > 1e-9:
            assert (low <= 0.0 <= high) == (abs(tango_z(gained, lost, n, 0.0)) <= 1.959963984540054)

    @given(COUNTS, COUNTS, COUNTS, COUNTS)
    @settings(deadline=None, max_examples=50)
    def test_swapping_the_models_mirrors_the_tests(
        self, both: int, gained: int, lost: int, neither: int
    ) -> None:
        one, other = (
            four_tests(table(both, *flips, neither), 0.05) for flips in ((gained, lost), (lost, gained))
        )
        assert (one.better, one.above_lower) == pytest.approx((other.worse, other.below_upper))
        assert one.inside == pytest.approx(other.inside)

    @given(st.integers(0, 2**32 - 1))
    @settings(deadline=None, max_examples=30)
    def test_order_of_items_changes_nothing(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        values, labels = random.choice([-1.0, 0.0, 0.5], 60), random.integers(0, 14, 60)
        order = random.permutation(60)
        renamed = random.permutation(100)[labels]
        assert cluster_interval(values[order], labels[order], 0.95) == pytest.approx(
            cluster_interval(values, renamed, 0.95)
        )
        assert plus_two_interval(values[order]) == pytest.approx(plus_two_interval(values))

    def test_a_model_against_itself(self) -> None:
        """Two runs of one model, shuffled: 5 % false differences at most, by any engine."""
        random = np.random.default_rng(5)
        chance = random.beta(0.5, 0.5, 400)
        p_values = []
        for _ in range(500):
            one, other = (random.random((2, 400)) < chance).astype(np.float64)
            found = cluster_tests(other - one, np.repeat(np.arange(40), 10), [0.0])
            p_values.append(
                (float(mcnemar_midp(int((other > one).sum()), int((one > other).sum()))), 2 * min(*found)[0])
            )
        assert (np.mean(np.array(p_values) <= 0.05, axis=0) <= 0.05 + 0.027).all()

    def test_share_intervals(self) -> None:
        """5 % flips in 300 items lie between 3.1 and 8.1 %."""
        low, high = wilson_interval(15, 300)
        assert (100 * low, 100 * high) == pytest.approx((3.05, 8.09), abs=0.02)
