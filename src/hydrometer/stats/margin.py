"""The four one-sided tests behind a verdict: is it better, is it worse, is it inside the margin on both sides.

The arrays of p-values hold the four tests in the last axis, in the order of the fields of `FourTests`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainc, ndtr

from hydrometer.stats.clusters import cluster_tests
from hydrometer.stats.estimate import Floats, Ints, Paired
from hydrometer.stats.paired import mcnemar_midp_gain, plus_two_z_of_sums, tango_z, tango_z_of_flips


@dataclass(frozen=True, slots=True, kw_only=True)
class FourTests:
    """One-sided p-values; a small one speaks for its name.

    Attributes:
        better: Against "the difference is 0 or less".
        worse: Against "the difference is 0 or more".
        above_lower: Against "the student loses the margin or more".
        below_upper: Against "the student gains the margin or more".
    """

    better: float
    worse: float
    above_lower: float
    below_upper: float

    @property
    def two_sided(self) -> float:
        """Two-sided p-value of "no difference"."""
        return min(1.0, 2.0 * min(self.better, self.worse))

    @property
    def inside(self) -> float:
        """P-value of equivalence: both margin tests must reject, so the larger one counts (Schuirmann 1987)."""
        return max(self.above_lower, self.below_upper)


def four_tests(paired: Paired, margin: float) -> FourTests:
    """Run the four tests on all pairs.

    Args:
        paired: Scores of both models on the same items.
        margin: Largest difference that still counts as equivalent, between 0 and 1.
    """
    better, worse, above, below = prefix_tests(paired, [paired.n], margin)[0]
    return FourTests(
        better=float(better), worse=float(worse), above_lower=float(above), below_upper=float(below)
    )


def prefix_tests(paired: Paired, cuts: Sequence[int], margin: float) -> Floats:
    """Return the p-values of the four tests on the first pairs, for several numbers of them.

    Mid-p McNemar and Tango's score for right/wrong scores, plus-two for fractional ones, by cluster where pairs share
    clusters.

    Args:
        paired: Scores of both models, in the order in which they were asked.
        cuts: Numbers of first pairs, k of them, none above `paired.n`.
        margin: Largest difference that still counts as equivalent, between 0 and 1.

    Returns:
        Shape (k, 4).
    """
    n = np.asarray(cuts, dtype=np.int64)
    if paired.clustered:
        return np.stack([_clustered_tests(paired.first(cut), margin) for cut in cuts])
    differences = paired.differences
    if paired.binary:
        gained, lost = (_running(sign * differences > 0, n).astype(np.int64) for sign in (1, -1))
        return table_tests(gained, lost, n, margin)
    total, squares, sizes = (_running(v, n) for v in (differences, np.square(differences), np.abs(differences)))
    return fraction_tests(total, squares, n, margin, absolute=sizes)


def table_tests(gained: ArrayLike, lost: ArrayLike, n: ArrayLike, margin: float) -> Floats:
    """Return the four p-values of tables of right/wrong scores, shape (..., 4).

    A margin test takes the larger of two p-values: Tango's score, and the exact binomial tail of the case in which all
    flips go one way. There alone the score is too bold: at a margin of 3 points and 90 pairs it would call a loss of
    the margin equivalent in 6.5 % of audits; with the tail no case enumerated exceeds 5 % (docs/validation.md).
    """
    _check(margin)
    net = np.asarray(lost, dtype=np.float64) - np.asarray(gained, dtype=np.float64)
    return np.stack(
        [
            mcnemar_midp_gain(gained, lost),
            mcnemar_midp_gain(lost, gained),
            np.maximum(ndtr(-tango_z(gained, lost, n, -margin)), _one_way_tail(net, n, margin)),
            np.maximum(ndtr(tango_z(gained, lost, n, margin)), _one_way_tail(-net, n, margin)),
        ],
        axis=-1,
    )


def fraction_tests(
    total: ArrayLike, squares: ArrayLike, n: ArrayLike, margin: float, *, absolute: ArrayLike | None = None
) -> Floats:
    """Return the four p-values of fractional scores, shape (..., 4).

    A margin test takes the largest of three p-values: the plus-two one, and those of `table_tests` with the differences
    counted as flips of their typical size. With few differences the studentised test alone is too bold: at 129 pairs of
    which 3 % differ it would call a loss of 3 points equivalent in one audit of ten.

    Args:
        total: Sum of the differences.
        squares: Sum of their squares.
        n: Number of pairs.
        margin: Largest difference that still counts as equivalent.
        absolute: Sum of their sizes; None where every difference is -1, 0 or 1.
    """
    _check(margin)
    net, sizes = np.asarray(total, dtype=np.float64), np.asarray(squares if absolute is None else absolute)
    # Below twice the margin the spread of the differences decides and not their number; the plus-two test sees that.
    typical = np.where(sizes > 0.0, np.asarray(squares) / np.where(sizes > 0.0, sizes, 1.0), 1.0)
    unit = np.maximum(typical, min(1.0, 2.0 * margin))
    gained, lost = ((sizes + sign * net) / (2.0 * unit) for sign in (1.0, -1.0))
    zero, lower, upper = (plus_two_z_of_sums(net, squares, n, m) for m in (0.0, -margin, margin))
    low, high = (tango_z_of_flips(gained, lost, n, m / unit) for m in (-margin, margin))
    return np.stack(
        [
            ndtr(-zero),
            ndtr(zero),
            np.maximum(ndtr(-np.minimum(lower, low)), _one_way_tail(-net / unit, n, margin / unit)),
            np.maximum(ndtr(np.maximum(upper, high)), _one_way_tail(net / unit, n, margin / unit)),
        ],
        axis=-1,
    )


def _clustered_tests(paired: Paired, margin: float) -> Floats:
    _check(margin)
    labels = paired.clusters if paired.clusters is not None else np.arange(paired.n)
    above, below = cluster_tests(paired.differences, labels, [0.0, -margin, margin])
    return np.array([above[0], below[0], above[1], below[2]])


def _one_way_tail(net: ArrayLike, n: ArrayLike, rate: ArrayLike) -> Floats:
    """P(X <= net) for X ~ Binomial(n, rate): so few lost if every flip were a loss.

    Between whole numbers the incomplete beta function continues the binomial.
    """
    pairs = np.asarray(n, dtype=np.float64)
    flips = np.maximum(net, 0.0)
    tail = betainc(np.maximum(pairs - flips, 1e-9), flips + 1.0, 1.0 - np.asarray(rate))
    return np.where(np.asarray(net) < 0, 0.0, np.where(flips < pairs, tail, 1.0))


def _running(values: ArrayLike, cuts: Ints) -> Floats:
    """Sums over the first `cuts` values."""
    sums = np.zeros(np.size(values) + 1)
    np.cumsum(values, dtype=np.float64, out=sums[1:])
    return np.asarray(sums[cuts], dtype=np.float64)


def _check(margin: float) -> None:
    if not 0.0 < margin < 1.0:
        msg = f"margin {margin} must lie between 0 and 1 (0.03 is 3 points)"
        raise ValueError(msg)
