"""Clustered differences, against slow twins, published errors and simulated error rates."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hydrometer.stats.clusters import cluster_interval, cluster_method, cluster_tests, design_effect
from hydrometer.stats.paired import plus_two_z

FIVE_FOURS = np.array([1, 0, 0, -1, 1, 1, 0, 0, -1, -1, 0, 1, 0, 0, 0, -1, -1, -1, 0, 1], dtype=np.float64)


@st.composite
def clustered(
    draw: st.DrawFn, fewest: int = 1, most: int = 12
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    sizes = draw(st.lists(st.integers(1, 5), min_size=fewest, max_size=most))
    labels = np.repeat(np.arange(len(sizes)), sizes)
    values = draw(
        st.lists(
            st.sampled_from([-1.0, -0.5, 0.0, 0.0, 0.25, 1.0]), min_size=labels.size, max_size=labels.size
        )
    )
    return np.array(values), labels


def flips(
    random: np.random.Generator, count: int, size: int, share: float, mean: float, together: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Right/wrong differences; a share `together` of the clusters flips as a whole."""
    lost, gained = (share - mean) / 2, (share + mean) / 2
    draws = np.where(
        random.random((count, 1)) < together, random.random((count, 1)), random.random((count, size))
    )
    values = np.where(draws < lost, -1.0, np.where(draws < lost + gained, 1.0, 0.0))
    return values.ravel(), np.repeat(np.arange(count), size)


def sign_flip(values: NDArray[np.float64], labels: NDArray[np.int64], null: float) -> tuple[float, float]:
    """One-sided p-values by going through every choice of signs."""
    sums = np.array([(values[labels == g] - null).sum() for g in np.unique(labels)])
    totals = np.array([np.dot(signs, sums) for signs in product([1, -1], repeat=sums.size)])
    return float((totals >= sums.sum() - 1e-9).mean()), float((totals <= sums.sum() + 1e-9).mean())


@pytest.mark.parametrize("count", [6, 9, 10, 20])
def test_swapping_the_models_swaps_the_tests(count: int) -> None:
    values, labels = flips(np.random.default_rng(1), count, 4, 0.3, -0.1)
    above, below = cluster_tests(values, labels, [-0.05, 0.0, 0.1])
    mirrored = cluster_tests(-values, labels, [0.05, 0.0, -0.1])
    assert mirrored[1] == pytest.approx(above)
    assert mirrored[0] == pytest.approx(below)
    low, high = cluster_interval(values, labels, 0.95)
    assert cluster_interval(-values, labels, 0.95) == pytest.approx((-high, -low))


@given(clustered(fewest=6, most=9), st.sampled_from([-0.4, -0.05, 0.0, 0.1]))
@settings(deadline=None, max_examples=40)
def test_few_clusters_never_beat_the_sign_flip(
    pairs: tuple[NDArray[np.float64], NDArray[np.int64]], null: float
) -> None:
    above, below = cluster_tests(*pairs, [null])
    exact = sign_flip(*pairs, null)
    assert above[0] >= exact[0] - 1e-12
    assert below[0] >= exact[1] - 1e-12


def test_few_clusters_with_a_clear_difference_are_the_sign_flip() -> None:
    values, labels = np.ones(7 * 8), np.repeat(np.arange(7), 8)
    above, below = cluster_tests(values, labels, [0.0, 0.3])
    assert above[0] == pytest.approx(2.0**-7)
    assert below[0] == 1.0


@given(clustered(), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
@settings(deadline=None, max_examples=80)
def test_interval_holds_what_the_tests_leave(
    pairs: tuple[NDArray[np.float64], NDArray[np.int64]], level: float
) -> None:
    low, high = cluster_interval(*pairs, level)
    assert -1.0 <= low < high <= 1.0
    beyond = [end + step for end, step in ((low, -1e-6), (high, 1e-6)) if abs(end) < 1.0]
    inside = [end + step for end, step in ((low, 1e-6), (high, -1e-6)) if abs(end) < 1.0]
    for nulls, rejected in ((beyond, True), (inside, False)):
        above, below = cluster_tests(*pairs, nulls)
        assert (2 * np.minimum(above, below) <= 1 - level + 1e-12).tolist() == [rejected] * len(nulls)


@given(clustered(fewest=10, most=14))
@settings(deadline=None, max_examples=40)
def test_interval_never_has_zero_width(pairs: tuple[NDArray[np.float64], NDArray[np.int64]]) -> None:
    low, high = cluster_interval(*pairs, 0.95)
    assert high - low > 2.0 / pairs[0].size


@pytest.mark.parametrize("count", range(6))
def test_too_few_clusters_show_nothing(count: int) -> None:
    values, labels = np.ones(200 * count), np.repeat(np.arange(count), 200)
    above, below = cluster_tests(values, labels, [-0.9, 0.0, 0.9])
    assert above.tolist() == below.tolist() == [1.0, 1.0, 1.0]
    assert cluster_interval(values, labels, 0.95) == (-1.0, 1.0)


def test_clusters_of_one_are_the_plus_two_statistic() -> None:
    """Up to the factor (G + 2) / (G + 1) and t for the normal."""
    values, labels = flips(np.random.default_rng(4), 3000, 1, 0.2, 0.0)
    low, high = cluster_interval(values, labels, 0.95)
    assert plus_two_z(values, [low, high]) == pytest.approx([1.96, -1.96], rel=2e-3)


def test_many_clusters_come_to_the_plain_cluster_error() -> None:
    values, labels = flips(np.random.default_rng(5), 4000, 5, 0.4, 0.1, together=0.3)
    sums = np.bincount(labels, weights=values - values.mean())
    error = np.sqrt(np.square(sums).sum() * 4000 / 3999) / values.size
    low, high = cluster_interval(values, labels, 0.95)
    assert (high - low) / 2 == pytest.approx(1.9605 * error, rel=5e-3)
    assert (high + low) / 2 == pytest.approx(values.mean())


@pytest.mark.parametrize("pairs", [10, 50, 1000])
def test_more_items_over_the_same_clusters_are_no_more_evidence(pairs: int) -> None:
    """Duplicated rows: the interval of clusters that flip as a whole depends on the clusters alone."""
    flipped = np.array([1.0] * 3 + [-1.0] * 5 + [0.0] * 22)
    one = cluster_interval(flipped, np.arange(30), 0.95)
    many = cluster_interval(np.repeat(flipped, pairs), np.repeat(np.arange(30), pairs), 0.95)
    assert many == pytest.approx(one, rel=0.02)


@pytest.mark.parametrize("size", [1, 10, 100])
def test_no_flip_in_few_clusters_is_not_equivalence(size: int) -> None:
    """Whole clusters may be what flips: fewer than about fifty without a flip do not exclude a loss of 5 points."""
    values, labels = np.zeros(45 * size), np.repeat(np.arange(45), size)
    above, below = cluster_tests(values, labels, [-0.05, 0.05])
    assert above[0] == below[1] > 0.05


@pytest.mark.parametrize(
    ("count", "size", "share", "margin", "together"),
    [
        (10, 10, 0.10, 0.05, 0.0),
        (20, 10, 0.05, 0.05, 0.0),
        (20, 5, 0.10, 0.10, 0.2),
        (50, 2, 0.05, 0.05, 0.0),
        (50, 5, 0.05, 0.05, 0.2),
        (50, 10, 0.03, 0.03, 0.0),
        (50, 10, 0.10, 0.05, 0.0),
        (50, 10, 0.05, 0.05, 1.0),
    ],
)
def test_false_equivalence_at_the_margin(
    count: int, size: int, share: float, margin: float, together: float
) -> None:
    """Without the pseudo-clusters and the variance under the null these are up to 1.0 (no flip, no error)."""
    random = np.random.default_rng(7)
    rejected = 0
    for _ in range(600):
        above, below = cluster_tests(*flips(random, count, size, share, -margin, together), [-margin, margin])
        rejected += bool(max(above[0], below[1]) <= 0.05)
    assert rejected / 600 <= 0.05 + 0.027


@pytest.mark.parametrize(("count", "size"), [(8, 60), (10, 50), (20, 25), (50, 10)])
def test_false_differences_where_clusters_lean(count: int, size: int) -> None:
    """Each cluster has its own direction, no direction on average; taken as independent up to .23 are false."""
    random = np.random.default_rng(8)
    rejected, naive = 0, 0
    for _ in range(800):
        lean = random.choice([-1.0, 1.0], count)[:, None] * 0.08
        draws = random.random((count, size))
        values = np.where(draws < 0.1 + lean, -1.0, np.where(draws < 0.2, 1.0, 0.0)).ravel()
        labels = np.repeat(np.arange(count), size)
        above, below = cluster_tests(values, labels, [0.0])
        rejected += bool(2 * min(above[0], below[0]) <= 0.05)
        naive += bool(abs(plus_two_z(values, 0.0)) > 1.96)
    assert rejected / 800 <= 0.05 + 0.023
    assert naive / 800 > 0.08


def test_equivalence_is_found_where_flips_are_independent() -> None:
    random = np.random.default_rng(9)
    found = 0
    for _ in range(200):
        above, below = cluster_tests(*flips(random, 50, 10, 0.05, 0.0), [-0.03, 0.03])
        found += bool(max(above[0], below[1]) <= 0.05)
    assert found / 200 > 0.65


class TestDesignEffect:
    def test_published_cluster_error(self) -> None:
        """CR1 .1457738 by statsmodels' cluster-robust least squares, over the error of independent pairs."""
        labels = np.repeat(np.arange(5), 4)
        independent = FIVE_FOURS.std(ddof=1) / np.sqrt(20)
        assert np.sqrt(design_effect(FIVE_FOURS, labels)) * independent == pytest.approx(0.1457738, abs=5e-8)

    def test_whole_clusters_and_lone_pairs(self) -> None:
        random = np.random.default_rng(2)
        whole = np.repeat(random.choice([-1.0, 0.0, 1.0], 2000), 6)
        labels = np.repeat(np.arange(2000), 6)
        assert design_effect(whole, labels) == pytest.approx(6.0, rel=1e-3)
        assert design_effect(whole, np.arange(whole.size)) == pytest.approx(1.0)
        assert design_effect(random.permutation(whole), labels) == pytest.approx(1.0, abs=0.1)

    def test_edges(self) -> None:
        assert design_effect(np.array([]), np.array([], dtype=np.int64)) == 1.0
        assert design_effect(np.zeros(8), np.repeat([0, 1], 4)) == 1.0
        assert design_effect(np.array([1.0, 0.0, 0.0]), np.zeros(3, dtype=np.int64)) == 3.0


def test_names_the_method() -> None:
    names = [cluster_method(np.repeat(np.arange(count), 3)) for count in (5, 6, 9, 10)]
    assert names[0].startswith("no test: 5 clusters")
    assert all("sign-flip" in name and "few clusters" in name for name in names[1:3])
    assert "CR1" in names[3]
    assert "t(9)" in names[3]


def test_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="equal and flat"):
        cluster_tests(np.zeros(3), np.zeros(2, dtype=np.int64), [0.0])
    with pytest.raises(ValueError, match=r"-1\.\.1"):
        cluster_tests(np.array([2.0]), np.zeros(1, dtype=np.int64), [0.0])
    with pytest.raises(ValueError, match="level"):
        cluster_interval(np.zeros(3), np.zeros(3, dtype=np.int64), 95.0)
