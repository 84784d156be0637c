"""Style against ability: how far the student moved towards its teacher in each. Pure, but for the fit in `style`.

The trap of distillation is a student that sounds like its teacher and can do no more than its base. It is named only
where the way in style is long, the way in ability is shown to be shorter, and no gain in score is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from hydrometer.pairing import cluster_labels, counted
from hydrometer.result import ItemResult, Reply
from hydrometer.shares import Portion, StyleShift
from hydrometer.stats.clusters import cluster_error
from hydrometer.stats.estimate import Floats, Ints, Paired
from hydrometer.stats.paired import estimate
from hydrometer.style import FEWEST, Placed, Triple, equal_windows, place

LONG_WAY = 0.25
"""Share of the way to the teacher's style from which a student has moved."""

APART = 0.75
"""Share of replies told apart below which base and teacher write alike."""


Bools = NDArray[np.bool_]


class _Ratio(NamedTuple):
    """A ratio of means, and how each question pulls at it.

    Attributes:
        value: The ratio.
        pull: What each question adds, shape (N,) over all questions.
        unit: What two pseudo-questions add, one up and one down: without them a student that is its base to the letter
            would have an interval without width (`stats.paired.plus_two_interval`, for a ratio).
    """

    value: float
    pull: Floats
    unit: float


def style_shift(
    items: Sequence[ItemResult], taught: Sequence[ItemResult], teacher: str, *, alpha: float
) -> StyleShift | None:
    """Compare how far the student's style and its ability moved towards the teacher's.

    Args:
        items: The audit's items.
        taught: Generated ones of them with the teacher's reply in the place of the student's.
        teacher: Name of the teacher.
        alpha: Error rate; the intervals cover 1 - alpha.

    Returns:
        The comparison, None where the teacher was not asked.
    """
    if not taught:
        return None
    own = {item.item_id: item for item in items}
    rows = [(own[other.item_id], other.student) for other in taught if other.item_id in own]
    labels = cluster_labels([item.cluster or item.item_id for item, _ in rows])
    clusters = np.arange(len(rows)) if labels is None else labels
    windows = _windows(rows)
    kept = np.array([window is not None for window in windows], dtype=np.bool_)
    usable = [window for window in windows if window is not None]
    enough = len(usable) >= FEWEST and np.unique(clusters[kept]).size >= 2
    placed = place(usable, clusters[kept]) if enough else None
    style = _style(placed, kept) if placed else None
    scores = _scores(rows, taught)
    graded = np.asarray(~np.isnan(scores).any(axis=1), dtype=np.bool_)
    values, level = scores[graded], 1.0 - alpha

    def found(column: int) -> Portion:
        pairs = Paired(base=values[:, 0], student=values[:, column], clusters=_own(clusters[graded]))
        result = estimate(pairs, level)
        return Portion(value=result.difference, low=result.low, high=result.high)

    gain, room = found(1), found(2)
    ability = (
        _ratio(values[:, 1] - values[:, 0], values[:, 2] - values[:, 0], graded) if room.low > 0 else None
    )
    lead = _lead(style, ability) if style and ability else None
    moved, ahead = _portion(style, clusters, level), _portion(lead, clusters, level)
    means = values.mean(axis=0) if graded.any() else np.zeros(3)
    return StyleShift(
        teacher=teacher,
        items=len(usable),
        left_out=len(rows) - len(usable),
        window=float(np.median([len(window[0]) for window in usable])) if usable else 0.0,
        told_apart=placed.right if placed else 0.0,
        style=moved,
        length_alone=_length_alone(placed),
        graded=int(graded.sum()),
        base=float(means[0]),
        student=float(means[1]),
        teacher_score=float(means[2]),
        gain=gain,
        ability=_portion(ability, clusters, level),
        lead=ahead,
        trap=bool(moved and ahead and moved.low >= LONG_WAY and ahead.low > 0.0 and gain.low <= 0.0),
        level=level,
    )


def unsigned(taught: Sequence[ItemResult]) -> tuple[ItemResult, ...]:
    """Return a teacher's items without behaviours: they are excess of the student over the base, and no teacher's."""
    return tuple(replace(item, student=replace(item.student, signs=())) for item in taught)


def _windows(rows: Sequence[tuple[ItemResult, Reply]]) -> list[tuple[list[str], ...] | None]:
    """Equal windows of the three replies; thinking counts where the teacher shows any."""
    thinks = any(reply.thinking for _, reply in rows)

    def text(reply: Reply) -> str:
        return f"{reply.thinking}\n{reply.answer}".strip() if thinks else reply.answer

    triples: list[Triple] = [(text(item.base), text(item.student), text(reply)) for item, reply in rows]
    return [equal_windows(triple) for triple in triples]


def _scores(rows: Sequence[tuple[ItemResult, Reply]], taught: Sequence[ItemResult]) -> Floats:
    """Scores of base, student and teacher, NaN where there is none, shape (n, 3).

    Items that count only together have one score, which stands at the first of them.
    """
    pairs = {item.item_id: item for item in counted(item for item, _ in rows)}
    theirs = {item.item_id: item.student for item in counted(taught)}
    values = [
        [pairs[own].base.value, pairs[own].student.value, theirs[own].value]
        if (own := item.item_id) in pairs and own in theirs
        else [None] * 3
        for item, _ in rows
    ]
    return np.array(values, dtype=np.float64).reshape(-1, 3)


def _own(clusters: Ints) -> Ints | None:
    """Clusters as pairs take them: None where each is its own."""
    return clusters if np.unique(clusters).size < clusters.size else None


def _style(placed: Placed, kept: Bools) -> _Ratio | None:
    way = placed.teacher - placed.base
    if placed.right < APART or way.mean() <= 0.0:
        return None
    return _ratio(placed.student - placed.base, way, kept, unit=float(way.mean()))


def _lead(style: _Ratio, ability: _Ratio) -> _Ratio:
    """How far style is ahead of ability; the same questions pull at both."""
    return _Ratio(
        style.value - ability.value, style.pull - ability.pull, float(np.hypot(style.unit, ability.unit))
    )


def _ratio(moved: Floats, way: Floats, kept: Bools, unit: float = 1.0) -> _Ratio:
    """A ratio of two means by linearisation: what each question adds to it (Cochran, Sampling Techniques, ch. 6).

    Args:
        moved: How far each question moved.
        way: How far it could.
        kept: Which of all questions they are.
        unit: Size of a pseudo-question: one point for scores, the whole way for style.
    """
    value = float(moved.mean() / way.mean())
    pull = np.zeros(kept.size)
    pull[kept] = (moved - value * way) / way.mean() * (kept.size / moved.size)
    return _Ratio(value, pull, unit / float(way.mean()) * kept.size / moved.size)


def _portion(ratio: _Ratio | None, clusters: Ints, level: float) -> Portion | None:
    if ratio is None:
        return None
    beyond = clusters.max() + np.array([1, 2])
    spread = cluster_error(np.append(ratio.pull, [ratio.unit, -ratio.unit]), np.append(clusters, beyond))
    stretch = (ratio.pull.size + 2) / ratio.pull.size
    reach = float(stdtrit(max(spread.freedom - 2, 1), 0.5 + level / 2.0)) * spread.error * stretch
    if not np.isfinite(reach):
        return None
    return Portion(value=ratio.value, low=ratio.value - reach, high=ratio.value + reach)


def _length_alone(placed: Placed | None) -> float:
    if placed is None or not (way := float((placed.teacher - placed.base).mean())):
        return 0.0
    return float((placed.half - placed.base).mean()) / way
