"""Verdicts: golden tables, unanswered items, several capabilities, and simulated error rates."""

import functools
import json
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydrometer import verdict as module
from hydrometer.canon import canonical_json
from hydrometer.result import CapabilityResult, Verdict
from hydrometer.stats.estimate import Paired
from hydrometer.stats.monitor import Looks
from hydrometer.verdict import CapabilityTable, headline, judge, overall

COUNTS = st.integers(0, 60)


def paired(both: int, gained: int, lost: int, neither: int = 0) -> Paired:
    """Scores of a fourfold table."""
    counts = [both, gained, lost, neither]
    return Paired(
        base=np.repeat([1.0, 0.0, 1.0, 0.0], counts), student=np.repeat([1.0, 1.0, 0.0, 0.0], counts)
    )


def with_unanswered(seen: Paired, base: float, student: float, count: int) -> CapabilityTable:
    """A table to which `count` items are added that count as failed where a side left them open."""
    counted = Paired(
        base=np.concatenate([seen.base, np.full(count, base)]),
        student=np.concatenate([seen.student, np.full(count, student)]),
    )
    return CapabilityTable(answered=seen, strict=counted, chance=0.25, tasks=("a", "b"))


def plain(*counts: int) -> CapabilityTable:
    """A table in which every item was answered."""
    return with_unanswered(paired(*counts), 0.0, 0.0, 0)


def judge_one(table: CapabilityTable, margin: float = 0.03, alpha: float = 0.05) -> CapabilityResult:
    return judge({"x": table}, margin=margin, alpha=alpha)[0]


class TestOneCapability:
    @pytest.mark.parametrize(
        ("counts", "verdict", "material"),
        [
            ((600, 0, 60, 100), Verdict.WORSE, True),
            ((600, 60, 0, 100), Verdict.BETTER, True),
            ((250, 5, 20, 25), Verdict.WORSE, False),
            ((250, 20, 5, 25), Verdict.BETTER, False),
            ((600, 18, 22, 360), Verdict.EQUIVALENT, False),
            ((40, 3, 4, 13), Verdict.NOT_ENOUGH, False),
        ],
    )
    def test_verdicts(self, counts: tuple[int, ...], verdict: Verdict, material: bool) -> None:
        found = judge_one(plain(*counts))
        assert (found.verdict, found.material) == (verdict, material)

    def test_four_against_none_of_300_is_not_significant(self) -> None:
        found = judge_one(plain(200, 0, 4, 96), margin=0.01)
        assert found.verdict is Verdict.NOT_ENOUGH
        assert found.adjusted_p == pytest.approx(0.0625)

    def test_eight_against_none_is_significant(self) -> None:
        assert judge_one(plain(200, 0, 8, 92), margin=0.03).verdict is Verdict.WORSE

    def test_four_tenths_of_a_point_at_four_percent_flips_is_no_loss(self) -> None:
        table = plain(600, 18, 22, 360)
        assert judge_one(table).verdict is Verdict.EQUIVALENT
        assert judge_one(table, margin=0.005).verdict is Verdict.NOT_ENOUGH

    def test_a_real_difference_below_the_margin_is_equivalent(self) -> None:
        found = judge_one(plain(3000, 3, 30, 6967))
        assert found.verdict is Verdict.EQUIVALENT
        assert found.adjusted_p < 0.001
        assert found.reason == "equivalent (real but smaller than the margin)"

    @pytest.mark.parametrize(("margin", "enough"), [(0.05, 59), (0.03, 99)])
    def test_no_flips_are_not_equivalence_until_there_are_enough_pairs(
        self, margin: float, enough: int
    ) -> None:
        few, many = judge_one(plain(enough - 1, 0, 0), margin), judge_one(plain(enough, 0, 0), margin)
        assert few.verdict is Verdict.NOT_ENOUGH
        assert many.verdict is Verdict.EQUIVALENT

    def test_fractional_scores(self) -> None:
        base = np.tile([0.5, 0.75, 1.0], 60)
        lost = Paired(base=base, student=base - 0.25)
        found = judge_one(CapabilityTable(answered=lost, strict=lost, chance=0.0, tasks=("t",)))
        assert (found.verdict, found.material) == (Verdict.WORSE, True)
        same = Paired(base=np.full(30, 0.5), student=np.full(30, 0.5))
        assert (
            judge_one(CapabilityTable(answered=same, strict=same, chance=0, tasks=())).verdict
            is Verdict.NOT_ENOUGH
        )

    def test_interval_has_the_level_of_the_verdict(self) -> None:
        assert judge_one(plain(40, 3, 4), alpha=0.1).estimate.level == pytest.approx(0.9)

    def test_carries_what_it_was_given(self) -> None:
        found = judge_one(plain(40, 3, 4))
        assert (found.capability, found.chance, found.tasks) == ("x", 0.25, ("a", "b"))

    @given(COUNTS, COUNTS, COUNTS, COUNTS)
    @settings(deadline=None, max_examples=40)
    def test_swapping_the_models_swaps_the_verdict(
        self, both: int, gained: int, lost: int, neither: int
    ) -> None:
        opposite = {Verdict.WORSE: Verdict.BETTER, Verdict.BETTER: Verdict.WORSE}
        one, other = (
            judge_one(plain(both, gained, lost, neither)),
            judge_one(plain(both, lost, gained, neither)),
        )
        assert one.verdict is opposite.get(other.verdict, other.verdict)
        assert (one.material, one.items_needed) == (other.material, other.items_needed)

    @given(COUNTS, COUNTS, st.integers(0, 400), st.sampled_from([0.01, 0.03, 0.1]))
    @settings(deadline=None, max_examples=40)
    def test_is_json_and_consistent(self, gained: int, lost: int, both: int, margin: float) -> None:
        found = judge_one(plain(both, gained, lost), margin)
        json.loads(canonical_json(found))
        assert (found.items_needed is None) or (found.verdict is Verdict.NOT_ENOUGH)
        assert (found.items_needed is None) or (found.items_needed > found.estimate.n)
        assert 0.0 < found.detectable <= 1.0
        assert not found.material or abs(found.estimate.difference) > margin
        assert found.reason


class TestPlan:
    def test_pairs_still_needed_come_from_the_flips_not_from_the_difference(self) -> None:
        balanced, lopsided = judge_one(plain(90, 5, 5)), judge_one(plain(90, 3, 7))
        # 10 flips and a pseudo-flip of 102: (1.64485 + 1.28155) squared, times 11/102, over 0.03 squared.
        assert balanced.items_needed == lopsided.items_needed == 1027
        assert balanced.detectable == pytest.approx(2.8 * math.sqrt(11 / 102 / 100), abs=0.002)

    def test_settled_needs_nothing(self) -> None:
        assert judge_one(plain(600, 18, 22, 360)).items_needed is None

    def test_more_pairs_than_planned_and_still_open_cannot_be_said(self) -> None:
        found = judge_one(plain(441, 6, 13))
        assert (found.verdict, found.items_needed) == (Verdict.NOT_ENOUGH, None)

    def test_no_flip_in_few_pairs_still_names_a_number(self) -> None:
        assert judge_one(plain(20, 0, 0)).items_needed == 433


class TestUnanswered:
    def test_nothing_answered_by_both(self) -> None:
        found = judge_one(with_unanswered(paired(0, 0, 0), 1.0, 0.0, 80))
        assert (found.verdict, found.items_needed, found.detectable) == (Verdict.NOT_ENOUGH, None, 1.0)
        assert found.reason == "no item was answered by both models"
        assert found.strict.difference == -1.0

    def test_nothing_at_all(self) -> None:
        found = judge_one(plain(0, 0, 0))
        assert found.verdict is Verdict.NOT_ENOUGH
        assert (found.estimate.low, found.estimate.high, found.adjusted_p) == (-1.0, 1.0, 1.0)

    @pytest.mark.parametrize(
        ("seen", "alone", "counted"),
        [
            (paired(600, 18, 22, 360), Verdict.EQUIVALENT, Verdict.WORSE),
            (paired(250, 25, 5, 20), Verdict.BETTER, Verdict.WORSE),
            (paired(20, 1, 1, 8), Verdict.NOT_ENOUGH, Verdict.WORSE),
        ],
    )
    def test_a_verdict_that_hangs_on_them_is_not_enough(
        self, seen: Paired, alone: Verdict, counted: Verdict
    ) -> None:
        table = with_unanswered(seen, 1.0, 0.0, 100)
        assert judge_one(replace(table, strict=table.answered)).verdict is alone
        assert judge_one(replace(table, answered=table.strict)).verdict is counted
        found = judge_one(table)
        assert (found.verdict, found.material, found.items_needed) == (Verdict.NOT_ENOUGH, False, None)
        assert found.reason == "depends on how the 100 unanswered items count"

    def test_a_verdict_lost_by_counting_them_is_not_enough(self) -> None:
        table = with_unanswered(paired(250, 5, 20, 25), 0.0, 1.0, 12)
        assert judge_one(table).verdict is Verdict.NOT_ENOUGH
        assert judge_one(table).reason == "depends on how the 12 unanswered items count"

    def test_a_single_one(self) -> None:
        table = with_unanswered(paired(300, 0, 5), 0.0, 1.0, 1)
        assert judge_one(table, margin=0.01).reason == "depends on how the 1 unanswered item counts"

    def test_a_verdict_that_holds_either_way_stands(self) -> None:
        found = judge_one(with_unanswered(paired(600, 0, 60, 100), 1.0, 0.0, 30))
        assert (found.verdict, found.material) == (Verdict.WORSE, True)
        assert (found.estimate.n, found.strict.n) == (760, 790)

    def test_material_must_hold_either_way(self) -> None:
        found = judge_one(with_unanswered(paired(600, 20, 60, 100), 1.0, 0.0, 30))
        assert (found.verdict, found.material) == (Verdict.WORSE, False)
        assert found.strict.high < -0.03 < found.estimate.high

        # And the other way about: the unanswered items blur what the answered ones show.
        found = judge_one(with_unanswered(paired(600, 8, 50, 100), 0.0, 1.0, 6))
        assert (found.verdict, found.material) == (Verdict.WORSE, False)
        assert found.estimate.high < -0.03 < found.strict.high

    def test_refuses_a_strict_table_without_the_answered_items(self) -> None:
        with pytest.raises(ValueError, match="must hold all"):
            CapabilityTable(answered=paired(3, 0, 0), strict=paired(2, 0, 0), chance=0.0, tasks=())


class TestSeveralCapabilities:
    LOSS = plain(120, 2, 12, 66)  # mid-p 0.0074
    EVEN = plain(120, 7, 7, 66)

    def test_correction_depends_on_their_number(self) -> None:
        few = judge({"a": self.LOSS, **{str(i): self.EVEN for i in range(3)}}, margin=0.03, alpha=0.05)
        many = judge({"a": self.LOSS, **{str(i): self.EVEN for i in range(9)}}, margin=0.03, alpha=0.05)
        assert few[0].verdict is Verdict.WORSE
        assert few[0].adjusted_p == pytest.approx(4 * few[0].estimate.p_value)
        assert many[0].verdict is Verdict.NOT_ENOUGH
        assert many[0].reason == (
            "a difference shows here alone, but not after correction for the number of capabilities"
        )

    def test_equivalence_needs_no_correction(self) -> None:
        same = plain(600, 18, 22, 360)
        found = judge({str(i): same for i in range(12)}, margin=0.03, alpha=0.05)
        assert {result.verdict for result in found} == {Verdict.EQUIVALENT}
        assert overall(found) is Verdict.EQUIVALENT

    def test_unanswered_items_of_another_can_tip_one(self) -> None:
        # Alone 2 x .029; the other one is significant only if its unanswered items count, which frees this one.
        tipped = plain(200, 4, 13, 60)
        other = with_unanswered(paired(60, 2, 3, 20), 1.0, 0.0, 30)
        found = judge({"tipped": tipped, "other": other}, margin=0.01, alpha=0.05)
        assert found[0].verdict is Verdict.NOT_ENOUGH
        assert found[0].reason == "depends on how the unanswered items of other capabilities count"

    def test_order_and_names_are_kept(self) -> None:
        tables = {"b": self.EVEN, "a": self.LOSS}
        assert [result.capability for result in judge(tables, margin=0.03, alpha=0.05)] == ["b", "a"]

    def test_none(self) -> None:
        assert judge({}, margin=0.03, alpha=0.05) == ()


TABLES = {
    Verdict.WORSE: plain(600, 0, 60, 100),
    Verdict.BETTER: plain(600, 60, 0, 100),
    Verdict.EQUIVALENT: plain(900, 9, 9, 82),
    Verdict.NOT_ENOUGH: plain(40, 3, 4),
}


def results(**verdicts: Verdict) -> tuple[CapabilityResult, ...]:
    found = judge({name: TABLES[v] for name, v in verdicts.items()}, margin=0.03, alpha=0.05)
    assert [result.verdict for result in found] == list(verdicts.values())
    return found


W, B, E, N = Verdict.WORSE, Verdict.BETTER, Verdict.EQUIVALENT, Verdict.NOT_ENOUGH


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [([W, B, E, N], W), ([B, E, N], N), ([B, E], B), ([E, E], E), ([W], W), ([], N)],
)
def test_overall(verdicts: list[Verdict], expected: Verdict) -> None:
    assert overall(results(**{f"c{i}": v for i, v in enumerate(verdicts)})) is expected


MIXED = (
    "S is worse than B in a and text editing; equivalent within the margin in e; "
    "not enough evidence yet in 2 of 5 capabilities."
)


@pytest.mark.parametrize(
    ("verdicts", "sentence"),
    [
        ({"a": W, "text_editing": W, "c": N, "d": N, "e": E}, MIXED),
        ({"a": W, "b": B, "c": W, "d": W}, "S is worse than B in a, c and d; better in b."),
        (
            {"a": B, "b": E, "c": E},
            "S is better than B in a; equivalent within the margin in 2 of 3 capabilities.",
        ),
        ({"a": E, "b": E}, "S is equivalent to B within the margin in all 2 capabilities."),
        ({"a": E, "b": N}, "S is equivalent to B within the margin in a; not enough evidence yet in b."),
        ({"a": N, "b": N}, "Not enough evidence yet to tell S from B in all 2 capabilities."),
        ({"reasoning": N}, "Not enough evidence yet to tell S from B in reasoning."),
        ({}, "Nothing was compared between S and B."),
    ],
)
def test_headline(verdicts: dict[str, Verdict], sentence: str) -> None:
    assert headline(results(**verdicts), "B", "S") == sentence


class TestErrorRates:
    """Simulated audits through `judge`; only its estimates and tests are remembered per table, for speed."""

    @pytest.fixture(autouse=True)
    def _remember(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("repeated_estimate", "repeated_tests"):
            monkeypatch.setattr(module, name, remembered(getattr(module, name)))

    @pytest.mark.parametrize(("n", "flips"), [(60, 0.05), (200, 0.10), (500, 0.20)])
    def test_no_difference_anywhere_is_rarely_called_one(self, n: int, flips: float) -> None:
        audits, capabilities = 1200, 6
        random = np.random.default_rng(n)
        drawn = random.multinomial(n, [flips / 2, flips / 2, 1 - flips], size=(audits, capabilities))
        wrong = 0
        for audit in drawn:
            found = judge(
                {str(i): drawn_table(b, c, n) for i, (b, c, _) in enumerate(audit)}, margin=0.02, alpha=0.05
            )
            wrong += any(result.verdict in (Verdict.WORSE, Verdict.BETTER) for result in found)
        assert wrong / audits <= at_most(0.05, audits)

    @pytest.mark.parametrize(
        ("n", "margin", "flips"), [(100, 0.05, 0.05), (200, 0.05, 0.07), (500, 0.03, 0.03), (500, 0.03, 0.10)]
    )
    @pytest.mark.parametrize("sign", [-1, 1])
    def test_a_difference_of_the_margin_is_rarely_called_equivalent(
        self, n: int, margin: float, flips: float, sign: int
    ) -> None:
        audits = 2000
        gain, loss = (flips + sign * margin) / 2, (flips - sign * margin) / 2
        drawn = np.random.default_rng(7).multinomial(n, [gain, loss, 1 - flips], size=audits)
        found = [judge_one(drawn_table(b, c, n), margin) for b, c, _ in drawn]
        assert sum(one.verdict is Verdict.EQUIVALENT for one in found) / audits <= at_most(0.05, audits)

    def test_a_large_loss_is_found(self) -> None:
        drawn = np.random.default_rng(9).multinomial(300, [0.03, 0.11, 0.86], size=400)
        found = [judge_one(drawn_table(b, c, 300)) for b, c, _ in drawn]
        assert sum(one.verdict is Verdict.WORSE for one in found) / 400 > 0.9


def at_most(rate: float, trials: int) -> float:
    """The rate with three standard errors of the simulation."""
    return rate + 3 * math.sqrt(rate * (1 - rate) / trials)


@functools.cache
def drawn_table(gained: int, lost: int, n: int) -> CapabilityTable:
    return plain(n - gained - lost, gained, lost)


def remembered(function: Callable[[Paired, Looks, float], object]) -> Callable[[Paired, Looks, float], object]:
    """The function with its results kept per table of counts."""
    kept: dict[tuple[int, int, int, float], object] = {}

    def recall(pairs: Paired, looks: Looks, setting: float) -> object:
        key = (pairs.n, int((pairs.differences > 0).sum()), int((pairs.differences < 0).sum()), setting)
        if key not in kept:
            kept[key] = function(pairs, looks, setting)
        return kept[key]

    return recall
