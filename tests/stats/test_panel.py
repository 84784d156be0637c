"""One figure over several capabilities."""

import numpy as np
import pytest

from hydrometer.stats.estimate import Paired
from hydrometer.stats.paired import plus_two_interval
from hydrometer.stats.panel import panel_estimate


def pairs(gained: int, lost: int, n: int) -> Paired:
    counts = [n - gained - lost, gained, lost]
    return Paired(base=np.repeat([1.0, 0.0, 1.0], counts), student=np.repeat([1.0, 1.0, 0.0], counts))


def test_one_stratum_is_its_own_plus_two_width() -> None:
    found = panel_estimate([pairs(3, 9, 80)])
    assert found is not None
    low, high = plus_two_interval(pairs(3, 9, 80).differences)
    assert found.difference == pytest.approx(-6 / 80)
    assert found.high - found.low == pytest.approx(high - low)


def test_every_capability_weighs_the_same_whatever_its_size() -> None:
    found = panel_estimate([pairs(0, 20, 40), pairs(0, 0, 400)])
    assert found is not None
    assert found.difference == pytest.approx(-0.25)
    assert (found.n, found.gained, found.lost) == (440, 0, 20)


def test_empty_strata_are_left_out_and_nothing_gives_nothing() -> None:
    assert panel_estimate([]) is None
    assert panel_estimate([pairs(0, 0, 0)]) is None
    assert panel_estimate([pairs(0, 0, 0), pairs(1, 2, 30)]) == panel_estimate([pairs(1, 2, 30)])


def test_no_flip_anywhere_still_has_a_width() -> None:
    found = panel_estimate([pairs(0, 0, 30), pairs(0, 0, 30)])
    assert found is not None
    assert found.low < 0.0 < found.high
    assert found.p_value == 1.0


def test_coverage_of_the_mean_over_capabilities() -> None:
    random = np.random.default_rng(2)
    truths, worlds, inside = (-0.10, 0.0, 0.02, -0.02), 1500, 0
    for _ in range(worlds):
        panels = []
        for truth in truths:
            p = [(0.16 + truth) / 2, (0.16 - truth) / 2, 0.84]
            gained, lost, _ = random.multinomial(40, p)
            panels.append(pairs(int(gained), int(lost), 40))
        found = panel_estimate(panels)
        assert found is not None
        inside += found.low <= np.mean(truths) <= found.high
    assert inside / worlds == pytest.approx(0.955, abs=0.015)
