"""Closed-form intervals for a difference of paired right/wrong scores: shorter than Tango's below about 50 pairs.

For display only. Margin claims rest on `paired.tango_interval`, the inversion of a score test that holds its level
one-sided.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hydrometer.stats.estimate import Floats
from hydrometer.stats.paired import critical_value


def newcombe_interval(
    both: ArrayLike,
    gained: ArrayLike,
    lost: ArrayLike,
    neither: ArrayLike,
    level: float = 0.95,
    *,
    corrected: bool = True,
) -> tuple[Floats, Floats]:
    """Return Newcombe's square-and-add interval of student minus base; (-1, 1) without a pair.

    Wilson limits of the two shares right are joined with the correlation phi of the scores. Source: Newcombe (1998),
    Statistics in Medicine 17:2635-2650, method 10.

    Args:
        both: Pairs on which both models are right; scalar or array of tables, like the other counts.
        gained: Pairs on which only the student is right.
        lost: Pairs on which only the base is right.
        neither: Pairs on which both are wrong.
        level: Coverage of the interval.
        corrected: Whether a positive phi has its continuity correction; without it coverage falls short for few pairs.
    """
    critical = critical_value(level)
    a, b, c, d = np.broadcast_arrays(*(_count(x) for x in (both, gained, lost, neither)))
    n = a + b + c + d
    pairs = np.maximum(n, 1.0)
    student, base = (a + b) / pairs, (a + c) / pairs
    (s_low, s_high), (b_low, b_high) = (_wilson(share, pairs, critical) for share in (student, base))
    phi = _phi(a, b, c, d, corrected=corrected)
    difference = (b - c) / pairs
    # Held to -1..1 against rounding alone.
    low = np.maximum(-1.0, difference - _join(student - s_low, b_high - base, phi))
    high = np.minimum(1.0, difference + _join(s_high - student, base - b_low, phi))
    return np.where(n > 0, low, -1.0), np.where(n > 0, high, 1.0)


def bonett_price_interval(
    gained: ArrayLike, lost: ArrayLike, n: ArrayLike, level: float = 0.95
) -> tuple[Floats, Floats]:
    """Return the Wald interval after adding one gained and one lost pair, clipped to -1..1.

    Source: Bonett & Price (2012), Journal of Educational and Behavioral Statistics 37:479-488.
    """
    critical = critical_value(level)
    b, c, pairs = np.broadcast_arrays(*(_count(x) for x in (gained, lost, n)))
    if np.any(b + c > pairs):
        msg = f"{gained!r} gained and {lost!r} lost of {n!r} pairs: the flips cannot exceed the pairs"
        raise ValueError(msg)
    up, down = (b + 1.0) / (pairs + 2.0), (c + 1.0) / (pairs + 2.0)
    reach = critical * np.sqrt((up + down - (up - down) ** 2) / (pairs + 2.0))
    return np.maximum(-1.0, up - down - reach), np.minimum(1.0, up - down + reach)


def wilson_interval(successes: ArrayLike, n: ArrayLike, level: float = 0.95) -> tuple[Floats, Floats]:
    """Return the score interval of a share; (0, 1) without a trial.

    Source: Wilson (1927), Journal of the American Statistical Association 22:209-212.

    Args:
        successes: Number of successes; scalar or array.
        n: Trials.
        level: Coverage of the interval.
    """
    critical = critical_value(level)
    hits, trials = np.broadcast_arrays(_count(successes), _count(n))
    if np.any(hits > trials):
        msg = f"{successes!r} successes of {n!r} trials: cannot be more than the trials"
        raise ValueError(msg)
    low, high = _wilson(hits / np.maximum(trials, 1.0), np.maximum(trials, 1.0), critical)
    # Rounding may leave 1e-17 where the end is exactly 0 or 1.
    low, high = np.where(hits == 0, 0.0, low), np.where(hits == trials, 1.0, high)
    return low, high


def _join(one: Floats, other: Floats, phi: Floats) -> Floats:
    """Length of the sum of two distances with correlation phi; rounding must not make it a root of less than 0."""
    return np.sqrt(np.maximum(one**2 - 2.0 * phi * one * other + other**2, 0.0))


def _phi(a: Floats, b: Floats, c: Floats, d: Floats, *, corrected: bool) -> Floats:
    product = (a + b) * (c + d) * (a + c) * (b + d)
    excess = a * d - b * c
    if corrected:
        # Only a positive one is corrected, and never past 0.
        excess = np.where(excess > 0.0, np.maximum(excess - (a + b + c + d) / 2.0, 0.0), excess)
    return np.where(product > 0.0, excess / np.sqrt(np.where(product > 0.0, product, 1.0)), 0.0)


def _wilson(share: Floats, n: Floats, critical: float) -> tuple[Floats, Floats]:
    square = critical**2 / n
    centre = (share + square / 2.0) / (1.0 + square)
    reach = np.sqrt(share * (1.0 - share) * square + square**2 / 4.0) / (1.0 + square)
    return centre - reach, centre + reach


def _count(given: ArrayLike) -> NDArray[np.float64]:
    counts = np.asarray(given)
    if not np.issubdtype(counts.dtype, np.integer) or np.any(counts < 0):
        msg = f"counts {given!r}: must be whole numbers, 0 or more"
        raise ValueError(msg)
    return counts.astype(np.float64)
