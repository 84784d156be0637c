"""Change of calibration: level, power and what it must not react to."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import ttest_1samp

from hydrometer.stats.calibration import brier_change, calibration_change, nll_change, sign_flip_p

Side = tuple[NDArray[np.float64], NDArray[np.float64]]


def answers(
    random: np.random.Generator, n: int, stretch: float = 1.0, skill: float = 0.0
) -> tuple[Side, Side]:
    """Base calibrated; student with its skill shifted and its confidence stretched, in logits."""
    truth = random.normal(0.8, 1.2, n)
    base = (expit(truth), (random.random(n) < expit(truth)).astype(float))
    known = truth + skill
    return base, (expit(stretch * known), (random.random(n) < expit(known)).astype(float))


@given(st.lists(st.sampled_from([-1.0, -0.3, 0.0, 0.25, 0.7]), max_size=7))
@settings(deadline=None)
def test_few_items_go_through_every_flip(differences: list[float]) -> None:
    seen = abs(sum(differences)) - 1e-9
    signs = list(product([-1, 1], repeat=len(differences)))
    slow = np.mean([abs(np.dot(s, differences)) >= seen for s in signs])
    assert sign_flip_p(differences, np.random.default_rng(0)) == pytest.approx(slow)


def test_many_items_come_to_the_t_test_and_equal_ones_do_not_count() -> None:
    random = np.random.default_rng(1)
    values = random.normal(0.08, 1.0, 500)
    flipped = sign_flip_p(values, random)
    assert flipped == pytest.approx(ttest_1samp(values, 0.0).pvalue, abs=0.015)
    padded = np.concatenate([np.zeros(5000), values[:12]])
    assert sign_flip_p(padded, random) == sign_flip_p(values[:12], random)


def test_never_zero_and_the_same_with_the_same_generator() -> None:
    values = np.ones((100, 2))
    assert sign_flip_p(values, np.random.default_rng(2)).tolist() == [1e-4, 1e-4]
    noise = np.random.default_rng(3).normal(size=(300, 2))
    one, other = (sign_flip_p(noise, np.random.default_rng(4)).tolist() for _ in range(2))
    assert one == other


@pytest.mark.parametrize(
    ("n", "stretch", "skill", "least", "most"),
    [(200, 1.0, 0.0, 0.0, 0.11), (200, 2.0, 0.0, 0.85, 1.0), (500, 1.0, -0.4, 0.0, 0.11)],
)
def test_slope_reacts_to_confidence_and_not_to_skill(
    n: int, stretch: float, skill: float, least: float, most: float
) -> None:
    random = np.random.default_rng(5)
    found = [calibration_change(*answers(random, n, stretch, skill), random) for _ in range(40)]
    assert least <= np.mean([f.p_slope <= 0.05 for f in found]) <= most
    if stretch > 1.0:
        assert np.mean([f.slope for f in found]) > 0.1


def test_moments_by_hand() -> None:
    base = ([0.5, 0.8], [1, 1])
    student = ([0.9, 0.6], [0, 1])
    found = calibration_change(base, student, np.random.default_rng(6))
    assert found.level == pytest.approx(((0.9 + 0.5) + (-0.4 + 0.2)) / 2)
    slopes = [0.9 * np.log(9) - 0.0, -0.4 * np.log(1.5) + 0.2 * np.log(4)]
    assert found.slope == pytest.approx(np.mean(slopes))
    assert found.adjusted_level >= found.p_level


def test_swapping_negates_and_keeps_the_p_values() -> None:
    base, student = answers(np.random.default_rng(7), 18, 1.5)
    one = calibration_change(base, student, np.random.default_rng(8))
    other = calibration_change(student, base, np.random.default_rng(8))
    assert (one.level, one.slope) == pytest.approx((-other.level, -other.slope))
    assert (one.p_level, one.p_slope) == pytest.approx((other.p_level, other.p_slope))


def test_proper_scores() -> None:
    random = np.random.default_rng(9)
    base, student = ([0.5, 1.0], [1, 0]), ([0.9, 1.0], [1, 1])
    assert brier_change(base, student, random).difference == pytest.approx((0.01 - 0.25 + 0.0 - 1.0) / 2)
    # Certainty that was wrong costs -log(1e-4), not infinity.
    expected = (-np.log(0.9) + np.log(0.5) - np.log(1 - 1e-4) + np.log(1e-4)) / 2
    assert nll_change(base, student, random).difference == pytest.approx(expected)
    losing = brier_change(*answers(random, 2000, stretch=4.0), random)
    assert losing.difference > 0.0
    assert losing.p_value < 0.01
    assert nll_change(*answers(random, 600, stretch=4.0), random).p_value < 0.01


def test_clusters_are_the_unit() -> None:
    """Twenty copies of each of eight items are eight items; of five, nothing."""
    base, student = answers(np.random.default_rng(10), 8, 3.0)
    copied = [tuple(np.repeat(part, 20) for part in side) for side in (base, student)]
    random = np.random.default_rng(11)
    labels = np.repeat(np.arange(8), 20)
    clustered = calibration_change(copied[0], copied[1], random, clusters=labels)
    moments = student[0] - student[1] - base[0] + base[1]
    assert clustered.p_level == pytest.approx(ttest_1samp(moments, 0.0).pvalue)
    assert calibration_change(copied[0], copied[1], random).p_level < clustered.p_level
    few = calibration_change(copied[0], copied[1], random, clusters=np.minimum(labels, 4))
    assert (few.p_level, few.p_slope) == (1.0, 1.0)
    assert brier_change(copied[0], copied[1], random, clusters=np.minimum(labels, 4)).p_value == 1.0


def test_without_items() -> None:
    empty = (np.array([]), np.array([]))
    random = np.random.default_rng(12)
    assert calibration_change(empty, empty, random) == (0.0, 0.0, 1.0, 1.0, 1.0, 1.0)
    assert brier_change(empty, empty, random) == (0.0, 1.0)


def test_refuses() -> None:
    random = np.random.default_rng(13)
    with pytest.raises(ValueError, match="equal and flat"):
        brier_change(([0.5], [1]), ([0.5, 0.5], [1, 1]), random)
    with pytest.raises(ValueError, match=r"0\.\.1"):
        brier_change(([50.0], [1]), ([0.5], [1]), random)
    with pytest.raises(ValueError, match="right"):
        brier_change(([0.5], [0.5]), ([0.5], [1]), random)
