"""How much longer or shorter the student's replies are, paired by item, and what that buys."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from hydrometer.stats.clusters import FEWEST, cluster_error
from hydrometer.stats.estimate import Floats, Paired
from hydrometer.stats.margin import four_tests
from hydrometer.stats.multiplicity import intersection_union

LARGEST_RATIO = 1e6
"""Stands for "no upper bound": with fewer than two pairs there is none, and infinity has no JSON form."""


class LengthRatio(NamedTuple):
    """Student tokens / base tokens, geometric mean over items, with its interval.

    With fewer than two pairs nothing is known about the spread: the interval is (0, `LARGEST_RATIO`), and without
    any pair the ratio is 1.
    """

    ratio: float
    low: float
    high: float
    n: int


def length_ratio(base_tokens: ArrayLike, student_tokens: ArrayLike, level: float = 0.95) -> LengthRatio:
    """Return the ratio of reply lengths with a paired t interval on the log scale.

    The geometric mean, so that a student that halves half of the replies and doubles the others comes out at 1.

    Args:
        base_tokens: Tokens per reply of the base, shape (n,); empty replies count as one token.
        student_tokens: The same of the student, in the same order of items.
        level: Coverage of the interval.
    """
    base, student = _lengths(base_tokens, student_tokens)
    if not 0.0 < level < 1.0:
        msg = f"level {level} must lie between 0 and 1"
        raise ValueError(msg)
    n = int(base.size)
    if n == 0:
        return LengthRatio(1.0, 0.0, LARGEST_RATIO, 0)
    logs = np.log(student) - np.log(base)
    return _ratio(logs, None, float(logs.mean()), level)


class Pareto(NamedTuple):
    """P-values behind "not worse, and shorter"; small ones speak for their names.

    Attributes:
        noninferior: Against "the student loses the margin or more".
        shorter: Against "the replies of the student are as long or longer", by mean log length.
        both: Against "one of the two is so": the larger one.
        shown: Whether both are shown at alpha.
    """

    noninferior: float
    shorter: float
    both: float
    shown: bool


def pareto(
    paired: Paired, base_tokens: ArrayLike, student_tokens: ArrayLike, *, margin: float, alpha: float = 0.05
) -> Pareto:
    """Test "not worse by the margin, and shorter": each one-sided at the full alpha, without correction.

    The accuracy by Tango's score, plus-two or cluster, as in `margin.four_tests`; the length by a paired t test on the
    logs, by cluster where pairs share clusters.

    Source: Berger (1982), Technometrics 24:295-300, for the conjunction.

    Args:
        paired: Scores of both models.
        base_tokens: Tokens per reply of the base on the same items in the same order, shape (n,).
        student_tokens: The same of the student.
        margin: Largest loss of the mean score that is accepted.
        alpha: One-sided level of each of the two tests.
    """
    base, student = _lengths(base_tokens, student_tokens, paired.n)
    noninferior = four_tests(paired, margin).above_lower
    shorter = _p_below_zero(np.log(student) - np.log(base), paired)
    both = intersection_union([noninferior, shorter])
    return Pareto(noninferior, shorter, both, both <= alpha)


def tokens_per_point_ratio(
    paired: Paired, base_tokens: ArrayLike, student_tokens: ArrayLike, level: float = 0.95
) -> LengthRatio:
    """Return tokens spent per point scored, student over base; below 1 the student gets more out of a token.

    The ratio of (mean tokens / mean score) of the models. Its log has the error of the mean influence
    l_S/L_S - y_S/Y_S - l_B/L_B + y_B/Y_B of the items (delta method), by cluster where pairs share clusters. Where a
    model scores nothing at all, or without a pair, nothing is known: 1 with (0, `LARGEST_RATIO`).

    Args:
        paired: Scores of both models.
        base_tokens: Tokens per reply of the base on the same items in the same order, shape (n,).
        student_tokens: The same of the student.
        level: Coverage of the interval.
    """
    base, student = _lengths(base_tokens, student_tokens, paired.n)
    if not 0.0 < level < 1.0:
        msg = f"level {level} must lie between 0 and 1"
        raise ValueError(msg)
    if not paired.n or paired.base.mean() <= 0.0 or paired.student.mean() <= 0.0:
        return LengthRatio(1.0, 0.0, LARGEST_RATIO, paired.n)
    parts = ((student, 1.0), (paired.student, -1.0), (base, -1.0), (paired.base, 1.0))
    influence = np.sum([sign * values / values.mean() for values, sign in parts], axis=0)
    log_ratio = float(sum(sign * math.log(values.mean()) for values, sign in parts))
    return _ratio(influence, paired, log_ratio, level)


def _ratio(influence: Floats, paired: Paired | None, log_ratio: float, level: float) -> LengthRatio:
    """A ratio with its t interval on the log scale, from the items' contributions to the log."""
    n = int(influence.size)
    _, error, freedom = cluster_error(influence, _labels(influence, paired))
    if freedom < 1 or (paired is not None and paired.clustered and freedom + 1 < FEWEST):
        return LengthRatio(_bounded_exp(log_ratio), 0.0, LARGEST_RATIO, n)
    reach = float(stdtrit(freedom, 0.5 + level / 2.0)) * error
    return LengthRatio(
        _bounded_exp(log_ratio), _bounded_exp(log_ratio - reach), _bounded_exp(log_ratio + reach), n
    )


def _p_below_zero(values: Floats, paired: Paired) -> float:
    """One-sided p-value against "the mean is 0 or more", by t."""
    mean, error, freedom = cluster_error(values, _labels(values, paired))
    if freedom < 1 or (paired.clustered and freedom + 1 < FEWEST):
        return 1.0
    if error <= 0.0:
        # All lengths in the same proportion: no spread to judge by, and a chance of 2^-n under symmetry.
        return 2.0 ** -(freedom + 1) if mean < 0.0 else 1.0
    return float(stdtr(freedom, mean / error))


def _labels(values: Floats, paired: Paired | None) -> NDArray[np.int64]:
    """Clusters, every pair its own where there are none: CR1 is then the usual error of a mean."""
    if paired is not None and paired.clusters is not None:
        return paired.clusters
    return np.arange(values.size)


def _lengths(
    base_tokens: ArrayLike, student_tokens: ArrayLike, n: int | None = None
) -> tuple[Floats, Floats]:
    """Lengths as arrays; an empty reply counts as one token, for its logarithm."""
    base, student = (np.asarray(t, dtype=np.float64) for t in (base_tokens, student_tokens))
    if base.shape != student.shape or base.ndim != 1:
        msg = f"base has shape {base.shape}, student {student.shape}: must be equal and flat"
        raise ValueError(msg)
    if n is not None and base.size != n:
        msg = f"{base.size} lengths for {n} pairs: give one per pair, in the same order"
        raise ValueError(msg)
    return np.maximum(base, 1.0), np.maximum(student, 1.0)


def _bounded_exp(value: float) -> float:
    """exp, held at `LARGEST_RATIO`: two very different pairs reach past the largest float."""
    return math.exp(value) if value < math.log(LARGEST_RATIO) else LARGEST_RATIO
