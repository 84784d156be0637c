"""Line charts: order and scale are kept, labels stay apart and inside, what has no pairs is not drawn."""

import itertools

import pytest
import sample
import sample_facets
from hypothesis import given
from hypothesis import strategies as st

from hydrometer.report.curves import BOTTOM, TOP, budget_curves, common_top, tier_curves
from hydrometer.stats.estimate import Estimate


def found(base: float, student: float, half: float = 0.05, n: int = 50) -> Estimate:
    gap = student - base
    return sample.estimate(base, student, gap - half, gap + half, n=n)


def test_budgets_that_double_lie_equally_far_apart() -> None:
    curves = budget_curves([16, 32, 128], [found(0.1, 0.2)] * 3, 1.0)
    assert curves is not None
    first, second, third = (place.x for place in curves.places)
    assert third - second == pytest.approx(2 * (second - first), abs=0.05)


def test_heights_follow_scores_and_the_whisker_is_laid_from_the_base() -> None:
    curves = tier_curves(["a", "b"], [found(0.0, 1.0), found(0.5, 0.25, 0.1)], 1.0)
    assert curves is not None
    assert (curves.places[0].base, curves.places[0].student) == (BOTTOM, TOP)
    place = curves.places[1]
    assert place.base == (TOP + BOTTOM) / 2
    # -0.25 +- 0.1 from 0.5: from 0.15 to 0.35, below the base.
    assert place.low == pytest.approx(BOTTOM - 0.15 * (BOTTOM - TOP))
    assert place.high == pytest.approx(BOTTOM - 0.35 * (BOTTOM - TOP))
    assert curves.student_line.split() == [f"{p.x},{p.student}" for p in curves.places]


def test_what_has_no_pairs_is_not_drawn() -> None:
    curves = tier_curves(["a", "b", "c"], [found(0.5, 0.5), sample_facets.NOTHING, found(0.4, 0.4)], 1.0)
    assert curves is not None
    assert [step.lines for step in curves.steps] == [("a",), ("c",)]
    assert len(curves.places) == 2
    assert tier_curves(["a", "b"], [found(0.5, 0.5), sample_facets.NOTHING], 1.0) is None
    assert tier_curves([], [], 1.0) is None
    assert budget_curves([16, 16], [found(0.5, 0.5)] * 2, 1.0) is None


def test_many_steps_keep_the_label_of_the_last() -> None:
    curves = budget_curves([16 * 2**i for i in range(12)], [found(0.1, 0.1)] * 12, 1.0)
    assert curves is not None
    assert [step.lines[0] for step in curves.steps] == ["32", "128", "512", "2k", "8k", "32k"]


def test_names_of_tiers_break_into_short_lines() -> None:
    names = ["one easy", "easy and hard", "a b c d e f g h i j k l m n", "four"]
    curves = tier_curves(names, [found(0.1, 0.1)] * 4, 1.0)
    assert curves is not None
    lines = [step.lines for step in curves.steps]
    assert lines[:2] == [("one", "easy"), ("easy", "and", "hard")]
    assert lines[2][-1].endswith("…")
    assert all(len(part) <= 10 for name in lines for part in name)
    long = tier_curves(["x" * 90, "y"], [found(0.1, 0.1)] * 2, 1.0)
    assert long is not None
    assert long.steps[0].lines[0].endswith("x…")
    assert len(long.steps[0].lines[0]) < 30


def test_long_words_below_many_tiers_leave_every_second_label_out() -> None:
    names = [f"{number} sentences" for number in (3, 6, 12, 24, 48)]
    curves = tier_curves(names, [found(0.1, 0.1)] * 5, 1.0)
    assert curves is not None
    assert [" ".join(step.lines) for step in curves.steps] == ["3 sentences", "12 sentences", "48 sentences"]


@pytest.mark.parametrize(
    "names",
    [
        ["6 sentences", "12 sentences", "20 sentences", "40 sentences"],
        ["1-digit plus", "1-digit times", "2-digit plus", "2-digit times", "mixed"],
        ["next in line", *(f"{n} people" for n in ("two", "three", "four", "five", "six", "seven"))],
        ["a", "b", "c", "d", "e", "f", "g", "h"],
    ],
)
def test_labels_of_tiers_do_not_touch_on_the_narrowest_chart(names: list[str]) -> None:
    curves = tier_curves(names, [found(0.1, 0.1)] * len(names), 1.0)
    assert curves is not None
    assert len(curves.steps) > 1
    for one, other in itertools.pairwise(curves.steps):
        apart = (other.x - one.x) / 100 * 280
        # Half of either label, six pixels per character.
        assert apart >= 6 * (max(map(len, one.lines)) + max(map(len, other.lines))) / 2


def test_one_scale_holds_every_score_and_whisker() -> None:
    assert common_top([found(0.02, 0.05, 0.01)]) == 0.1
    assert common_top([found(0.02, 0.05, 0.01), found(0.2, 0.2, 0.2)]) == 0.5
    assert common_top([found(0.9, 0.95, 0.5), sample_facets.NOTHING]) == 1.0
    assert common_top([]) == 1.0


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from([0.1, 0.25, 0.5, 1.0]))
def test_end_labels_never_touch_nor_leave_the_chart(base: float, student: float, top: float) -> None:
    curves = tier_curves(["a", "b"], [found(0.1, 0.1), found(base, student)], top)
    assert curves is not None
    assert abs(curves.base_y - curves.student_y) >= 15.8
    assert all(TOP <= y <= BOTTOM for y in (curves.base_y, curves.student_y))
    if curves.places[-1].base != curves.places[-1].student:
        assert (curves.base_y < curves.student_y) == (base > student)
