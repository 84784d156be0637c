"""The noise floor: how much a model differs from itself when the same questions are asked twice.

A student that flips no more answers than a second run of the base is behaviourally the base; one that flips more with
the same mean score is a different model with the same score.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hydrometer.stats.paired import mcnemar_midp, tango_interval

SAFETY = 1.4
"""Margins stay this factor above the half-width of a run against itself."""


class ExcessFlips(NamedTuple):
    """Flips of the student beyond those of the base against itself.

    Attributes:
        student: Share of items on which student and base differ.
        floor: Share of items on which two runs of the base differ.
        excess: Their difference.
        low: Lower end of its interval (Tango).
        high: Upper end.
        p_value: Two-sided mid-p value of "no excess" (McNemar).
        n: Items.
    """

    student: float
    floor: float
    excess: float
    low: float
    high: float
    p_value: float
    n: int


def excess_flips(student_vs_base: ArrayLike, base_vs_base: ArrayLike, level: float = 0.95) -> ExcessFlips:
    """Compare flips of the student with those of a second run of the base, item by item.

    Were the student just another run of the base, the two kinds of flip would be exchangeable on every item. Without
    an item nothing is known: excess 0 with (-1, 1) and p-value 1.

    Args:
        student_vs_base: Whether student and base differ on the item, shape (n,).
        base_vs_base: Whether two runs of the base differ on it, shape (n,), in the same order.
        level: Coverage of the interval.
    """
    student, floor = _flags(student_vs_base), _flags(base_vs_base)
    if student.shape != floor.shape:
        msg = f"student flips have shape {student.shape}, base flips {floor.shape}: must be the same items"
        raise ValueError(msg)
    n = int(student.size)
    more, fewer = int((student & ~floor).sum()), int((floor & ~student).sum())
    low, high = tango_interval(more, fewer, n, level)
    return ExcessFlips(
        student=float(student.mean()) if n else 0.0,
        floor=float(floor.mean()) if n else 0.0,
        excess=(more - fewer) / max(n, 1),
        low=float(low),
        high=float(high),
        p_value=float(mcnemar_midp(more, fewer)),
        n=n,
    )


def noise_floor(flips_aa: int, n_aa: int, n: int) -> float:
    """Return the smallest margin that decoding noise allows over `n` items: 1.4 * 1.96 * sqrt(psi_AA / n).

    psi_AA is the plain share of flips between two runs of the base. No flip at all makes it 0, which is right for
    repeatable decoding and says little after few items: `wilson_interval` tells how little.

    Args:
        flips_aa: Items on which two runs of the base differ.
        n_aa: Items asked twice.
        n: Items of the comparison that the margin is for.
    """
    if not 0 <= flips_aa <= n_aa or n_aa < 1 or n < 1:
        msg = f"{flips_aa} flips of {n_aa} items, for {n} items: must be counts of at least 1 item, flips within them"
        raise ValueError(msg)
    return SAFETY * 1.96 * math.sqrt(flips_aa / n_aa / n)


def _flags(given: ArrayLike) -> NDArray[np.bool_]:
    flags = np.asarray(given)
    if flags.ndim != 1 or (flags.size and flags.dtype != np.bool_):
        msg = f"flips of shape {flags.shape} and type {flags.dtype}: must be a flat list of true or false"
        raise ValueError(msg)
    return flags.astype(np.bool_)
