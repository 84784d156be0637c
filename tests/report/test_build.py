"""The view: every row, in order, and a command that asks for the same audit."""

import shlex
from dataclasses import replace

import pytest
import sample

from hydrometer.report.build import BADGES, build_view, reproduce_command
from hydrometer.report.plot import forest_plot
from hydrometer.result import Verdict
from hydrometer.spec import SamplingPolicy


def test_rows_of_a_capability() -> None:
    row = build_view(sample.sample()).capabilities[0]
    assert (row.base, row.student, row.difference, row.interval) == ("71.0", "62.0", "-9.0", "[-14.1, -3.9]")
    assert (row.pairs, row.flips, row.unanswered_base, row.unanswered_student) == ("120", "+6/-17", "3", "6")
    assert row.details[0].value == "p = .012; p = .049 after Holm's correction"


def test_a_capability_without_pairs_shows_no_numbers() -> None:
    row = build_view(sample.sample()).capabilities[-1]
    assert {row.base, row.student, row.difference, row.interval} == {"–"}


def test_items_are_ordered_by_change_and_counted() -> None:
    result = sample.sample()
    view = build_view(result)
    order = [item.change for item in view.items]
    assert order == sorted(order, key=["lost", "gained", "unanswered", "same"].index)
    assert view.changes == {kind: sum(i.change == kind for i in result.items) for kind in view.changes}
    assert sum(view.changes.values()) == len(result.items)


def test_choices_show_what_was_taken_what_is_right_and_what_decided() -> None:
    item = next(i for i in build_view(sample.sample()).items if i.task == "knowledge")
    assert item.expected == "Paris"
    assert [(o.label, o.value) for o in item.student.options] == [
        ("✓ Paris", "-1.25 (-0.25 per byte)"),
        ("→ Lyon </option>", "-0.50 (-0.04 per byte)"),
        ("Nice", "-7.00 (-1.75 per byte)"),
    ]


def test_command_asks_for_the_same_audit() -> None:
    spec = sample.sample().spec
    assert shlex.split(reproduce_command(spec)) == [
        "hydrometer", "audit", "models/base.gguf", "models/it's.gguf", "--suite", "standard", "--seed", "7",
        "--allow", "precision",
    ]  # fmt: skip
    more = replace(spec, sampling=SamplingPolicy.VENDOR, tasks=("a", "b"), margin=0.05, max_tokens=99)
    assert shlex.split(reproduce_command(more))[4:] == [
        "--suite", "standard", "--margin", "0.05", "--max-tokens", "99", "--sampling", "vendor", "--seed", "7",
        "--task", "a", "--task", "b", "--allow", "precision",
    ]  # fmt: skip


def test_an_error_rate_of_ones_own_is_named() -> None:
    spec = replace(sample.sample().spec, alpha=0.1)
    view = build_view(sample.sample(spec=spec))
    assert "--alpha 0.1" in view.command


def test_findings_that_differ_are_told_apart() -> None:
    view = build_view(sample.invalid())
    assert [row.aspect for row in view.differences] == ["precision", "adapter", "template"]
    assert view.differences[1].student == "sha256:9f9f9f9f9f9f…"
    assert view.badge.label == "not comparable"


def test_verdicts_differ_without_colour() -> None:
    assert set(BADGES) == set(Verdict)
    for symbol in ("symbol", "ascii", "label", "kind"):
        assert len({getattr(badge, symbol) for badge in BADGES.values()}) == len(Verdict)
    assert all(badge.ascii.isascii() for badge in BADGES.values())


def test_the_plot_keeps_order_scale_and_band() -> None:
    plot = forest_plot([row.estimate for row in sample.CAPABILITIES], 0.03)
    assert plot is not None
    for mark, result in zip(plot.marks, sample.CAPABILITIES, strict=True):
        assert 0 <= mark.low <= mark.point <= mark.high <= 100
        if result.estimate.n:
            assert (mark.high < plot.zero) == (result.estimate.high < 0)
            assert (mark.low > plot.zero) == (result.estimate.low > 0)
    assert plot.zero - plot.band_low == pytest.approx(plot.band_high - plot.zero)
    # The capability without pairs must not squeeze the others: the widest real interval fills its half.
    assert max(mark.high for mark in plot.marks[:-1]) == pytest.approx(97.0)
    assert [tick.label for tick in plot.ticks] == ["-15", "-10", "-5", "0", "+5", "+10", "+15"]
    assert forest_plot((), 0.03) is None
