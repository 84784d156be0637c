"""Tests and intervals for a paired difference: McNemar and Tango for right/wrong, plus-two for fractional scores.

Tables are given as `gained` (only the student right), `lost` (only the base right) and `n` (all pairs); pairs on
which both agree carry no information about the difference. Functions take scalars or arrays of tables.

The plain Wald and t intervals are absent on purpose: without a single flip they have zero width, and call two
models equivalent after any number of items.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, ndtr, ndtri

from hydrometer.stats.clusters import cluster_interval, cluster_method, cluster_tests
from hydrometer.stats.estimate import Estimate, Floats, Paired

BINARY_METHOD = "Tango score interval, mid-p McNemar test"
FRACTIONAL_METHOD = "plus-two studentised interval and test (pseudo-units +1 and -1)"

_BISECTIONS = 54
"""Halvings of an interval of width <= 2 until only rounding is left."""


def mcnemar_midp(gained: ArrayLike, lost: ArrayLike) -> Floats:
    """Return the two-sided mid-p value of McNemar's test of "no difference".

    It holds its level where the exact test is needlessly timid: Fagerland, Lydersen & Laake (2013),
    BMC Medical Research Methodology 13:91.
    """
    b, c = _counts(gained, lost)
    return np.minimum(1.0, 2.0 * _midp_at_most(np.minimum(b, c), b + c))


def mcnemar_exact(gained: ArrayLike, lost: ArrayLike) -> Floats:
    """Return the two-sided exact conditional p-value of McNemar's test; never above its level, and timid."""
    b, c = _counts(gained, lost)
    return np.minimum(1.0, 2.0 * _at_most(np.minimum(b, c), b + c))


def mcnemar_midp_gain(gained: ArrayLike, lost: ArrayLike) -> Floats:
    """Return the one-sided mid-p value of "the student is not better"; swap the counts for "not worse".

    The values of the two directions add up to 1.
    """
    b, c = _counts(gained, lost)
    return _midp_at_most(c, b + c)


def tango_z(gained: ArrayLike, lost: ArrayLike, n: ArrayLike, delta0: ArrayLike) -> Floats:
    """Return the score statistic of "the true difference is `delta0`", for `delta0` in -1..1.

    At 0 it is McNemar's z. It is infinite at -1 and 1 unless the data lie there, and 0 without any pair.

    Source: Tango (1998), Statistics in Medicine 17:891-908.
    """
    b, c = _counts(gained, lost)
    pairs = np.asarray(n, dtype=np.float64)
    if np.any(b + c > pairs):
        msg = f"{gained!r} gained and {lost!r} lost of {n!r} pairs: the flips cannot exceed the pairs"
        raise ValueError(msg)
    return tango_z_of_flips(b, c, pairs, delta0)


def tango_z_of_flips(gained: ArrayLike, lost: ArrayLike, n: ArrayLike, delta0: ArrayLike) -> Floats:
    """Return `tango_z` without a check of its counts, which need not be whole: fractional scores have such flips."""
    b, c, pairs = (np.asarray(value, dtype=np.float64) for value in (gained, lost, n))
    null = np.asarray(delta0, dtype=np.float64)
    # Computed on the side of null >= 0 only: there no term cancels, and swapping the models negates z exactly.
    flip = null < 0.0
    z = _tango_z_from_zero_up(np.where(flip, c, b), np.where(flip, b, c), pairs, np.abs(null))
    return np.where(flip, -z, z)


def tango_interval(
    gained: ArrayLike, lost: ArrayLike, n: ArrayLike, level: float = 0.95
) -> tuple[Floats, Floats]:
    """Return the score interval: all differences that `tango_z` does not reject. It never has zero width.

    Without any pair it is (-1, 1).
    """
    b, c = _counts(gained, lost)
    critical = critical_value(level)
    b, c, pairs = np.broadcast_arrays(b, c, np.asarray(n, dtype=np.int64))
    # The upper end is the lower end of the swapped table, negated: one bisection serves both.
    ends = _tango_lower(np.stack([b, c]), np.stack([c, b]), np.stack([pairs, pairs]), critical)
    return ends[0], -ends[1]


def plus_two_z(differences: ArrayLike, m: ArrayLike, pseudo: float = 1.0) -> Floats:
    """Return the studentised statistic of "the true mean difference is `m`" with two pseudo-units added.

    The pseudo-units `+pseudo` and `-pseudo` keep the variance away from zero when few pairs differ; plain t
    statistics declare far too many equivalences there. The Agresti-Min / Bonett-Price idea, for scores in -1..1.

    Args:
        differences: Student minus base per pair, shape (n,).
        m: One or more null values.
        pseudo: Size of the pseudo-units; 1 is safe at every n.
    """
    values = np.asarray(differences, dtype=np.float64)
    return plus_two_z_of_sums(values.sum(), np.square(values).sum(), values.size, m, pseudo)


def plus_two_z_of_sums(
    total: ArrayLike, squares: ArrayLike, n: ArrayLike, m: ArrayLike, pseudo: float = 1.0
) -> Floats:
    """Return `plus_two_z` from the sum of the differences, the sum of their squares and n; arrays broadcast."""
    centre, error, stretch = _plus_two(total, squares, n, pseudo)
    z = (centre - np.asarray(m, dtype=np.float64) / stretch) / error
    return np.where(np.asarray(n) > 0, z, 0.0)


def plus_two_interval(
    differences: ArrayLike, level: float = 0.95, pseudo: float = 1.0
) -> tuple[float, float]:
    """Return all mean differences that `plus_two_z` does not reject, clipped to -1..1; (-1, 1) without a pair."""
    values = np.asarray(differences, dtype=np.float64)
    reach = critical_value(level)
    if not values.size:
        return -1.0, 1.0
    centre, error, stretch = _plus_two(values.sum(), np.square(values).sum(), values.size, pseudo)
    low, high = (float((centre + side * reach * error) * stretch) for side in (-1.0, 1.0))
    return max(-1.0, low), min(1.0, high)


def estimate(paired: Paired, level: float = 0.95) -> Estimate:
    """Return the estimate of a paired table: Tango and mid-p for right/wrong scores, plus-two for fractional ones.

    Pairs that share clusters are judged by cluster, whatever their scores.

    Without any pair the difference is 0 with the interval (-1, 1) and p-value 1: nothing is known, nothing is NaN.
    """
    gained, lost = flips(paired)
    clusters = paired.clusters
    if clusters is not None and paired.clustered:
        low, high = cluster_interval(paired.differences, clusters, level)
        above, below = cluster_tests(paired.differences, clusters, [0.0])
        p_value = min(1.0, 2.0 * float(min(above[0], below[0])))
        method = cluster_method(clusters)
    elif paired.binary:
        ends = tango_interval(gained, lost, paired.n, level)
        low, high = float(ends[0]), float(ends[1])
        p_value, method = float(mcnemar_midp(gained, lost)), BINARY_METHOD
    else:
        low, high = plus_two_interval(paired.differences, level)
        p_value = float(2.0 * ndtr(-np.abs(plus_two_z(paired.differences, 0.0))))
        method = FRACTIONAL_METHOD
    return Estimate(
        base=float(paired.base.mean()) if paired.n else 0.0,
        student=float(paired.student.mean()) if paired.n else 0.0,
        difference=float(paired.differences.mean()) if paired.n else 0.0,
        low=low,
        high=high,
        level=level,
        n=paired.n,
        gained=gained,
        lost=lost,
        missing_base=paired.missing_base,
        missing_student=paired.missing_student,
        missing_both=paired.missing_both,
        p_value=p_value,
        method=method,
    )


def flips(paired: Paired) -> tuple[int, int]:
    """Return the pairs on which the student scored higher, and those on which the base did."""
    differences = paired.differences
    return int((differences > 0).sum()), int((differences < 0).sum())


def _counts(gained: ArrayLike, lost: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    b, c = np.asarray(gained), np.asarray(lost)
    for counts in (b, c):
        if not np.issubdtype(counts.dtype, np.integer) or np.any(counts < 0):
            msg = f"gained {gained!r}, lost {lost!r}: must be whole numbers, 0 or more"
            raise ValueError(msg)
    return b.astype(np.int64), c.astype(np.int64)


def _at_most(count: NDArray[np.int64], flips: NDArray[np.int64]) -> Floats:
    """P(X <= count) for X ~ Binomial(flips, 1/2); `bdtr` gives NaN for a count of -1, which is 0 here."""
    return np.where(count < 0, 0.0, bdtr(np.maximum(count, 0), flips, 0.5))


def _midp_at_most(count: NDArray[np.int64], flips: NDArray[np.int64]) -> Floats:
    """P(X < count) + P(X = count) / 2, as the mean of two tails so that nothing cancels."""
    return 0.5 * (_at_most(count, flips) + _at_most(count - 1, flips))


def critical_value(level: float) -> float:
    """Return the standard normal quantile of a two-sided level."""
    if not 0.0 < level < 1.0:
        msg = f"level {level} must lie between 0 and 1"
        raise ValueError(msg)
    return float(ndtri(0.5 + level / 2.0))


def _tango_z_from_zero_up(b: Floats, c: Floats, n: Floats, delta: Floats) -> Floats:
    """Tango's z for a null value in 0..1, where the constrained estimate needs no subtraction of like terms."""
    linear = -(b + c) + (2.0 * n - b + c) * delta
    constant = c * delta * (1.0 - delta)
    root = np.sqrt(linear**2 + 8.0 * n * constant)
    # q, the chance of a loss under the null, solves 2n q^2 + linear q - constant = 0; of its two forms the one is
    # used that adds: the textbook form loses all digits when few pairs flip.
    upper = np.where(linear > 0.0, 2.0 * constant, root - linear)
    lower = np.where(linear > 0.0, linear + root, 4.0 * n)
    q = upper / np.where(lower > 0.0, lower, 1.0)
    spread = np.sqrt(n * (2.0 * q + delta * (1.0 - delta)))
    distance = b - c - n * delta
    beyond = np.where(distance == 0.0, 0.0, np.copysign(np.inf, distance))
    return np.where(spread > 0.0, distance / np.where(spread > 0.0, spread, 1.0), beyond)


def _tango_lower(b: NDArray[np.int64], c: NDArray[np.int64], n: NDArray[np.int64], critical: float) -> Floats:
    """Lower ends by bisection between -1 and the estimate, over which z falls from infinity to 0."""
    low = np.full(b.shape, -1.0)
    high = (b - c) / np.maximum(n, 1)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        rejected = tango_z(b, c, n, middle) > critical
        low, high = np.where(rejected, middle, low), np.where(rejected, high, middle)
    return low


def _plus_two(
    total: ArrayLike, squares: ArrayLike, n: ArrayLike, pseudo: float
) -> tuple[Floats, Floats, Floats]:
    """Mean and standard error with the pseudo-units, and the factor that undoes their shrinkage."""
    if pseudo <= 0.0:
        msg = f"pseudo {pseudo} must be above 0: without pseudo-units the interval can have zero width"
        raise ValueError(msg)
    pairs = np.asarray(n, dtype=np.float64)
    units = pairs + 2.0
    centre = np.asarray(total, dtype=np.float64) / units
    variance = (np.asarray(squares, dtype=np.float64) + 2.0 * pseudo**2) / units - centre**2
    return centre, np.sqrt(variance / units), units / np.maximum(pairs, 1.0)
