"""Looking at growing evidence: a single look is the fixed test, later looks latch, intervals cover at every look."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from hydrometer.stats.estimate import Floats, Paired
from hydrometer.stats.margin import four_tests, prefix_tests
from hydrometer.stats.monitor import (
    Looks,
    chance_of_verdict,
    latched,
    repeated_estimate,
    repeated_p_values,
    repeated_tests,
)
from hydrometer.stats.paired import estimate, tango_interval
from hydrometer.stats.sequential import boundaries, look_counts, one_sided_repeated_p

SIGNS = st.lists(st.sampled_from([-1, 0, 0, 0, 1]), min_size=60, max_size=200)


def pairs(signs: list[int] | Floats) -> Paired:
    """Right/wrong scores with these differences."""
    d = np.asarray(signs)
    return Paired(base=(d < 0).astype(float), student=(d > 0).astype(float))


def looks(n: int, taken: int = 0) -> Looks:
    counts = look_counts(n)
    return Looks(times=tuple(c / n for c in counts), cuts=counts[: taken or len(counts)])


@given(SIGNS)
@settings(deadline=None, max_examples=40)
def test_a_single_look_is_the_test_of_fixed_size(signs: list[int]) -> None:
    whole = pairs(signs)
    assert repeated_tests(whole, Looks.single(whole.n), 0.03) == four_tests(whole, 0.03)
    assert repeated_estimate(whole, Looks.single(whole.n), 0.05) == estimate(whole, 0.95)


@given(SIGNS)
@settings(deadline=None, max_examples=40)
def test_every_look_is_the_test_of_its_prefix_latched(signs: list[int]) -> None:
    """The slow twin: four tests on each prefix, turned to z, then the repeated p-value one test at a time."""
    whole, plan = pairs(signs), looks(len(signs))
    found = repeated_p_values(whole, plan, 0.05)
    for column, name in enumerate(("better", "worse", "above_lower", "below_upper")):
        z = []
        for cut in plan.cuts:
            p = getattr(four_tests(whole.first(cut), 0.05), name)
            z.append(-np.inf if p >= 1 else np.inf if p <= 0 else float(norm_isf(p)))
        expected = one_sided_repeated_p(np.array(z), plan.times) if len(plan.times) > 1 else ndtr(-np.array(z))
        np.testing.assert_allclose(found[:, column], expected, rtol=1e-6, atol=1e-12)
    assert (np.diff(found, axis=0) <= 0).all()


def norm_isf(p: float) -> float:
    from scipy.special import ndtri

    return -ndtri(p)


def test_order_within_a_look_changes_nothing_and_across_looks_does() -> None:
    d = np.zeros(200, dtype=int)
    d[:12] = -1
    plan = looks(200)
    early = repeated_tests(pairs(d), plan, 0.03)
    shuffled = d.copy()
    shuffled[: plan.cuts[0]] = shuffled[: plan.cuts[0]][::-1]
    assert repeated_tests(pairs(shuffled), plan, 0.03) == early
    late = repeated_tests(pairs(d[::-1]), plan, 0.03)
    assert late.worse != early.worse


def test_what_was_shown_stays_shown() -> None:
    d = np.zeros(400, dtype=int)
    d[:40] = -1
    d[200:240] = 1  # all of it is won back
    found = repeated_tests(pairs(d), looks(400), 0.03)
    assert found.worse < 0.001
    assert four_tests(pairs(d), 0.03).worse > 0.4


def test_fractional_scores_and_clusters_are_looked_at_by_prefix() -> None:
    random = np.random.default_rng(3)
    base, student = random.uniform(size=(2, 120))
    clusters = np.repeat(np.arange(40), 3)
    for whole in (
        Paired(base=base, student=student),
        Paired(base=(base > 0.5) * 1.0, student=(student > 0.5) * 1.0, clusters=clusters),
    ):
        cuts = (45, 90, 120)
        rows = prefix_tests(whole, cuts, 0.1)
        for row, cut in zip(rows, cuts, strict=True):
            one = four_tests(whole.first(cut), 0.1)
            assert row == pytest.approx([one.better, one.worse, one.above_lower, one.below_upper])
    alone = four_tests(
        Paired(base=(base > 0.5) * 1.0, student=(student > 0.5) * 1.0), 0.1
    )
    assert rows[-1][1] != pytest.approx(alone.worse)


def test_repeated_interval_is_tangos_at_the_boundary() -> None:
    d = np.array([-1, 1, 0, 0, 0, -1, 0, 0] * 25)
    plan = looks(400, taken=9)
    seen = pairs(np.concatenate([d, np.zeros(200)])[: plan.cuts[-1]])
    found = repeated_estimate(seen, plan, 0.05)
    level = 2 * ndtr(boundaries(plan.times, 0.05)[8]) - 1
    gained, lost = found.gained, found.lost
    low, high = tango_interval(gained, lost, seen.n, float(level))
    assert (found.low, found.high, found.level) == (float(low), float(high), 0.95)
    assert found.low < estimate(seen).low < estimate(seen).high < found.high


def test_latched_works_on_many_worlds_at_once() -> None:
    random = np.random.default_rng(0)
    p = random.uniform(size=(5, 3, 4))
    times = (0.3, 0.6, 1.0)
    together = latched(p, times)
    for world in range(5):
        np.testing.assert_allclose(together[world], latched(p[world], times))


@pytest.mark.parametrize("truth", [0.0, -0.05])
def test_error_rates_and_coverage_over_all_looks(truth: float) -> None:
    """2,000 worlds of 300 pairs, 10 % flips: false alarms, false equivalence at the margin, simultaneous coverage."""
    worlds, n, margin = 2000, 300, 0.05
    flips = 0.10
    random = np.random.default_rng(11)
    d = random.choice([-1, 0, 1], p=[(flips - truth) / 2, 1 - flips, (flips + truth) / 2], size=(worlds, n))
    plan = looks(n)
    wrong = outside = 0
    for row in d:
        tests = repeated_tests(pairs(row), plan, margin)
        if truth == 0.0:
            wrong += tests.two_sided <= 0.05
        else:
            wrong += tests.inside <= 0.05
    for row in d[:150]:
        intervals = [
            repeated_estimate(pairs(row[:cut]), Looks(times=plan.times, cuts=plan.cuts[: k + 1]), 0.05)
            for k, cut in enumerate(plan.cuts)
        ]
        outside += any(not found.low <= truth <= found.high for found in intervals)
    assert wrong / worlds <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / worlds)
    assert outside / 150 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 150)


class TestChance:
    def test_is_sure_of_a_large_loss_and_of_nothing_at_the_end(self) -> None:
        loss = pairs([-1, -1, 0] * 20)
        assert chance_of_verdict(loss, looks(600, taken=2), 0.03, 0.05) > 0.99
        assert chance_of_verdict(pairs([0] * 100), looks(100), 0.03, 0.05) == 0.0

    def test_gives_up_on_many_flips_and_few_items(self) -> None:
        even = pairs([-1, 1, 0, 0, 0, 0, 0, 0, 0, 0] * 3)
        assert chance_of_verdict(even, Looks(times=(30 / 60, 1.0), cuts=(30,)), 0.03, 0.05) < 0.10
        assert chance_of_verdict(even, Looks(times=(30 / 9000, 1.0), cuts=(30,)), 0.03, 0.05) > 0.5

    def test_agrees_with_what_happens(self) -> None:
        """A prediction from half the pairs against 400 continuations drawn from the shares seen so far."""
        random = np.random.default_rng(5)
        half = pairs([-1] * 9 + [1] * 4 + [0] * 137)
        plan = looks(300)
        taken = plan.cuts.index(150) + 1
        predicted = chance_of_verdict(half, Looks(times=plan.times, cuts=plan.cuts[:taken]), 0.05, 0.05)
        shares = (np.array([9, 137, 4]) + np.array([1.0, 0.0, 1.0])) / 152
        found = 0
        for _ in range(400):
            # The truth is as uncertain as the pairs so far leave it.
            rest = random.choice([-1, 0, 1], p=random.dirichlet(shares * 150), size=150)
            whole = pairs(np.concatenate([half.differences, rest]))
            last = four_tests(whole, 0.05)
            z = float(boundaries(plan.times, 0.05)[-1]), float(boundaries(plan.times, 0.10)[-1])
            found += last.two_sided <= 2 * ndtr(-z[0]) or last.inside <= ndtr(-z[1])
        assert predicted == pytest.approx(found / 400, abs=0.1)


def test_looks_must_have_been_planned() -> None:
    with pytest.raises(ValueError, match="2 looks were taken of 1 planned"):
        Looks(times=(1.0,), cuts=(3, 4))
    with pytest.raises(ValueError, match="at least one"):
        Looks(times=(1.0,), cuts=())
