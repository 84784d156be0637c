"""What missing outcomes could change: the difference if they had come out worst, or best, for the student.

No assumption is made on why an outcome is missing, so a claim that holds at both bounds holds whatever the reason.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from hydrometer.stats.estimate import Floats, Paired
from hydrometer.stats.paired import estimate


class MissingBounds(NamedTuple):
    """Mean differences at the two extremes, and an interval that holds at both.

    Attributes:
        worst: Mean difference if every missing outcome spoke against the student.
        best: Mean difference if every one spoke for it.
        low: Lower end of the interval of the worst case.
        high: Upper end of the interval of the best case.
        n: Items in both cases: the pairs and everything missing.
    """

    worst: float
    best: float
    low: float
    high: float
    n: int


def missing_bounds(
    paired: Paired, level: float = 0.95, *, base_alone: ArrayLike = (), student_alone: ArrayLike = ()
) -> MissingBounds:
    """Return the difference at both extremes of what the missing outcomes may be.

    A missing score may be anything from 0 to 1. Where the other model's score on that item is known it is kept, which
    halves the room; where it is not given, it may be anything too. Source: Manski (1990), American Economic Review
    80:319-323.

    Args:
        paired: Scores of both models; its counts of missing outcomes are filled in.
        level: Coverage of the interval.
        base_alone: Scores of the base on items only it answered, at most `paired.missing_student` of them.
        student_alone: Scores of the student on items only it answered, at most `paired.missing_base`.
    """
    base, student = _known(base_alone, paired.missing_student), _known(student_alone, paired.missing_base)
    unknown = (
        paired.missing_both + (paired.missing_base - student.size) + (paired.missing_student - base.size)
    )
    # Worst for the student: the base would have been right, the student wrong.
    cases = [
        estimate(_filled(paired, base, student, unknown, spoken_for), level) for spoken_for in (0.0, 1.0)
    ]
    return MissingBounds(
        worst=cases[0].difference,
        best=cases[1].difference,
        low=cases[0].low,
        high=cases[1].high,
        n=cases[0].n,
    )


def _filled(paired: Paired, base: Floats, student: Floats, unknown: int, spoken_for: float) -> Paired:
    """The table with every missing score of the student at `spoken_for`, and of the base at its opposite."""
    added = base.size + student.size + unknown
    clusters = paired.clusters
    if clusters is not None:
        # The clusters of missing items are not known; each is taken as its own.
        first = int(clusters.max(initial=-1)) + 1
        clusters = np.concatenate([clusters, np.arange(first, first + added)])
    against = 1.0 - spoken_for
    return Paired(
        base=np.concatenate([paired.base, base, np.full(student.size + unknown, against)]),
        student=np.concatenate(
            [paired.student, np.full(base.size, spoken_for), student, np.full(unknown, spoken_for)]
        ),
        clusters=clusters,
    )


def _known(scores: ArrayLike, most: int) -> Floats:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or values.size > most:
        msg = f"{values.size} scores of one model alone, but the table counts {most} such items: give at most those"
        raise ValueError(msg)
    return values
