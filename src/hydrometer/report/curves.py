"""Scores of both models over token budgets or difficulty tiers: two lines, and the interval of their difference."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from hydrometer.report import words
from hydrometer.report.drawing import (
    LINK,
    SOFT,
    Spec,
    at,
    base_dot,
    field,
    mark,
    percent,
    reach,
    score_axes,
    score_title,
    signal,
    spec,
    student_dot,
)
from hydrometer.stats.estimate import Estimate

_HEIGHT = 140
# Characters of a line of a label, and lines at most.
_WIDE, _LINES = 12, 3
# Scores in percent of the highest one: nearer to each other, two labels would touch.
_APART = 12
_RANGE = [8, signal("width - 96")]
"""Across, with room for the labels at the ends of the lines."""


def budget_curves(tokens: Sequence[int], estimates: Sequence[Estimate], top: float) -> Spec | None:
    """Draw scores over token budgets, each doubling equally far.

    Args:
        tokens: The budgets, growing.
        estimates: The scores at each.
        top: Percent at the top of the chart.

    Returns:
        The specification, or None where fewer than two budgets have scores: no line can be drawn.
    """
    found = [(count, estimate) for count, estimate in zip(tokens, estimates, strict=True) if estimate.n]
    if len({count for count, _ in found}) < 2:
        return None
    scale = {"name": "x", "type": "log", "base": 2, "domain": {"data": "points", "field": "x"}, "range": _RANGE}
    short = "datum.value >= 1024 && datum.value % 1024 == 0 ? datum.value / 1024 + 'k' : '' + datum.value"
    axis = {"values": [count for count, _ in found], "encode": {"labels": {"update": {"text": signal(short)}}}}
    return _lines(
        scale, axis, [(f"{count:,}", {"x": count}, estimate) for count, estimate in found], top
    )


def tier_curves(names: Sequence[str], estimates: Sequence[Estimate], top: float) -> Spec | None:
    """Draw scores over tiers, in their order and equally far apart; else as `budget_curves`."""
    found = [(name, estimate) for name, estimate in zip(names, estimates, strict=True) if estimate.n]
    if len(found) < 2:
        return None
    scale = {"name": "x", "type": "point", "domain": {"data": "points", "field": "x"}, "range": _RANGE}
    # By number, for two tiers may have one name once it is cut.
    axis = {"encode": {"labels": {"update": {"text": signal("data('points')[datum.value].lines")}}}}
    rows = [(name, {"x": n, "lines": _wrapped(name)}, estimate) for n, (name, estimate) in enumerate(found)]
    return _lines(scale, axis, rows, top)


def _lines(
    scale: Spec, axis: Spec, rows: Iterable[tuple[str, dict[str, Any], Estimate]], top: float
) -> Spec:
    points = [
        {
            **place,
            "base": percent(found.base),
            "student": percent(found.student),
            "low": percent(found.base + found.low),
            "high": percent(found.base + found.high),
            "title": score_title(label, found),
        }
        for label, place, found in rows
    ]
    y_scale, y_axis = score_axes(top)
    x = at("x", "x")
    below = {"orient": "bottom", "scale": "x", "domain": False, "labelOverlap": True, "labelSeparation": 6}
    hit = {"stroke": "transparent", "strokeWidth": 26, "tooltip": field("title")}
    return spec(
        _HEIGHT,
        {"points": points, "ends": _ends(points[-1], top)},
        scales=[scale, y_scale],
        axes=[y_axis, below | axis],
        marks=[
            reach("points", x=x, y=at("y", "low"), y2=at("y", "high")),
            mark("line", "points", x=x, y=at("y", "base"), stroke=SOFT, strokeWidth=2, strokeDash={"value": [5, 4]}),
            mark("line", "points", x=x, y=at("y", "student"), stroke=LINK, strokeWidth=2),
            base_dot("points", x, at("y", "base")),
            student_dot("points", x, at("y", "student")),
            mark(
                "text",
                "ends",
                x=signal("width - 84"),
                y=at("y", "y"),
                text=field("text"),
                fill=field("colour"),
                fontWeight=field("weight"),
                baseline=field("baseline"),
                fontSize=12,
            ),
            mark("rule", "points", x=x, y=signal("0"), y2=signal("height"), **hit),
        ],
    )


def _ends(last: dict[str, Any], top: float) -> list[dict[str, Any]]:
    """The labels at the ends of both lines; of two that would touch, one stands above its place and one below."""
    base, student = last["base"], last["student"]
    near = abs(base - student) < _APART * top / 100
    above = "base" if base > student else "student"
    return [
        {
            "y": last[side],
            "text": f"{side} {last[side]:.1f}",
            "colour": colour,
            "weight": weight,
            "baseline": "middle" if not near else "bottom" if side == above else "top",
        }
        for side, colour, weight in (("base", SOFT, 400), ("student", LINK, 600))
    ]


def _wrapped(name: str) -> list[str]:
    """A name in few short lines; what goes beyond is cut."""
    lines = textwrap.wrap(name, _WIDE, break_long_words=False) or [""]
    if len(lines) > _LINES:
        lines[_LINES - 1] += "…"
    return [words.line(line, _WIDE + 3) for line in lines[:_LINES]]
