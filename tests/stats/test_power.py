"""Planning numbers, against the published tables and against the tests they plan."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydrometer.stats.paired import mcnemar_exact, mcnemar_midp, tango_interval, tango_z
from hydrometer.stats.power import (
    detectable_difference,
    exact_noninferiority_power,
    exact_power,
    inflated,
    pairs_for_difference,
    pairs_for_difference_exact,
    pairs_for_equivalence,
    pairs_for_noninferiority,
)

SHARES = (0.05, 0.10, 0.20, 0.30)


@pytest.mark.parametrize(
    ("difference", "power", "pairs"),
    [
        (0.01, 0.8, (3923, 7847, 15696, 23545)),
        (0.01, 0.9, (5250, 10504, 21011, 31519)),
        (0.02, 0.8, (979, 1960, 3923, 5885)),
        (0.02, 0.9, (1310, 2623, 5250, 7877)),
        (0.03, 0.8, (434, 870, 1742, 2614)),
        (0.03, 0.9, (580, 1164, 2331, 3499)),
    ],
)
def test_pairs_for_a_difference(difference: float, power: float, pairs: tuple[int, ...]) -> None:
    assert tuple(pairs_for_difference(difference, share, power=power) for share in SHARES) == pairs
    assert tuple(pairs_for_difference(-difference, share, power=power) for share in SHARES) == pairs


def test_pairs_for_large_differences() -> None:
    assert [pairs_for_difference(0.05, share) for share in SHARES[1:]] == [312, 626, 940]
    assert [pairs_for_difference(0.10, share, power=0.9) for share in SHARES[2:]] == [206, 312]
    # 22.011 in the published example, of which other tools report 22.
    assert pairs_for_difference(0.4, 0.5) == 23


@pytest.mark.parametrize(
    ("margin", "both", "one"),
    [
        (0.01, (4282, 8564, 17128, 25692), (3092, 6183, 12366, 18548)),
        (0.02, (1071, 2141, 4282, 6423), (773, 1546, 3092, 4637)),
        (0.03, (476, 952, 1904, 2855), (344, 687, 1374, 2061)),
        (0.05, (172, 343, 686, 1028), (124, 248, 495, 742)),
    ],
)
def test_pairs_for_margin_claims(margin: float, both: tuple[int, ...], one: tuple[int, ...]) -> None:
    assert tuple(pairs_for_equivalence(margin, share) for share in SHARES) == both
    assert tuple(pairs_for_noninferiority(margin, share) for share in SHARES) == one


@pytest.mark.parametrize(
    ("n", "points"),
    [
        (100, (None, 8.8, 12.4, 15.2)),
        (200, (4.4, 6.2, 8.8, 10.8)),
        (500, (2.8, 4.0, 5.6, 6.9)),
        (1000, (2.0, 2.8, 4.0, 4.9)),
        (2000, (1.4, 2.0, 2.8, 3.4)),
        (5000, (0.9, 1.3, 1.8, 2.2)),
    ],
)
def test_detectable_differences(n: int, points: tuple[float | None, ...]) -> None:
    for share, expected in zip(SHARES, points, strict=True):
        if expected is not None:
            assert 100 * detectable_difference(n, share) == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("n", [5, 12, 40, 100, 3000])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 1.0])
def test_detectable_is_the_inverse_of_pairs(n: int, share: float) -> None:
    found = detectable_difference(n, share)
    assert (
        pairs_for_difference(found * 1.0001, share) <= n
        if found < 1
        else pairs_for_difference(1.0, share) >= n
    )
    assert pairs_for_difference(found * 0.99, share) > n


def test_few_flips_cannot_hide_a_larger_difference() -> None:
    """A difference of 8 points needs at least 8 % flips: the share is raised to it."""
    assert pairs_for_difference(0.08, 0.01) == pairs_for_difference(0.08, 0.08)
    assert detectable_difference(100, 0.05) > 0.05


@pytest.mark.parametrize("n", [0, 1, 3])
def test_too_few_pairs_detect_nothing(n: int) -> None:
    assert detectable_difference(n, 0.1) == 1.0


def test_no_flips_still_need_pairs() -> None:
    assert [pairs_for_equivalence(margin, 0.0) for margin in (0.05, 0.03)] == [59, 99]
    assert pairs_for_noninferiority(0.05, 0.0) == 59


def test_planned_powers_are_reached() -> None:
    """Simulated with the tests that are planned: 3 points at 10 % flips, and no difference at 10 % flips."""
    random = np.random.default_rng(11)
    n = pairs_for_difference(0.03, 0.10)
    gained, lost, _ = random.multinomial(n, [0.035, 0.065, 0.90], size=4000).T
    assert (mcnemar_midp(gained, lost) <= 0.05).mean() == pytest.approx(0.80, abs=0.03)
    n = pairs_for_equivalence(0.03, 0.10)
    gained, lost, _ = random.multinomial(n, [0.05, 0.05, 0.90], size=4000).T
    low, high = tango_interval(gained, lost, n, 0.90)
    assert ((low > -0.03) & (high < 0.03)).mean() == pytest.approx(0.80, abs=0.03)


@pytest.mark.parametrize("value", [0.0, 1.5, float("nan")])
def test_refuses_what_is_no_share(value: float) -> None:
    with pytest.raises(ValueError, match="difference"):
        pairs_for_difference(value, 0.1)
    with pytest.raises(ValueError, match="margin"):
        pairs_for_equivalence(value, 0.1)
    with pytest.raises(ValueError, match="discordance"):
        detectable_difference(100, value - 0.5 if value < 1 else value)


@given(st.integers(0, 12), st.floats(0.0, 1.0), st.floats(-1.0, 1.0), st.sampled_from([0.02, 0.05, 0.2]))
@settings(deadline=None, max_examples=40)
def test_exact_power_adds_up_all_tables(n: int, share: float, lean: float, alpha: float) -> None:
    gain, loss = share * (1 + lean) / 2, share * (1 - lean) / 2
    powers = {"midp": 0.0, "exact": 0.0, "tango": 0.0}
    for b, c in product(range(n + 1), repeat=2):
        if b + c <= n:
            ways = math.comb(n, b) * math.comb(n - b, c)
            chance = ways * gain**b * loss**c * max(1 - gain - loss, 0.0) ** (n - b - c)
            powers["midp"] += chance * bool(mcnemar_midp(b, c) <= alpha)
            powers["exact"] += chance * bool(mcnemar_exact(b, c) <= alpha)
            powers["tango"] += chance * bool(tango_z(b, c, n, -0.2) >= -_z(alpha))
    difference = share * lean
    assert exact_power(n, difference, share, alpha) == pytest.approx(powers["midp"], abs=1e-9)
    assert exact_power(n, difference, share, alpha, midp=False) == pytest.approx(powers["exact"], abs=1e-9)
    found = exact_noninferiority_power(n, 0.2, share, alpha, difference=difference)
    assert found == pytest.approx(powers["tango"], abs=1e-9)


def _z(probability: float) -> float:
    low, high = -10.0, 10.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if math.erfc(-middle / math.sqrt(2)) / 2 < probability else (low, middle)
    return low


def test_exact_power_published() -> None:
    """The exact one-sided test at .025: 25 % lost, 1.8 times as many gained, 144 pairs."""
    assert exact_power(144, 0.2, 0.7, 0.05, midp=False) == pytest.approx(0.8009, abs=5e-5)


@pytest.mark.parametrize(
    ("difference", "pairs"),
    [
        (0.03, (409, 862, 1737, 2613)),
        (0.05, (None, 305, 622, 938)),
        (0.10, (None, None, 152, 230)),
    ],
)
def test_exact_pairs_published(difference: float, pairs: tuple[int | None, ...]) -> None:
    for share, expected in zip(SHARES, pairs, strict=True):
        if expected is not None:
            assert pairs_for_difference_exact(difference, share) == expected


@pytest.mark.parametrize(
    ("difference", "pairs"), [(0.01, (3901, 7851, 15700, 23549)), (0.02, (950, 1951, 3926, 5889))]
)
def test_exact_pairs_of_small_differences(difference: float, pairs: tuple[int, ...]) -> None:
    """Published from a coarse grid: those numbers suffice, and at most 0.2 % fewer do."""
    for share, expected in zip(SHARES, pairs, strict=True):
        found = pairs_for_difference_exact(difference, share)
        assert exact_power(expected, difference, share) >= 0.8
        assert 0.998 * expected <= found <= expected
        assert exact_power(found - 1, difference, share) < 0.8 <= exact_power(found, difference, share)


def test_exact_pairs_with_all_flips_one_way() -> None:
    assert pairs_for_difference_exact(1.0, 1.0, power=0.99) == 5  # five flips of five: p = 1/32
    found = pairs_for_difference_exact(0.08, 0.01)
    assert exact_power(found, 0.08, 0.08) >= 0.8 > exact_power(found - 1, 0.08, 0.08)


@pytest.mark.parametrize("share", [0.05, 0.10, 0.30])
@pytest.mark.parametrize("n", [20, 100, 500])
def test_exact_size_of_the_tests(n: int, share: float) -> None:
    """The mid-p test keeps 5 %; the exact one stays far below with few flips."""
    assert exact_power(n, 0.0, share, midp=False) <= exact_power(n, 0.0, share) <= 0.05
    assert exact_noninferiority_power(n, share / 2, share, difference=-share / 2) <= 0.06


def test_noninferiority_plan_is_reached() -> None:
    n = pairs_for_noninferiority(0.03, 0.10)
    assert exact_noninferiority_power(n, 0.03, 0.10) == pytest.approx(0.80, abs=0.02)


def test_inflation() -> None:
    assert inflated(1000) == 1000
    assert inflated(1000, design_effect=1.8) == 1800
    assert inflated(1000, sequential=True) == 1090
    assert inflated(1000, capabilities=12) == pytest.approx(1750, abs=2)
    assert inflated(1000, design_effect=0.5, sequential=True) == 545


def test_exact_refuses() -> None:
    with pytest.raises(ValueError, match="cannot exceed the discordance"):
        exact_power(100, 0.2, 0.1)
    with pytest.raises(ValueError, match="margin"):
        exact_noninferiority_power(100, 0.0, 0.1)
    with pytest.raises(ValueError, match="design effect"):
        inflated(100, design_effect=0.0)
