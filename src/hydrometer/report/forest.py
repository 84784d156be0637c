"""Intervals of differences, one below the other around zero: the verdicts, and the excesses of behaviours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hydrometer.report import words
from hydrometer.report.drawing import (
    BAND,
    INK,
    PAPER,
    SOFT,
    TONES,
    Spec,
    at,
    field,
    mark,
    percent,
    signal,
    spec,
)
from hydrometer.report.plot import reach_of
from hydrometer.stats.estimate import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestRow:
    """One difference.

    Attributes:
        name: What differs.
        verdict: What that means, with a symbol.
        tone: Its colour, a name in `drawing.TONES`.
        found: The difference; nothing is drawn for one without pairs.
    """

    name: str
    verdict: str
    tone: str
    found: Estimate


def forest(rows: Sequence[ForestRow], margin: float = 0.0, *, written: bool = False) -> Spec:
    """Draw differences in percentage points, the names above their lines, so that a phone has room for both.

    Args:
        rows: From top to bottom.
        margin: Half the width of the band of equivalence, in score units; 0 for no band.
        written: Whether the numbers stand below each line.
    """
    step = 70 if written else 50
    line = signal(f"datum.row * {step} + 36")
    most = percent(reach_of([row.found for row in rows], margin))
    x, low, high = at("x", "point"), at("x", "low"), at("x", "high")
    colour, title = field("tone"), field("title")
    ends = [
        mark("rule", "found", x=end, y=line, y2=signal(f"datum.row * {step} + 36 + {by}"), stroke=colour, strokeWidth=2)
        for end in (low, high)
        for by in (-5, 5)
    ]
    # A label at the edge stays inside.
    align = signal("scale('x', datum.point) < 70 ? 'left' : scale('x', datum.point) > width - 70 ? 'right' : 'center'")
    numbers = mark(
        "text", "found", x=x, y=signal(f"datum.row * {step} + 55"), text=field("value"), fill=SOFT, align=align
    )
    head = {"y": signal(f"datum.row * {step} + 14"), "fontWeight": 600}
    return spec(
        len(rows) * step + 4,
        {"rows": _names(rows), "found": _places(rows)},
        scales=[{"name": "x", "type": "linear", "domain": [-most, most], "range": [16, signal("width - 16")]}],
        axes=[_axis()],
        marks=[
            *([_band(percent(margin))] if margin else []),
            {"type": "rule", "encode": {"update": {
                "x": {"scale": "x", "value": 0}, "y": {"value": 0}, "y2": signal("height"), "stroke": {"value": SOFT},
                "strokeDash": {"value": [2, 3]}}}},
            mark("text", "rows", x=0, **head, text=field("name"), fill=INK, fontSize=14,
                 limit=signal("width - 160")),
            mark("text", "rows", x=signal("width"), **head, text=field("verdict"), fill=colour, align="right"),
            mark("text", "rows", x=0, y=line, text=field("note"), fill=SOFT),
            mark("rule", "found", x=low, x2=high, y=line, stroke=colour, strokeWidth=2.5),
            *ends,
            mark("symbol", "found", x=x, y=line, size=95, fill=colour, stroke=PAPER, strokeWidth=1.5),
            *([numbers] if written else []),
            # Wider than what is drawn, so that a pointer finds the numbers; its ends reach as far out as it is high.
            mark("rule", "found", x=12, x2=signal("width - 12"), y=line, stroke="transparent", strokeWidth=24,
                 tooltip=title),
        ],
    )  # fmt: skip


def describe(rows: Sequence[ForestRow]) -> str:
    """Say the same in words, without the symbols of the verdicts."""
    return " ".join(f"{row.name}: {row.verdict.partition(' ')[2]}, {_value(row.found)}." for row in rows)


def _names(rows: Sequence[ForestRow]) -> list[dict[str, object]]:
    return [
        {
            "row": n,
            "name": row.name,
            "verdict": row.verdict,
            "tone": TONES[row.tone],
            "note": "" if row.found.n else _value(row.found),
        }
        for n, row in enumerate(rows)
    ]


def _places(rows: Sequence[ForestRow]) -> list[dict[str, object]]:
    return [
        {
            "row": n,
            "tone": TONES[row.tone],
            "low": percent(row.found.low),
            "point": percent(row.found.difference),
            "high": percent(row.found.high),
            "value": f"{words.points(row.found.difference)} {words.interval(row.found.low, row.found.high)}",
            "title": f"{row.name}: {_value(row.found)}",
        }
        for n, row in enumerate(rows)
        if row.found.n
    ]


def _value(found: Estimate) -> str:
    if not found.n:
        return "no pairs"
    return f"{words.points(found.difference)} {words.interval(found.low, found.high)} points"


def _axis() -> Spec:
    text = {"labels": {"update": {"text": signal("(datum.value > 0 ? '+' : '') + datum.value")}}}
    return {
        "orient": "bottom",
        "scale": "x",
        "domain": False,
        "tickCount": signal("width < 480 ? 5 : 9"),
        "labelOverlap": True,
        "encode": text,
    }


def _band(margin: float) -> Spec:
    ends = {"x": {"scale": "x", "value": -margin}, "x2": {"scale": "x", "value": margin}}
    down = {"y": {"value": 0}, "y2": signal("height")}
    return {"type": "rect", "encode": {"update": {**ends, **down, "fill": {"value": BAND}}}}
