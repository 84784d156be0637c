"""Accuracy against token price as a picture: per capability both models, their whiskers, and what that says together.

Across stands how long the student's replies are in terms of the base's, each doubling equally far; upwards the score.
All charts share both scales. Across, places are percent of the width; down, they are pixels, as in `curves`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hydrometer.report import words
from hydrometer.report.advice import trade
from hydrometer.report.curves import common_top, down, score_ticks
from hydrometer.report.plot import Tick
from hydrometer.result import CapabilityResult, TokenPrice

_LEFT, _RIGHT = 15.0, 97.0
_LEAST, _MOST = 1.0, 5.0
"""Doublings that the axis shows on either side of one, at least and at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceChart:
    """Both models of one capability.

    Attributes:
        title: The capability.
        key: Name of the chart in the page.
        sentence: What both axes say together.
        summary: Every number of the picture, in words.
        x: The student's length: lower end, estimate, upper end.
        y: The student's score, and the interval of the difference laid from the base: low, estimate, high.
        base_x: The base's length, which is one.
        base_y: The base's score.
        band: Top and bottom of the margin around the base.
        xs: Labels across.
        ys: Labels of the scores; `x` is pixels down.
        anchor: Where the student's label is anchored so that it stays inside.
    """

    title: str
    key: str
    sentence: str
    summary: str
    x: tuple[float, float, float]
    y: tuple[float, float, float]
    base_x: float
    base_y: float
    band: tuple[float, float]
    xs: tuple[Tick, ...]
    ys: tuple[Tick, ...]
    anchor: str


def build_prices(
    rows: Sequence[CapabilityResult], prices: Sequence[TokenPrice], margin: float
) -> tuple[PriceChart, ...]:
    """Return a chart per capability that has both a score and a length, in the order of the prices."""
    found = {row.capability: row for row in rows if row.estimate.n}
    drawn = [price for price in prices if price.n and price.capability in found]
    if not drawn:
        return ()
    top = common_top([found[price.capability].estimate for price in drawn])
    ends = [abs(math.log2(end)) for p in drawn for end in (p.low, p.ratio, p.high) if 0 < end < words.UNBOUNDED_RATIO]
    reach = min(max([_LEAST, *(math.ceil(end) for end in ends)]), _MOST)
    return tuple(
        _chart(found[price.capability], price, margin, top, reach, number) for number, price in enumerate(drawn)
    )


def _chart(
    row: CapabilityResult, price: TokenPrice, margin: float, top: float, reach: float, number: int
) -> PriceChart:
    def across(ratio: float) -> float:
        share = math.log2(max(ratio, 2.0**-_MOST)) / reach
        return round((_LEFT + _RIGHT) / 2 + (_RIGHT - _LEFT) / 2 * max(-1.0, min(1.0, share)), 2)

    score, place = row.estimate, across(price.ratio)
    stride = 1 if reach <= 2 else 2
    most = round(reach) - round(reach) % stride
    steps = range(-most, most + 1, stride)
    return PriceChart(
        title=words.name(row.capability),
        key=f"price-{number}",
        sentence=trade(row.verdict, price),
        summary=(
            f"Base {words.percent(score.base)} %, student {words.percent(score.student)} %, difference "
            f"{words.points(score.difference)} {words.interval(score.low, score.high)} points; the student's replies "
            f"are {words.ratio(price)} as long."
        ),
        x=(across(price.low), place, across(price.high)),
        y=(down(score.base + score.low, top), down(score.student, top), down(score.base + score.high, top)),
        base_x=across(1.0),
        base_y=down(score.base, top),
        band=(down(score.base + margin, top), down(score.base - margin, top)),
        xs=tuple(Tick(x=across(2.0**step), label=_times(step)) for step in steps),
        ys=score_ticks(top),
        anchor="start" if place < 60 else "end",
    )


def _times(step: int) -> str:
    return f"x{2**step}" if step >= 0 else f"x1/{2**-step}"
