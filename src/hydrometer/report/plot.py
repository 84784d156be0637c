"""The picture of the first screen: where each interval, the margin band and the ticks lie, in percent of its width.

It is part of the document and no chart of the library: it stands with the first paint, in mail and without a script.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hydrometer.stats.estimate import Estimate

_STEPS = (1, 2, 5, 10, 20, 25, 50)
_TICKS = 5
# Room at both edges, in percent of the width: a whisker or a label at the end of the axis stays inside.
_EDGE = 3.0
# The axis never shows less: differences of nothing need one, too.
_LEAST = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A labelled place on the axis."""

    x: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One interval: its ends and its estimate, in percent of the width."""

    low: float
    point: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A forest plot; `marks` are in the order of the rows.

    Attributes:
        zero: Place of the line of no difference.
        band_low: Where the band of the margin begins.
        band_high: Where it ends.
    """

    zero: float
    band_low: float
    band_high: float
    ticks: tuple[Tick, ...]
    marks: tuple[Mark, ...]


def forest_plot(estimates: Sequence[Estimate], margin: float) -> Plot | None:
    """Place intervals on one axis, symmetric around zero.

    Args:
        estimates: One per row, in their order.
        margin: Half the width of the band of equivalence, in score units; 0 for no band.

    Returns:
        The places, or None if there is nothing to draw.
    """
    if not estimates:
        return None
    reach = reach_of(estimates, margin)
    step = next((s for s in _STEPS if reach * 100 / s <= _TICKS), _STEPS[-1]) / 100

    def place(value: float) -> float:
        return round(50.0 + (50.0 - _EDGE) * max(-1.0, min(1.0, value / reach)), 2)

    count = int(reach / step + 1e-9)
    return Plot(
        zero=place(0.0),
        band_low=place(-margin),
        band_high=place(margin),
        ticks=tuple(Tick(x=place(i * step), label=_label(i * step)) for i in _thinned(count)),
        marks=tuple(_mark(estimate, place) for estimate in estimates),
    )


def reach_of(estimates: Sequence[Estimate], margin: float) -> float:
    """Return how far an axis goes on either side of zero."""
    # What has no pairs has the widest interval there is; it would squeeze all the others.
    ends = [abs(end) for e in estimates if e.n for end in (e.low, e.high, e.difference)]
    return min(1.0, max([*ends, 2 * margin, _LEAST]))


def _mark(found: Estimate, place: Callable[[float], float]) -> Mark:
    return Mark(low=place(found.low), point=place(found.difference), high=place(found.high))


def _thinned(count: int) -> range:
    """Numbers of the ticks, at most seven of them, zero among them: more would touch on a phone."""
    stride = 1 if count <= 3 else 2
    reach = count - count % stride
    return range(-reach, reach + 1, stride)


def _label(value: float) -> str:
    text = f"{value * 100:+.0f}"
    return "0" if text in ("+0", "-0") else text
