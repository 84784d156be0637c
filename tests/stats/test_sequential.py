"""Group-sequential looks: published boundaries, a simulation, and a slow search as the twin of the fast table."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from hydrometer.stats import sequential
from hydrometer.stats.estimate import Floats
from hydrometer.stats.paired import mcnemar_midp_gain
from hydrometer.stats.sequential import (
    LEAST_LEVEL,
    boundaries,
    look_counts,
    one_sided_repeated_p,
    repeated_p,
)

FIVE = tuple(k / 5 for k in range(1, 6))
TWENTY = tuple(k / 20 for k in range(1, 21))
UNEVEN = (0.05, 0.12, 0.3, 0.55, 1.0)
ABRUPT = (0.01, 0.5, 0.502, 1.0)
PLANS = st.sampled_from([(1.0,), (0.4,), (0.3, 1.0), FIVE, UNEVEN, ABRUPT, TWENTY])
MONTE_CARLO = 4.5
"""Standard errors that a simulation with a fixed seed may be off."""


@st.composite
def monitored(draw: st.DrawFn) -> tuple[tuple[float, ...], list[float]]:
    """A plan of looks and statistics at the first of them, some looks left out."""
    times = draw(PLANS)
    looks = st.one_of(st.floats(-6.0, 6.0), st.just(math.nan))
    return times, draw(st.lists(looks, min_size=1, max_size=len(times)))


def searched_p(z: list[float], times: tuple[float, ...]) -> list[float]:
    """Repeated p-values by bisection on alpha, with nothing but `boundaries`."""
    found = []
    for seen in range(1, len(z) + 1):

        def crossed(alpha: float, seen: int = seen) -> bool:
            return any(abs(z[j]) >= boundaries(times, alpha)[j] for j in range(seen))

        low, high = math.log(LEAST_LEVEL), 0.0
        for _ in range(44 if crossed(1.0) else 0):
            middle = (low + high) / 2
            low, high = (low, middle) if crossed(math.exp(middle)) else (middle, high)
        found.append(math.exp(high))
    return found


def brownian(times: tuple[float, ...], paths: int, seed: int) -> Floats:
    """Statistics under the null at every look, by adding up independent increments; shape (paths, looks)."""
    gaps = np.diff(times, prepend=0.0)
    steps = np.random.default_rng(seed).normal(size=(paths, len(times))) * np.sqrt(gaps)
    return np.asarray(np.cumsum(steps, axis=1) / np.sqrt(times))


def plain_spent(times: tuple[float, ...], bounds: Floats) -> Floats:
    """Chance of having crossed by each look, by plain trapezoid sums over the whole width within the bounds."""
    spent, nodes, mass, before = [0.0], np.zeros(1), np.ones(1), 0.0
    for time, bound in zip(times, bounds, strict=True):
        end, step = bound * math.sqrt(time), math.sqrt(time - before)
        spent.append(spent[-1] + mass @ (ndtr((nodes - end) / step) + ndtr(-(nodes + end) / step)))
        fresh, width = np.linspace(-end, end, 1501, retstep=True)
        density = np.exp(-0.5 * ((fresh[:, None] - nodes) / step) ** 2) @ mass / step / math.sqrt(2 * math.pi)
        density[[0, -1]] /= 2.0
        nodes, mass, before = fresh, density * width, time
    return np.array(spent[1:])


# When to look


@pytest.mark.parametrize(
    ("n", "counts"),
    [
        (0, ()),
        (1, (1,)),
        (30, (30,)),
        (37, (37,)),
        (38, (30, 38)),
        (60, (30, 45, 60)),
        (100, (30, 45, 60, 75, 90, 100)),
        (200, (*range(30, 200, 20), 200)),
        (1000, tuple(range(50, 1001, 50))),
    ],
)
def test_looks_of_the_usual_plans(n: int, counts: tuple[int, ...]) -> None:
    assert look_counts(n) == counts


def test_looks_are_rounded_multiples() -> None:
    assert look_counts(1010, looks=4) == (253, 505, 758, 1010)
    assert look_counts(100, looks=1) == (100,)


@given(st.integers(1, 5000), st.integers(1, 40), st.integers(1, 60), st.integers(1, 50))
def test_looks_leave_room(n: int, looks: int, first: int, block: int) -> None:
    counts = look_counts(n, looks=looks, first=first, block=block)
    assert counts[-1] == n
    assert len(counts) <= looks
    assert all(count >= first for count in counts[:-1])
    assert all(later - count >= block for count, later in pairwise(counts[:-1]))
    assert all(n - count >= math.ceil(block / 2) for count in counts[:-1])
    if n <= first:
        assert counts == (n,)
    if 2 * n >= looks * 2 * block and n >= looks * first:
        assert len(counts) == looks


@pytest.mark.parametrize(
    "plan", [{"n": -1}, {"n": 9, "looks": 0}, {"n": 9, "first": 0}, {"n": 9, "block": 0}]
)
def test_refuses_plans_without_looks(plan: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        look_counts(**plan)


# How far out


def test_published_boundaries_of_other_spendings() -> None:
    """Lan-DeMets spending of the O'Brien-Fleming and Pocock kind, five looks, 5 % two-sided.

    Some published fourth digits are off by one: adaptive quadrature gives 3.35701 for the second look.
    """
    t = np.array(FIVE)
    fleming = 4.0 * ndtr(ndtri(0.05 / 4) / np.sqrt(t))
    pocock = 0.05 * np.log(1.0 + (np.e - 1.0) * t)
    found = sequential._critical_values(FIVE, np.stack([fleming, pocock]))
    assert found[0] == pytest.approx([4.8769, 3.3569, 2.6803, 2.2898, 2.0310], abs=1.2e-4)
    assert found[1] == pytest.approx([2.4380, 2.4268, 2.4101, 2.3966, 2.3859], abs=1.2e-4)


@pytest.mark.parametrize(("constant", "power"), [(2.413, 0.0), (2.040, -0.5)])
def test_published_constants(constant: float, power: float) -> None:
    """Pocock's and O'Brien and Fleming's bounds spend 5 % over five looks, and come back from what they spend."""
    bounds = constant * np.power(FIVE, power)
    spent = plain_spent(FIVE, bounds)
    assert spent[-1] == pytest.approx(0.05, abs=1e-4)
    assert sequential._critical_values(FIVE, spent[None, :])[0] == pytest.approx(bounds, abs=1e-4)


@pytest.mark.parametrize("alpha", [1e-8, 0.05, 0.6])
@pytest.mark.parametrize("times", [FIVE, UNEVEN])
def test_spends_what_is_planned(times: tuple[float, ...], alpha: float) -> None:
    spent = plain_spent(times, boundaries(times, alpha))
    assert spent == pytest.approx(alpha * np.square(times), rel=2e-4)


def test_reference_boundaries() -> None:
    ten = tuple(k / 10 for k in range(1, 11))
    expected = [3.4808, 3.1523, 2.9508, 2.7935, 2.6611, 2.5450, 2.4406, 2.3451, 2.2566, 2.1737]
    assert boundaries(ten) == pytest.approx(expected, abs=5.1e-5)
    assert boundaries(TWENTY)[[0, -1]] == pytest.approx([3.8361, 2.2197], abs=5.1e-5)
    assert boundaries(TWENTY, 0.10)[[0, -1]] == pytest.approx([3.6623, 1.8924], abs=5.1e-5)
    assert boundaries(UNEVEN) == pytest.approx([3.8361, 3.4254, 2.8834, 2.5040, 2.0343], abs=5.1e-5)


@pytest.mark.parametrize("times", [FIVE, TWENTY, UNEVEN, ABRUPT])
@pytest.mark.parametrize("alpha", [0.05, 0.4])
def test_paths_cross_as_often_as_spent(times: tuple[float, ...], alpha: float) -> None:
    paths = 200_000
    out = np.abs(brownian(times, paths, seed=7)) >= boundaries(times, alpha)
    spent = alpha * np.square(times)
    error = np.sqrt(spent * (1.0 - spent) / paths)
    seen = np.maximum.accumulate(out, axis=1).mean(axis=0)
    assert np.all(np.abs(seen - spent) <= MONTE_CARLO * error + 1.0 / paths)


@given(st.floats(1e-12, 1.0))
def test_single_look_is_the_ordinary_critical_value(alpha: float) -> None:
    assert boundaries((1.0,), alpha)[0] == -ndtri(alpha / 2.0)
    assert boundaries((0.5,), alpha)[0] == pytest.approx(-ndtri(alpha / 8.0), rel=1e-15)


@pytest.mark.parametrize("times", [FIVE, UNEVEN, ABRUPT])
def test_two_looks_of_tiny_levels_against_the_plane(times: tuple[float, ...]) -> None:
    """The second crossing, as an integral over the first statistic by a fine plain sum; alpha down to 1e-10."""
    first, second = times[:2]
    for alpha in (1e-10, 1e-8, 1e-3, 0.5):
        low, high = boundaries(times, alpha)[:2]
        z = (np.arange(400_000) + 0.5) / 400_000 * low
        drift, spread = math.sqrt(first / second), math.sqrt(1.0 - first / second)
        tails = ndtr((z * drift - high) / spread) + ndtr(-(z * drift + high) / spread)
        chance = 2.0 * float(np.sum(np.exp(-0.5 * z**2) * tails)) * low / 400_000 / math.sqrt(2.0 * math.pi)
        assert chance == pytest.approx(alpha * (second**2 - first**2), rel=1e-8)


@pytest.mark.parametrize("times", [FIVE, TWENTY, UNEVEN, ABRUPT])
def test_boundaries_fall_with_alpha(times: tuple[float, ...]) -> None:
    """Else the repeated p-value would not be the smallest level of all that reject."""
    alphas = [LEAST_LEVEL, 1e-20, 1e-10, 1e-4, 0.01, 0.05, 0.3, 0.7, 0.95, 0.999, 1.0]
    assert np.all(np.diff([boundaries(times, alpha) for alpha in alphas], axis=0) < 0.0)


def test_a_finer_grid_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = {
        (times, a): boundaries(times, a) for times in (TWENTY, UNEVEN, ABRUPT) for a in (1e-10, 0.05, 1.0)
    }
    monkeypatch.setattr(sequential, "_PANEL_WIDTH", 4.0)
    for (times, alpha), bounds in usual.items():
        finer = sequential._boundaries.__wrapped__(times, alpha)
        assert bounds == pytest.approx(finer, abs=1e-8)


def test_boundaries_are_kept_and_cannot_be_changed() -> None:
    once = boundaries(list(FIVE))
    assert boundaries(FIVE, 0.05) is once
    with pytest.raises(ValueError, match="read-only"):
        once[0] = 0.0


@pytest.mark.parametrize(
    "times", [(), (0.0, 1.0), (0.5, 0.5, 1.0), (0.6, 0.5), (0.5, 1.1), (0.5, math.nan), (0.5, 0.5000001)]
)
def test_refuses_what_is_no_plan(times: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="times"):
        boundaries(times)
    with pytest.raises(ValueError, match="times"):
        repeated_p([1.0], times)


@pytest.mark.parametrize("alpha", [0.0, -0.1, 1.5, math.nan])
def test_refuses_odd_levels(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        boundaries(FIVE, alpha)


# What a look is worth


def test_reference_repeated_p() -> None:
    assert repeated_p([0.5, 1.2, 2.0, 2.9, 3.5], TWENTY)[-1] == pytest.approx(0.01376, abs=5.1e-6)
    assert repeated_p([0.0] * 19 + [2.5], TWENTY)[-1] == pytest.approx(0.02558, abs=5.1e-6)


@given(monitored())
@settings(deadline=None, max_examples=25)
def test_is_what_a_search_over_the_boundaries_finds(case: tuple[tuple[float, ...], list[float]]) -> None:
    times, z = case
    assert repeated_p(z, times) == pytest.approx(searched_p(z, times), rel=2e-6)


@pytest.mark.parametrize("times", [FIVE, UNEVEN, ABRUPT, TWENTY[:7]])
@pytest.mark.parametrize("alpha", [1e-25, 1e-10, 0.001, 0.05, 0.5, 0.97])
def test_at_the_boundary_it_is_alpha(times: tuple[float, ...], alpha: float) -> None:
    """Each look alone, the others left out, from the far tail to levels of no interest."""
    alone = np.where(np.eye(len(times), dtype=bool), boundaries(times, alpha), math.nan)
    assert np.diagonal(repeated_p(alone, times)) == pytest.approx([alpha] * len(times), rel=1e-6)


@given(st.floats(-40.0, 40.0))
def test_single_look_is_the_ordinary_p_value(z: float) -> None:
    floor = np.finfo(np.float64).tiny
    assert repeated_p([z], (1.0,))[0] == max(2.0 * ndtr(-abs(z)), floor)
    assert one_sided_repeated_p([z], (1.0,))[0] == max(ndtr(-z), floor)
    assert repeated_p([z], (0.5,))[0] == min(1.0, max(8.0 * ndtr(-abs(z)), floor))


@given(PLANS, st.lists(st.floats(0.0, 50.0), min_size=2, max_size=12), st.data())
@settings(deadline=None)
def test_falls_as_one_look_moves_out(
    times: tuple[float, ...], sizes: list[float], data: st.DataObject
) -> None:
    look = data.draw(st.integers(0, len(times) - 1))
    z = np.full((len(sizes), len(times)), math.nan)
    z[:, look] = sorted(sizes)
    p = repeated_p(z, times)[:, -1]
    assert np.all(np.diff(p) <= 1e-12 * p[1:])


@given(monitored())
@settings(deadline=None)
def test_latches_and_ignores_signs_and_looks_not_made(case: tuple[tuple[float, ...], list[float]]) -> None:
    times, z = case
    p = repeated_p(z, times)
    assert p.shape == (len(z),)
    assert np.all((p > 0.0) & (p <= 1.0))
    assert np.all(np.diff(p) <= 0.0)
    assert np.array_equal(p, repeated_p(-np.array(z), times))
    alone = [repeated_p([math.nan] * k + [value], times)[-1] for k, value in enumerate(z)]
    assert np.array_equal(p, np.minimum.accumulate(alone))
    missed = np.isnan(z)
    assert np.array_equal(p[missed], np.concatenate([[1.0], p])[:-1][missed])


def test_what_an_early_look_has_shown_stays() -> None:
    """A statistic that falls back does not take the rejection back."""
    p = repeated_p([0.0, 4.5, 0.1, math.nan, 0.2], FIVE)
    assert p[1] < 0.001
    assert np.all(p[1:] == p[1])


def test_extreme_statistics_are_numbers() -> None:
    far = repeated_p([[math.inf] * 20, [60.0] * 20, [-math.inf] * 20], TWENTY)
    assert np.all((far > 0.0) & (far <= 1.000001 * LEAST_LEVEL))
    later = repeated_p([[math.nan, math.inf, math.nan], [math.nan, 60.0, 60.0]], FIVE)
    assert later == pytest.approx(np.array([[1.0, LEAST_LEVEL, LEAST_LEVEL]] * 2))
    assert repeated_p([0.0, 0.001] * 10, TWENTY)[:-1].tolist() == [1.0] * 19
    assert repeated_p(np.zeros((3, 0)), TWENTY).shape == (3, 0)


def test_many_streams_at_once_are_each_of_them() -> None:
    z = brownian(TWENTY, 12, seed=5).reshape(4, 3, 20)
    p = repeated_p(z, TWENTY)
    assert p.shape == (4, 3, 20)
    assert np.array_equal(p[2, 1], repeated_p(z[2, 1], TWENTY))


@pytest.mark.parametrize("z", [3.0, [1.0] * 6])
def test_refuses_more_looks_than_planned(z: object) -> None:
    with pytest.raises(ValueError, match="5 planned looks"):
        repeated_p(z, FIVE)  # type: ignore[arg-type]


@pytest.mark.parametrize("times", [FIVE, TWENTY, UNEVEN])
def test_is_a_p_value_under_the_null(times: tuple[float, ...]) -> None:
    """At the last look it is uniform below 1, at every earlier one it is below alpha with chance alpha t^2."""
    paths, levels = 100_000, np.array([0.01, 0.05, 0.2, 0.8])
    z = brownian(times, paths, seed=3)
    middle = len(times) // 2
    for p, due in (
        (repeated_p(z, times)[:, -1], levels),
        (repeated_p(z, times)[:, middle], levels * times[middle] ** 2),
        (one_sided_repeated_p(z, times)[:, -1], np.array([0.01, 0.05, 0.2])),
    ):
        seen = (p[:, None] <= levels[: due.size]).mean(axis=0)
        assert np.all(np.abs(seen - due) <= MONTE_CARLO * np.sqrt(due * (1 - due) / paths))


def test_leaving_looks_out_is_conservative() -> None:
    z = brownian(TWENTY, 100_000, seed=9)
    z[:, ::3] = math.nan
    z[:, 15:] = math.nan
    assert (repeated_p(z, TWENTY)[:, -1] <= 0.05).mean() < 0.05 * 0.75**2 + 0.001


def test_one_sided_is_half_of_two_sided_on_its_own_side() -> None:
    z = [1.0, 2.9, -5.0, 0.0, 2.2]
    two_sided = repeated_p([1.0, 2.9, math.nan, 0.0, 2.2], FIVE)
    assert one_sided_repeated_p(z, FIVE).tolist() == [1.0, *(two_sided[1:] / 2.0)]
    assert one_sided_repeated_p([-9.0, 0.0, math.nan, -0.1], FIVE).tolist() == [1.0] * 4
    assert one_sided_repeated_p([math.nan], (1.0,)).tolist() == [1.0]


def test_one_sided_excess_is_as_documented() -> None:
    """Paths that leave downwards first and cross the upper bound later come on top of half the level."""
    z = brownian(TWENTY, 400_000, seed=13)
    for level, excess in ((0.05, 1e-6), (0.25, 4e-4), (0.5, 0.033)):
        seen = (z >= boundaries(TWENTY, 2.0 * level)).any(axis=1).mean()
        assert seen == pytest.approx(
            level + excess, abs=MONTE_CARLO * math.sqrt(level * (1 - level) / 400_000)
        )


@given(st.permutations(range(25)), st.integers(0, 2**31))
@settings(deadline=None, max_examples=30)
def test_order_of_items_within_a_look_does_not_matter(order: list[int], seed: int) -> None:
    """Looks of 25 items of right/wrong pairs: shuffled within each, the counts at the looks are the same."""
    flips = np.random.default_rng(seed).choice([-1, 0, 1], p=[0.25, 0.65, 0.1], size=(5, 25))

    def monitor(differences: np.ndarray) -> Floats:
        gained, lost = np.cumsum((differences > 0).sum(1)), np.cumsum((differences < 0).sum(1))
        return repeated_p(ndtri(1.0 - np.clip(mcnemar_midp_gain(gained, lost), 1e-15, 1 - 1e-15)), FIVE)

    assert np.array_equal(monitor(flips), monitor(flips[:, order]))
