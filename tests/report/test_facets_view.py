"""Cuts, budgets, tiers and behaviours in words and rows: golden sentences, order, and what is left out."""

from dataclasses import replace

import pytest
import sample
import sample_facets

from hydrometer.report import words
from hydrometer.report.build import build_view
from hydrometer.report.facets_view import (
    build_behaviours,
    build_budgets,
    build_confidences,
    build_cuts,
    build_flips,
    build_passes,
    build_tiers,
)
from hydrometer.result import BehaviourResult


def test_a_cut_sentence_tells_shares_what_both_finished_and_what_may_hide() -> None:
    assert words.cut_sentence(sample_facets.CUT) == (
        "Cut at the cap: 4 of 36 replies of the base, 19 of 36 of the student (+41.7 [21.0, 58.0] points). "
        "On the 16 items that both finished, the base scores 75.0 %, the student 68.8 % (-6.2 [-22.0, 11.0] points). "
        "Whatever the unanswered items would have been, the difference lies between -50.0 and +8.3 points on these "
        "items, within [-64.0, 19.0] with chance allowed for."
    )
    assert "No item was finished by both." in words.cut_sentence(sample_facets.CUT_ALL)


def test_capabilities_without_a_cut_reply_have_no_row_and_few_are_marked_as_few() -> None:
    rows = build_cuts(sample_facets.full().cuts)
    assert [(row.name, row.many) for row in rows] == [
        ("instruction following", False),
        ("arithmetic", True),
        ("long context", True),
    ]
    assert build_cuts([replace(sample_facets.CUT, hits=sample_facets.NOTHING)]) == ()


def test_a_ranking_that_flips_is_said_with_both_differences() -> None:
    points = sample_facets.budgets()
    assert build_flips(points) == (
        "On arithmetic the ranking depends on the budget: with at most 32 tokens the distillation does better "
        "(+19.0 [11.0, 27.0] points), with 128 the base does (-9.0 [-17.0, -1.0] points).",
    )
    mirrored = [
        replace(point, estimate=sample.estimate(e.student, e.base, -e.high, -e.low))
        for point in points
        for e in [point.estimate]
    ]
    assert "with at most 32 tokens the base does better" in build_flips(mirrored)[0]
    assert "with 128 the distillation does (+9.0 [1.0, 17.0] points)" in build_flips(mirrored)[0]
    assert build_flips([point for point in points if point.capability != "arithmetic"]) == ()


def test_a_budget_chart_needs_two_budgets_and_sorts_them() -> None:
    points = sample_facets.budgets()
    charts = build_budgets(points)
    assert [chart.title for chart in charts] == ["arithmetic", "instruction following", "reasoning"]
    assert build_budgets(points[::-1])[-1].rows == charts[0].rows
    row = charts[0].rows[0]
    assert (row.label, row.base, row.student, row.difference) == ("16", "2.0", "10.0", "+8.0")
    assert charts[2].rows[-1].label == "32,768"
    assert "At 512: base 64.0 %, student 43.0 %." in charts[0].drawing.description


def test_tiers_keep_their_order_and_empty_ones_stay_in_the_table() -> None:
    charts = build_tiers(sample_facets.tiers())
    titles = [chart.title for chart in charts]
    assert titles == ["arithmetic", "constraints", "needle", "long_context_with_a_long_name"]
    assert [row.label for row in charts[0].rows] == ["1 digit", "2 digits", "3 digits", "4 digits"]
    needle = charts[2]
    assert (needle.rows[-1].label, needle.rows[-1].difference) == ("256 sentences", "–")
    assert f"At {needle.rows[1].label}:" in needle.drawing.description
    assert len(needle.drawing.spec["data"][0]["values"]) == 2


def test_charts_of_one_part_share_a_scale() -> None:
    for charts in (build_budgets(sample_facets.budgets()), build_tiers(sample_facets.tiers())):
        assert len({chart.drawing.spec["scales"][1]["domain"][1] for chart in charts}) == 1


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            sample_facets.LOOP,
            "loop: 31 % of the student's replies, 2 % of the base's, +29.0 [20.1, 37.9] points",
        ),
        (
            sample_facets.IDENTITY,
            "identity claim: 6 % of the student's replies, 0 % of the base's, +6.0 [2.0, 11.0] points; style, no proof "
            "of who the teacher was",
        ),
        (
            sample_facets.VERBOSE,
            "preamble: 30 % of the student's replies, 41 % of the base's, -11.0 [-19.0, -3.0] points; style, not a "
            "fault",
        ),
    ],
    ids=["fault", "identity", "style"],
)
def test_a_behaviour_is_said_as_excess_and_style_as_style(row: BehaviourResult, sentence: str) -> None:
    assert words.behaviour_sentence(row) == sentence


def test_a_rare_behaviour_never_reads_as_none() -> None:
    rare = replace(sample_facets.LOOP, excess=sample.estimate(0.0, 0.004, -0.001, 0.01, n=1000))
    assert "0.4 % of the student's" in words.behaviour_sentence(rare)


def test_behaviours_keep_their_order_and_link_only_items_that_are_there() -> None:
    result = sample_facets.full()
    rows = build_behaviours(result.behaviours, result.items)
    assert [row.name for row in rows] == ["loop", "identity claim", "refusal", "preamble"]
    assert [row.shown for row in rows] == [True, True, False, True]
    assert [row.kind for row in rows] == ["fault", "style", "fault", "style"]
    assert len(sample_facets.LOOP.items) == 4
    assert len(rows[0].anchors) == 3
    assert set(rows[0].anchors) <= {item.anchor for item in build_view(result).items}


def test_replies_carry_their_signs_and_items_their_names() -> None:
    view = build_view(sample_facets.full())
    item = next(i for i in view.items if i.sign_keys == ("loop", "identity_claim"))
    assert [(sign.label, sign.value) for sign in item.student.signs] == [
        ("loop", "no new word in the last 400"),
        ("identity claim", "“I am Qwen”"),
    ]
    assert item.base.signs == ()
    assert next(i for i in view.items if i.base.signs).sign_keys == ("refusal",)


def test_a_result_without_facets_has_none_in_its_view() -> None:
    view = build_view(sample.sample())
    assert (view.cuts, view.flips, view.budgets, view.tiers, view.behaviours) == ((),) * 5


def test_the_floor_is_told_with_its_direction() -> None:
    floor = sample_facets.full().floor
    assert floor is not None
    assert words.floor_sentence(floor).endswith("The student flips 12.0 points more often (p < .001).")
    fewer = replace(floor, excess=-0.01, excess_p=0.4)
    assert words.floor_sentence(fewer).endswith("The student flips 1.0 points less often (p = .400).")


def test_a_change_of_calibration_is_said_with_what_is_claimed_and_what_is_right() -> None:
    found = sample_facets.CALIBRATION
    assert words.calibration_sentence(found) == (
        "asked how sure it is, the student says 93.0 % and is right on 67.0 %, the base says 71.0 % and is right on "
        "69.0 % of 96 items. It claims more than the base, relative to what it gets right: +24.0 points (p < .001)."
    )
    less = replace(found, level=-0.1, level_p=0.02)
    assert "It claims less than the base" in words.calibration_sentence(less)
    slope = replace(found, level_shown=False, slope=-0.3)
    assert "Its confidences became less extreme than they earn (p = .003)." in words.calibration_sentence(slope)
    open_still = replace(found, level_shown=False, slope_shown=False, level_p=0.4, slope_p=0.2)
    assert words.calibration_sentence(open_still).endswith("No change of calibration is shown (p = .200).")
    assert "nothing can be said" in words.calibration_sentence(replace(found, n=0))
    assert build_confidences(found)[0].value == "base 118, student 97 of 120 items"


def test_samples_are_told_as_one_and_as_all_with_what_changed() -> None:
    found = sample_facets.DIVERSITY
    assert words.diversity_sentence(found) == (
        "over 60 questions, one sample of the student is right on 60.0 % (base 50.0 %, +10.0 [2.0, 18.0] points), any "
        "of 2 on 62.0 % (base 80.0 %, -18.0 [-29.0, -7.0] points); 55.0 % of its answers are distinct (base 95.0 %, "
        "-40.0 [-48.0, -32.0] points). Further samples help it less than the base and its samples are more alike."
    )
    open_still = replace(found, added_shown=False, distinct_shown=False, distinct=sample_facets.NOTHING)
    assert words.diversity_sentence(open_still).endswith("points). No change of variety is shown.")
    nothing = replace(found, passes=(sample_facets.NOTHING,) * 2)
    assert "no question of diversity has all its samples" in words.diversity_sentence(nothing)
    labels = [row.label for row in build_passes([found])]
    assert labels == [
        "diversity: one sample right",
        "diversity: any of 2 right",
        "diversity: added by 2 samples",
        "diversity: distinct answers",
    ]
