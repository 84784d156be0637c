"""Places of a small line chart of both models: points, whiskers, ticks and end labels.

Across, places are percent of the width, so that a chart needs no script to fit a phone; down, they are pixels, so that
its text keeps its size.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from hydrometer.report import words
from hydrometer.report.plot import Tick
from hydrometer.stats.estimate import Estimate

TOP, BOTTOM = 14.0, 154.0
"""Pixels of the highest and the lowest score."""

_LEFT, _RIGHT, _LABEL = 15.0, 66.0, 69.0
# Less, and the two end labels would touch.
_APART = 16.0
_HEIGHTS = (0.1, 0.25, 0.5, 1.0)
# Ticks and lines of a label there is room for at most.
_TICKS, _LINES = 6, 3
# Pixels between the first and the last tick of the narrowest chart, of a character, and between two labels.
_SPAN, _CHARACTER, _GAP = 0.51 * 280, 5.9, 5.0
_WORD = 9
"""Characters up to which a word makes room for itself; of a longer one the end is cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A score of both models on the chart, in pixels down.

    Attributes:
        x: Percent of the width.
        low: Lower end of the whisker: the interval of the difference, laid from the score of the base.
        high: Its upper end.
    """

    x: float
    base: float
    student: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Text below a tick, in few short lines."""

    x: float
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Both models over budgets or tiers.

    Attributes:
        places: Where there is a score, from left to right.
        steps: Labels below the axis.
        ticks: Labels of the scores; `x` is pixels down.
        label_x: Where the end labels begin.
        base_y: Height of the end label of the base.
        student_y: The same for the student.
    """

    places: tuple[Place, ...]
    steps: tuple[Label, ...]
    ticks: tuple[Tick, ...]
    label_x: float
    base_y: float
    student_y: float

    @property
    def height(self) -> int:
        """Pixels of the whole chart."""
        return round(BOTTOM) + 14 + 14 * max(len(step.lines) for step in self.steps)

    @property
    def base_line(self) -> str:
        """Corners of the line of the base, as SVG takes them."""
        return " ".join(f"{place.x},{place.base}" for place in self.places)

    @property
    def student_line(self) -> str:
        """Corners of the line of the student."""
        return " ".join(f"{place.x},{place.student}" for place in self.places)


def common_top(estimates: Sequence[Estimate]) -> float:
    """Return the score at the top of charts that stand side by side: one scale, so that heights compare."""
    reach = max((end for e in estimates if e.n for end in (e.base, e.student, e.base + e.high)), default=1.0)
    return next((height for height in _HEIGHTS if height >= min(reach, 1.0)), 1.0)


def down(score: float, top: float) -> float:
    """Return how many pixels down a score stands on a chart that ends at `top`."""
    return round(BOTTOM - (BOTTOM - TOP) * max(0.0, min(1.0, score / top)), 1)


def score_ticks(top: float) -> tuple[Tick, ...]:
    """Return the labels of the scores; `x` is pixels down."""
    return tuple(Tick(x=down(share * top, top), label=f"{share * top * 100:g}") for share in (0.0, 0.5, 1.0))


def budget_curves(tokens: Sequence[int], estimates: Sequence[Estimate], top: float) -> Curves | None:
    """Place scores over token budgets, each doubling equally far.

    Args:
        tokens: The budgets, growing.
        estimates: The scores at each.
        top: Score at the top of the chart.

    Returns:
        The places, or None where fewer than two budgets have scores: no line can be drawn.
    """
    return _curves(
        [math.log2(max(count, 1)) for count in tokens], [(_short(count),) for count in tokens], estimates, top
    )


def tier_curves(names: Sequence[str], estimates: Sequence[Estimate], top: float) -> Curves | None:
    """Place scores over tiers, in their order and equally far apart; else as `budget_curves`."""
    count = sum(estimate.n > 0 for estimate in estimates)
    longest = max((len(word) for name in names for word in name.split()), default=1)
    # A long word stays whole, so that fewer labels have room.
    room = min(_TICKS, max(2, 1 + int(_SPAN / (_CHARACTER * min(longest, _WORD) + _GAP))))
    shown = math.ceil(count / math.ceil(max(count, 1) / room))
    width = int((_SPAN / max(shown - 1, 1) - _GAP) / _CHARACTER)
    return _curves(range(len(names)), [_wrapped(name, max(width, 4)) for name in names], estimates, top, room)


def _curves(
    steps: Sequence[float],
    labels: Sequence[tuple[str, ...]],
    estimates: Sequence[Estimate],
    top: float,
    room: int = _TICKS,
) -> Curves | None:
    drawn = [index for index, estimate in enumerate(estimates) if estimate.n]
    if len(drawn) < 2 or steps[drawn[-1]] <= steps[drawn[0]]:
        return None
    first, last = steps[drawn[0]], steps[drawn[-1]]
    xs = [round(_LEFT + (_RIGHT - _LEFT) * (steps[index] - first) / (last - first), 2) for index in drawn]
    places = tuple(_place(x, estimates[index], top) for x, index in zip(xs, drawn, strict=True))
    base_y, student_y = _labels(places[-1])
    # Counted from the last one, which always has its label: the end labels stand there.
    stride = math.ceil(len(drawn) / room)
    return Curves(
        places=places,
        steps=tuple(
            Label(x=x, lines=labels[index])
            for place, (x, index) in enumerate(zip(xs, drawn, strict=True), start=1)
            if (len(drawn) - place) % stride == 0
        ),
        ticks=score_ticks(top),
        label_x=_LABEL,
        base_y=base_y,
        student_y=student_y,
    )


def _place(x: float, found: Estimate, top: float) -> Place:
    return Place(
        x=x,
        base=down(found.base, top),
        student=down(found.student, top),
        low=down(found.base + found.low, top),
        high=down(found.base + found.high, top),
    )


def _labels(last: Place) -> tuple[float, float]:
    """Heights of the end labels, moved apart where they would touch and kept inside; the higher score stays above."""
    upper, lower = sorted((last.base, last.student))
    push = max(0.0, _APART - (lower - upper)) / 2
    shift = max(0.0, TOP - (upper - push)) - max(0.0, lower + push - BOTTOM)
    upper, lower = round(upper - push + shift, 1), round(lower + push + shift, 1)
    return (upper, lower) if last.base < last.student else (lower, upper)


def _wrapped(name: str, width: int) -> tuple[str, ...]:
    """A name in few lines; a word a little longer than its share is kept whole, what goes beyond is cut."""
    lines = textwrap.wrap(name, width, break_long_words=False) or [""]
    if len(lines) > _LINES:
        lines[_LINES - 1] += "…"
    return tuple(words.line(line, width + 3) for line in lines[:_LINES])


def _short(count: int) -> str:
    """A budget on the axis: whole thousands of 1,024 tokens as `2k`, for `32,768` would touch its neighbours."""
    return f"{count // 1024}k" if count >= 1024 and count % 1024 == 0 else str(count)
