"""Accuracy against token price as a picture: per capability both models, their intervals, and what that says together.

Across stands how long the student's replies are in terms of the base's, each doubling equally far; upwards the score.
All charts share both scales.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydrometer.report import words
from hydrometer.report.advice import trade
from hydrometer.report.drawing import (
    BAND,
    LINK,
    SOFT,
    Drawing,
    Spec,
    at,
    base_dot,
    common_top,
    field,
    mark,
    percent,
    reach,
    score_axes,
    signal,
    spec,
    student_dot,
)
from hydrometer.result import CapabilityResult, TokenPrice

_HEIGHT = 140
_LEAST, _MOST = 1, 5
"""Doublings that the axis shows on either side of one, at least and at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceChart:
    """Both models of one capability.

    Attributes:
        title: The capability.
        sentence: What both axes say together.
        drawing: The picture, described by every number in it.
    """

    title: str
    sentence: str
    drawing: Drawing


def build_prices(
    rows: Sequence[CapabilityResult], prices: Sequence[TokenPrice], margin: float
) -> tuple[PriceChart, ...]:
    """Return a chart per capability that has both a score and a length, in the order of the prices."""
    found = {row.capability: row for row in rows if row.estimate.n}
    drawn = [(found[price.capability], price) for price in prices if price.n and price.capability in found]
    if not drawn:
        return ()
    top = common_top([row.estimate for row, _ in drawn])
    ratios = [ratio for _, price in drawn for ratio in (price.low, price.ratio, price.high)]
    ends = [abs(math.log2(ratio)) for ratio in ratios if 0 < ratio < words.UNBOUNDED_RATIO]
    doublings = min(max([_LEAST, *(math.ceil(end) for end in ends)]), _MOST)
    charts = []
    for number, (row, price) in enumerate(drawn):
        title, sentence = words.name(row.capability), trade(row.verdict, price)
        description = f"{_summary(row, price)} {sentence}."
        picture = _spec(_place(row, price, margin, doublings), top, doublings)
        drawing = Drawing(key=f"price-{number}", description=description, spec=picture)
        charts.append(PriceChart(title=title, sentence=sentence, drawing=drawing))
    return tuple(charts)


def _summary(row: CapabilityResult, price: TokenPrice) -> str:
    score = row.estimate
    return (
        f"Base {words.percent(score.base)} %, student {words.percent(score.student)} %, difference "
        f"{words.points(score.difference)} {words.interval(score.low, score.high)} points; the student's replies "
        f"are {words.ratio(price)} as long."
    )


def _place(row: CapabilityResult, price: TokenPrice, margin: float, doublings: int) -> dict[str, Any]:
    score = row.estimate

    def held(ratio: float) -> float:
        """A ratio within the axis: one without an end is drawn to its edge."""
        return round(min(max(ratio, 2.0**-doublings), 2.0**doublings), 5)

    return {
        "x": held(price.ratio),
        "x_low": held(price.low),
        "x_high": held(price.high),
        "base": percent(score.base),
        "student": percent(score.student),
        "low": percent(score.base + score.low),
        "high": percent(score.base + score.high),
        "margin_low": percent(score.base - margin),
        "margin_high": percent(score.base + margin),
        "title": _summary(row, price),
    }


def _spec(place: dict[str, Any], top: float, doublings: int) -> Spec:
    stride = 1 if doublings <= 2 else 2
    most = doublings - doublings % stride
    across = {
        "name": "x",
        "type": "log",
        "base": 2,
        "domain": [2.0**-doublings, 2.0**doublings],
        "range": [6, signal("width - 6")],
        "clamp": True,
    }
    times = signal("datum.value < 1 ? 'x1/' + 1 / datum.value : 'x' + datum.value")
    axis = {
        "orient": "bottom",
        "scale": "x",
        "values": [2.0**step for step in range(-most, most + 1, stride)],
        "domain": False,
        "encode": {"labels": {"update": {"text": times}}},
    }
    scale, scores = score_axes(top)
    one, x, y, title = {"scale": "x", "value": 1}, at("x", "x"), at("y", "student"), field("title")
    right, bottom = signal("width"), signal("height")
    return spec(
        _HEIGHT,
        {"place": [place]},
        scales=[across, scale],
        axes=[scores, axis],
        marks=[
            mark("rect", "place", x=0, x2=right, y=at("y", "margin_low"), y2=at("y", "margin_high"), fill=BAND),
            mark("rule", "place", x=one, y=0, y2=bottom, stroke=SOFT, strokeDash={"value": [2, 3]}),
            reach("place", x=x, y=at("y", "low"), y2=at("y", "high")),
            reach("place", x=at("x", "x_low"), x2=at("x", "x_high"), y=y),
            mark(
                "rule",
                "place",
                x=one,
                y=at("y", "base"),
                x2=x,
                y2=y,
                stroke=LINK,
                strokeDash={"value": [3, 3]},
            ),
            base_dot("place", one, at("y", "base"), tooltip=title),
            student_dot("place", x, y, tooltip=title),
            mark("rect", "place", x=0, x2=right, y=0, y2=bottom, fill="transparent", tooltip=title),
        ],
    )
