"""Planning numbers, against the published tables and against the tests they plan."""

import numpy as np
import pytest

from hydrometer.stats.paired import mcnemar_midp, tango_interval
from hydrometer.stats.power import (
    detectable_difference,
    pairs_for_difference,
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
    assert [pairs_for_equivalence(margin, 0.0) for margin in (0.05, 0.03)] == [52, 88]
    assert pairs_for_noninferiority(0.05, 0.0) == 52


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
