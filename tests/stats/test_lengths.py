"""Ratio of reply lengths."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp, ttest_rel

from hydrometer.stats.estimate import Paired
from hydrometer.stats.lengths import LARGEST_RATIO, length_ratio, pareto, tokens_per_point_ratio
from hydrometer.stats.margin import four_tests

TOKENS = st.integers(0, 100_000)


def test_agrees_with_the_paired_t_interval() -> None:
    random = np.random.default_rng(3)
    base = random.integers(20, 400, size=50)
    student = base * random.lognormal(-0.2, 0.4, size=50) + 1
    found = length_ratio(base, student)
    oracle = ttest_rel(np.log(student), np.log(base)).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((np.exp(oracle.low), np.exp(oracle.high)))
    assert found.ratio == pytest.approx(np.exp(np.log(student / base).mean()))
    assert found.n == 50


def test_halving_and_doubling_cancel() -> None:
    assert length_ratio([100, 100, 40, 40], [50, 200, 20, 80]).ratio == pytest.approx(1.0)


def test_empty_replies_count_as_one_token() -> None:
    assert length_ratio([0, 10], [10, 0]).ratio == pytest.approx(1.0)


def test_without_pairs_and_with_one() -> None:
    assert length_ratio([], []) == (1.0, 0.0, LARGEST_RATIO, 0)
    assert length_ratio([10], [20]) == pytest.approx((2.0, 0.0, LARGEST_RATIO, 1))


@given(st.lists(st.tuples(TOKENS, TOKENS), max_size=8))
@settings(deadline=None)
def test_is_json_and_in_order(pairs: list[tuple[int, int]]) -> None:
    found = length_ratio([b for b, _ in pairs], [s for _, s in pairs])
    json.dumps(found, allow_nan=False)
    assert 0.0 <= found.low <= found.ratio <= found.high <= LARGEST_RATIO


@given(st.lists(st.tuples(TOKENS, TOKENS), min_size=3, max_size=8))
@settings(deadline=None)
def test_swapping_the_models_inverts(pairs: list[tuple[int, int]]) -> None:
    base, student = [b for b, _ in pairs], [s for _, s in pairs]
    one, other = length_ratio(base, student), length_ratio(student, base)
    assert one.ratio * other.ratio == pytest.approx(1.0)


def test_refuses_unpaired_lengths_and_odd_levels() -> None:
    with pytest.raises(ValueError, match="equal and flat"):
        length_ratio([1, 2], [1])
    with pytest.raises(ValueError, match="level"):
        length_ratio([1, 2], [1, 2], level=95)


def answers(
    random: np.random.Generator, n: int, share: float = 0.12, mean: float = 0.0, log_ratio: float = -0.1
) -> tuple[Paired, np.ndarray, np.ndarray]:
    """Right/wrong scores with a share of flips, and lengths whose logs differ by `log_ratio` with sd 0.5."""
    draws = random.random(n)
    base = (random.random(n) < 0.6).astype(float)
    # A flip can only be a loss where the base was right, so the chances are those of all items over its share.
    lost, gained = (share - mean) / 2 / 0.6, (share + mean) / 2 / 0.4
    student = np.where(base == 1.0, draws >= lost, draws < gained).astype(float)
    tokens = random.lognormal(5.0, 0.6, n)
    return Paired(base=base, student=student), tokens, tokens * np.exp(random.normal(log_ratio, 0.5, n))


class TestPareto:
    def test_is_the_weaker_of_the_two_tests(self) -> None:
        paired, base, student = answers(np.random.default_rng(1), 600)
        found = pareto(paired, base, student, margin=0.03)
        assert found.noninferior == four_tests(paired, 0.03).above_lower
        oracle = ttest_1samp(np.log(student / base), 0.0, alternative="less").pvalue
        assert found.shorter == pytest.approx(oracle)
        assert found.both == max(found.noninferior, found.shorter)
        assert found.shown is (found.both <= 0.05)

    @pytest.mark.parametrize(
        ("mean", "log_ratio", "low", "high"),
        [(0.0, np.log(0.9), 0.58, 0.78), (-0.03, np.log(0.7), 0.0, 0.085), (0.0, 0.0, 0.0, 0.085)],
    )
    def test_power_and_boundaries(self, mean: float, log_ratio: float, low: float, high: float) -> None:
        """600 items, 12 % flips, margin of 3 points: power .68; at either boundary at most alpha."""
        random = np.random.default_rng(2)
        shown = [pareto(*answers(random, 600, 0.12, mean, log_ratio), margin=0.03).shown for _ in range(300)]
        assert low <= np.mean(shown) <= high

    def test_clusters_are_the_unit(self) -> None:
        paired, base, student = answers(np.random.default_rng(3), 12, log_ratio=-0.4)
        copied = Paired(
            base=np.repeat(paired.base, 30),
            student=np.repeat(paired.base, 30),
            clusters=np.repeat(np.arange(12), 30),
        )
        found = pareto(copied, np.repeat(base, 30), np.repeat(student, 30), margin=0.03)
        oracle = ttest_1samp(np.log(student / base), 0.0, alternative="less").pvalue
        assert found.shorter == pytest.approx(oracle)
        five = Paired(base=copied.base, student=copied.student, clusters=np.minimum(copied.clusters, 4))
        assert pareto(five, np.repeat(base, 30), np.repeat(student, 30), margin=0.03).shorter == 1.0

    def test_without_spread_or_pairs(self) -> None:
        same = Paired(base=np.ones(4), student=np.ones(4))
        assert pareto(same, [10] * 4, [10] * 4, margin=0.1).shorter == 1.0
        assert pareto(same, [16] * 4, [8] * 4, margin=0.1).shorter == 0.0625
        assert not pareto(Paired(base=np.array([]), student=np.array([])), [], [], margin=0.1).shown

    def test_refuses_lengths_of_other_items(self) -> None:
        with pytest.raises(ValueError, match="one per pair"):
            pareto(Paired(base=np.ones(4), student=np.ones(4)), [1, 2], [1, 2], margin=0.1)


class TestTokensPerPoint:
    def test_ratio_by_hand(self) -> None:
        paired = Paired(base=np.array([1.0, 0.0, 1.0, 1.0]), student=np.array([1.0, 1.0, 0.0, 0.0]))
        found = tokens_per_point_ratio(paired, [10, 20, 30, 40], [5, 10, 5, 20])
        assert found.ratio == pytest.approx((40 / 2) / (100 / 3))
        assert found.low < found.ratio < found.high

    def test_swapping_the_models_inverts(self) -> None:
        paired, base, student = answers(np.random.default_rng(4), 80)
        one = tokens_per_point_ratio(paired, base, student)
        other = tokens_per_point_ratio(Paired(base=paired.student, student=paired.base), student, base)
        assert other[:3] == pytest.approx((1 / one.ratio, 1 / one.high, 1 / one.low))

    def test_error_is_that_of_leaving_items_out(self) -> None:
        """The jackknife, slow and without a derivative."""
        paired, base, student = answers(np.random.default_rng(5), 400)
        parts = np.stack([student, paired.base, base, paired.student])
        left_out = (parts.sum(axis=1, keepdims=True) - parts) / 399
        logs = np.log(left_out[0] * left_out[1] / left_out[2] / left_out[3])
        jackknife = np.sqrt(399 / 400 * np.square(logs - logs.mean()).sum())
        found = tokens_per_point_ratio(paired, base, student)
        assert np.log(found.high / found.low) / 2 / 1.9659 == pytest.approx(jackknife, rel=0.01)

    def test_covers_the_truth(self) -> None:
        random = np.random.default_rng(6)
        covered = 0
        for _ in range(300):
            found = tokens_per_point_ratio(*answers(random, 250, 0.12, -0.05, -0.2))
            truth = np.exp(-0.2 + 0.125) * 0.6 / 0.55
            covered += found.low <= truth <= found.high
        assert covered / 300 == pytest.approx(0.95, abs=0.035)

    def test_nothing_scored_is_nothing_known(self) -> None:
        paired = Paired(base=np.zeros(3), student=np.ones(3))
        assert tokens_per_point_ratio(paired, [1, 2, 3], [1, 2, 3]) == (1.0, 0.0, LARGEST_RATIO, 3)
        few = Paired(base=np.ones(20), student=np.ones(20), clusters=np.repeat(np.arange(5), 4))
        assert tokens_per_point_ratio(few, [10] * 20, [5] * 20)[1:3] == (0.0, LARGEST_RATIO)
        with pytest.raises(ValueError, match="level"):
            tokens_per_point_ratio(paired, [1, 2, 3], [1, 2, 3], level=95)


@pytest.mark.parametrize("n", [24, 120])
def test_equal_models_are_called_longer_or_dearer_as_seldom_as_promised(n: int) -> None:
    """Two models of one ability: lengths share how long an item is, scores how hard it is, but for some drawn again."""
    random, draws = np.random.default_rng(n), 1500
    above = np.zeros(2)
    for _ in range(draws):
        luck, shared = random.random(n), random.normal(0.0, 0.5, n)
        again = np.where(random.random(n) < 0.06, random.random(n), luck)
        base, student = (35 * np.exp(shared + random.normal(0.0, 0.2, n)) for _ in range(2))
        scores = Paired(base=(luck < 0.75).astype(float), student=(again < 0.75).astype(float))
        above += [length_ratio(base, student).low > 1.0, tokens_per_point_ratio(scores, base, student).low > 1.0]
    # 2.5 % promised; 1500 draws hold it within 0.4 points, three times over.
    assert (above / draws > 0.013).all()
    assert (above / draws < 0.037).all()
