"""A chart as a page holds it: words, and a Vega specification that a script draws. What charts share is built here.

Specifications are plain data. Names of models, tasks and tiers stand in the rows of `data` alone, which Vega takes as
values; every expression, scale and mark is written out here, so that no name is ever read as one.

Colours are the custom properties of the style sheet: the same drawing is right in the dark and on paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydrometer.report import words
from hydrometer.stats.estimate import Estimate

Spec = dict[str, Any]

INK, SOFT, BAND, PAPER, LINK = (f"var(--{name})" for name in ("ink", "soft", "band", "paper", "link"))
TONES = {
    name: f"var(--{name})" for name in ("better", "worse", "equivalent", "not-enough", "invalid")
} | {"quiet": SOFT}
"""Colour of a verdict or of an excess, by its name in the style sheet."""

_TOPS = (10.0, 25.0, 50.0, 100.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A chart.

    Attributes:
        key: Its name in the page.
        description: What it shows, in words: stands in its place until it is drawn, and for whoever cannot see it.
        spec: What draws it.
    """

    key: str
    description: str
    spec: Spec


def spec(height: int, data: Mapping[str, Sequence[Mapping[str, Any]]], **parts: Any) -> Spec:
    """Return a specification as wide as its place.

    Args:
        height: Pixels of what lies within the axes.
        data: Rows by the name of their table.
        parts: Scales, axes, marks.
    """
    tables = [{"name": name, "values": list(rows)} for name, rows in data.items()]
    return {"height": height, "autosize": {"type": "fit-x", "contains": "padding"}, "data": tables, **parts}


def mark(kind: str, table: str, **encode: Any) -> Spec:
    """Return a mark per row of a table; what is no object is a constant."""
    update = {name: value if isinstance(value, dict | list) else {"value": value} for name, value in encode.items()}
    return {"type": kind, "from": {"data": table}, "encode": {"update": update}}


def at(scale: str, field: str) -> Spec:
    """Return the place of a field on a scale."""
    return {"scale": scale, "field": field}


def field(name: str) -> Spec:
    """Return the value of a field."""
    return {"field": name}


def signal(expression: str) -> Spec:
    """Return what an expression gives; never put anything into it that comes from a result."""
    return {"signal": expression}


def base_dot(table: str, x: Any, y: Any, **more: Any) -> Spec:
    """Return the mark of the base: a hollow circle, told from the student's without colour."""
    return mark("symbol", table, x=x, y=y, size=80, fill=PAPER, stroke=SOFT, strokeWidth=1.75, **more)


def student_dot(table: str, x: Any, y: Any, **more: Any) -> Spec:
    """Return the mark of the student: a full square."""
    return mark("symbol", table, x=x, y=y, shape="square", size=64, fill=LINK, **more)


def reach(table: str, **ends: Any) -> Spec:
    """Return the bar of an interval."""
    return mark("rule", table, **ends, stroke=LINK, strokeWidth=5, strokeOpacity=0.38)


def score_axes(top: float) -> tuple[Spec, Spec]:
    """Return scale and axis of scores in percent; charts that stand side by side share their top."""
    scale = {"name": "y", "type": "linear", "domain": [0, top], "range": "height", "clamp": True}
    axis = {"orient": "left", "scale": "y", "values": [0, top / 2, top], "grid": True, "domain": False, "ticks": False}
    return scale, axis


def common_top(estimates: Sequence[Estimate]) -> float:
    """Return the percent at the top of charts that stand side by side: one scale, so that heights compare."""
    most = max((percent(end) for e in estimates if e.n for end in (e.base, e.student, e.base + e.high)), default=100)
    return next((top for top in _TOPS if top >= min(most, 100)), 100.0)


def percent(share: float) -> float:
    """Return a share in percent, as fine as a chart can show."""
    return round(100 * share, 2)


def score_title(label: str, found: Estimate) -> str:
    """Return the numbers behind a mark."""
    return (
        f"{label}: base {words.percent(found.base)} %, student {words.percent(found.student)} %, "
        f"{words.points(found.difference)} {words.interval(found.low, found.high)} points"
    )
