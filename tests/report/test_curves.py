"""Line charts as data: order and scale are kept, labels are short, what has no pairs is not drawn."""

from typing import Any

import pytest
import sample
import sample_facets

from hydrometer.report.curves import budget_curves, tier_curves
from hydrometer.report.drawing import Spec, common_top
from hydrometer.stats.estimate import Estimate


def found(base: float, student: float, half: float = 0.05, n: int = 50) -> Estimate:
    gap = student - base
    return sample.estimate(base, student, gap - half, gap + half, n=n)


def rows(spec: Spec | None, table: str = "points") -> list[dict[str, Any]]:
    assert spec is not None
    return next(data["values"] for data in spec["data"] if data["name"] == table)


def test_budgets_that_double_lie_equally_far_apart() -> None:
    spec = budget_curves([16, 32, 128], [found(0.1, 0.2)] * 3, 100.0)
    assert [row["x"] for row in rows(spec)] == [16, 32, 128]
    assert spec is not None
    across = next(scale for scale in spec["scales"] if scale["name"] == "x")
    assert (across["type"], across["base"]) == ("log", 2)
    assert next(axis["values"] for axis in spec["axes"] if axis["scale"] == "x") == [16, 32, 128]


def test_whiskers_are_laid_from_the_base_and_titles_hold_the_numbers() -> None:
    spec = tier_curves(["a", "b"], [found(0.0, 1.0), found(0.5, 0.25, 0.1)], 100.0)
    first, second = rows(spec)
    assert (first["base"], first["student"]) == (0.0, 100.0)
    # -0.25 +- 0.1 from 0.5: from 15 to 35 percent, below the base.
    assert (second["low"], second["high"]) == pytest.approx((15.0, 35.0))
    assert second["title"] == "b: base 50.0 %, student 25.0 %, -25.0 [-35.0, -15.0] points"


def test_what_has_no_pairs_is_not_drawn() -> None:
    spec = tier_curves(["a", "b", "c"], [found(0.5, 0.5), sample_facets.NOTHING, found(0.4, 0.4)], 100.0)
    assert [(row["x"], row["lines"]) for row in rows(spec)] == [(0, ["a"]), (1, ["c"])]
    assert tier_curves(["a", "b"], [found(0.5, 0.5), sample_facets.NOTHING], 100.0) is None
    assert tier_curves([], [], 100.0) is None
    assert budget_curves([16, 16], [found(0.5, 0.5)] * 2, 100.0) is None


def test_tiers_of_one_name_stay_two_places() -> None:
    assert [row["x"] for row in rows(tier_curves(["a", "a"], [found(0.5, 0.5)] * 2, 100.0))] == [0, 1]


def test_names_of_tiers_break_into_short_lines() -> None:
    names = ["one easy", "easy and very hard", "a b c d e f g h i j k l m n o p q r s t u v w", "x" * 90]
    lines = [row["lines"] for row in rows(tier_curves(names, [found(0.1, 0.1)] * 4, 100.0))]
    assert lines[:2] == [["one easy"], ["easy and", "very hard"]]
    assert lines[2][-1].endswith("…")
    assert lines[3] == ["x" * 14 + "…"]
    assert all(len(part) <= 15 for name in lines for part in name)


@pytest.mark.parametrize(
    ("base", "student", "baselines"),
    [(0.5, 0.2, ["middle", "middle"]), (0.50, 0.45, ["bottom", "top"]), (0.45, 0.5, ["top", "bottom"])],
)
def test_of_two_labels_that_would_touch_the_higher_score_stands_above(
    base: float, student: float, baselines: list[str]
) -> None:
    ends = rows(tier_curves(["a", "b"], [found(0.1, 0.1), found(base, student)], 100.0), "ends")
    assert [end["baseline"] for end in ends] == baselines
    assert [end["text"] for end in ends] == [f"base {100 * base:.1f}", f"student {100 * student:.1f}"]


def test_one_scale_holds_every_score_and_whisker() -> None:
    assert common_top([found(0.02, 0.05, 0.01)]) == 10.0
    assert common_top([found(0.02, 0.05, 0.01), found(0.2, 0.2, 0.2)]) == 50.0
    assert common_top([found(0.9, 0.95, 0.5), sample_facets.NOTHING]) == 100.0
    assert common_top([]) == 100.0
