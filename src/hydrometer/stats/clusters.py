"""Paired differences in clusters: items of one passage, template or seed problem are not independent.

The unit of evidence is the cluster. A thousand items over five passages say no more than five passages do, so with
fewer than six clusters nothing is shown, however many items they hold.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from hydrometer.stats.estimate import Floats, Ints

FEWEST = 6
"""Clusters below which no test can reject: a two-sided sign-flip over five has a p-value of at least 2^-4 = .06."""

FEW = 10
"""Clusters below which the t approximation is not trusted alone."""

_BISECTIONS = 54


def cluster_tests(differences: Floats, clusters: Ints, nulls: ArrayLike) -> tuple[Floats, Floats]:
    """Return one-sided p-values of the mean difference against null values.

    From ten clusters on: the CR1 cluster-robust error with t(G - 1) (Cameron & Miller 2015, Journal of Human
    Resources 50:317-372) over the clusters and two pseudo-clusters, see `_padded`. From six to nine the larger of
    that p-value and the exact sign-flip of cluster sums: the sign-flip needs symmetric sums, which rare flips do not
    have at a margin, where it rejects as soon as no cluster flipped. Below six all p-values are 1.

    Args:
        differences: Student minus base per pair, in -1..1, shape (n,).
        clusters: Label of the cluster of each pair, shape (n,).
        nulls: Null values of the mean, shape (m,).

    Returns:
        P-values against "the mean is the null value or less" and against "or more", both of shape (m,).
    """
    values, sizes, sums = _by_cluster(differences, clusters)
    points = np.asarray(nulls, dtype=np.float64)
    if sums.size < FEWEST:
        return np.ones(points.shape), np.ones(points.shape)
    fit = _padded(values, sizes, sums)
    t = fit.t(points)
    above, below = (np.asarray(stdtr(sums.size - 1, side * t), dtype=np.float64) for side in (-1.0, 1.0))
    if sums.size >= FEW:
        return above, below
    flipped = _subset_sums(sums)[:, None] - _subset_sums(sizes)[:, None] * points.ravel()
    # Flipping the signs of a subset leaves the total at least as large exactly if the subset adds up to 0 or less.
    # Rounding must not turn a tie into a rejection, hence the slack.
    slack = 1e-9
    exact_above = (flipped <= slack).mean(axis=0).reshape(points.shape)
    exact_below = (flipped >= -slack).mean(axis=0).reshape(points.shape)
    return np.maximum(above, exact_above), np.maximum(below, exact_below)


def cluster_interval(differences: Floats, clusters: Ints, level: float) -> tuple[float, float]:
    """Return all mean differences that `cluster_tests` does not reject on either side, clipped to -1..1.

    With fewer than six clusters it is (-1, 1). The ends of the sign-flip part are order statistics of the means over
    all subsets of clusters: Hartigan (1969), Journal of the American Statistical Association 64:1303-1317.
    """
    if not 0.0 < level < 1.0:
        msg = f"level {level} must lie between 0 and 1"
        raise ValueError(msg)
    values, sizes, sums = _by_cluster(differences, clusters)
    if sums.size < FEWEST:
        return -1.0, 1.0
    fit = _padded(values, sizes, sums)
    critical = float(stdtrit(sums.size - 1, 0.5 + level / 2.0))
    low, high = fit.lower(critical), -fit.swapped().lower(critical)
    if sums.size < FEW:
        means = np.sort(_subset_sums(sums)[1:] / _subset_sums(sizes)[1:])
        # The empty subset always counts, so that one subset fewer may lie beyond the end.
        rank = int(2.0**sums.size * (1.0 - level) / 2.0 + 1e-9)
        low = min(low, float(means[rank - 1])) if rank else -1.0
        high = max(high, float(means[-rank])) if rank else 1.0
    return max(-1.0, low), min(1.0, high)


def cluster_method(clusters: Ints) -> str:
    """Return the name of the test and interval for these clusters, in words for a report."""
    count = int(np.unique(clusters).size)
    if count < FEWEST:
        return f"no test: {count} clusters, fewer than {FEWEST}"
    if count < FEW:
        return f"sign-flip of cluster sums and cluster-robust t, the wider one (few clusters: {count})"
    return f"cluster-robust CR1 error with t({count - 1}), {count} clusters and two pseudo-clusters"


class ClusterError(NamedTuple):
    """A mean, its CR1 cluster-robust standard error and the degrees of freedom of its t distribution."""

    mean: float
    error: float
    freedom: int


def cluster_error(values: Floats, clusters: Ints) -> ClusterError:
    """Return the mean with its plain CR1 error, for quantities that spread: log lengths, log scores.

    Never for rare flips, where it may be 0: `cluster_tests` serves those. Without two clusters the error is infinite.

    Source: Liang & Zeger (1986), Biometrika 73:13-22, with the factor G / (G - 1).
    """
    measured, sizes, sums = _by_cluster(values, clusters, bounded=False)
    n, count = measured.size, sums.size
    mean = float(measured.mean()) if n else 0.0
    if count < 2:
        return ClusterError(mean, np.inf, max(count - 1, 0))
    squares = float(np.square(sums - sizes * mean).sum())
    return ClusterError(mean, float(np.sqrt(squares * count / (count - 1))) / n, count - 1)


def design_effect(differences: Floats, clusters: Ints) -> float:
    """Return the variance of the mean by cluster over the one that takes pairs as independent (Kish 1965).

    About 1 + (m - 1) ICC for clusters of size m; it can lie below 1 where differences cancel inside clusters. It is 1
    where all differences are equal, and the number of pairs where there is a single cluster: then nothing tells pairs
    from clusters.
    """
    values, _, sums = _by_cluster(differences, clusters)
    n = values.size
    spread = float(np.square(values - values.mean()).sum()) if n else 0.0
    if spread <= 1e-12:
        return 1.0
    if sums.size == 1:
        return float(n)
    return cluster_error(values, clusters).error ** 2 * n * (n - 1) / spread


class _Fit(NamedTuple):
    """Mean with its error; under a null value the variance is at least |null| (flip - |null|) lumps."""

    centre: float
    variance: float
    flip: float
    lumps: float

    def t(self, nulls: Floats) -> Floats:
        """Distance of the mean from the null values in standard errors."""
        away = np.abs(nulls)
        under_null = np.maximum(away * (self.flip - away), 0.0) * self.lumps
        return (self.centre - nulls) / np.sqrt(np.maximum(self.variance, under_null))

    def lower(self, critical: float) -> float:
        """Lower end of the means within `critical` errors, by bisection as for Tango's interval."""
        low, high = -1.0, self.centre
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            if self.t(np.array(middle)) > critical:
                low = middle
            else:
                high = middle
        return low

    def swapped(self) -> _Fit:
        """The fit with the models swapped."""
        return self._replace(centre=-self.centre)


def _padded(values: Floats, sizes: Floats, sums: Floats) -> _Fit:
    """Mean and CR1 error with two pseudo-clusters, one all gains and one all losses.

    They play the part of the pseudo-units of `paired.plus_two_z`: without them clusters without a flip have no error
    at all, and two models are called equivalent after any number of items. A pseudo-cluster holds as many pairs as
    flips come together. That number is the ratio of the squared cluster sums to the squared differences: 1 for lone
    flips, the size of a cluster where whole clusters flip. It starts from one flip of a whole cluster, so that it is
    the safe one while there is hardly any flip to tell.

    A mean of m needs flips on a share of |m| at least. Where fewer were seen, the variance under the null value is
    the one of that share, as in Tango's statistic; else a lucky sample claims precision on top of its luck.
    """
    n = values.size
    whole = float(np.square(sizes).sum()) / n
    squared = float(np.square(values).sum()) + 1.0
    together = (float(np.square(sums).sum()) + whole) / squared
    pseudo = min(max(1.0, together), whole)
    total = n + 2.0 * pseudo
    centre = float(sums.sum()) / total
    squares = float(np.square(sums - sizes * centre).sum()) + 2.0 * pseudo**2 * (1.0 + centre**2)
    count = sums.size + 2
    stretch = total / n  # undoes the pull of the pseudo-clusters towards 0
    return _Fit(
        centre=centre * stretch,
        variance=squares * count / (count - 1) / n**2,
        flip=squared / (float(np.abs(values).sum()) + 1.0),
        lumps=pseudo / n,
    )


def _by_cluster(
    differences: ArrayLike, clusters: ArrayLike, *, bounded: bool = True
) -> tuple[Floats, Floats, Floats]:
    """Differences, sizes of the clusters and sums of the differences in them."""
    values, labels = np.asarray(differences, dtype=np.float64), np.asarray(clusters)
    if values.shape != labels.shape or values.ndim != 1:
        msg = f"differences have shape {values.shape}, clusters {labels.shape}: must be equal and flat"
        raise ValueError(msg)
    if not np.all(np.abs(values) <= (1.0 if bounded else np.finfo(np.float64).max)):
        msg = "differences must be finite numbers in -1..1" if bounded else "values must be finite numbers"
        raise ValueError(msg)
    names, index = np.unique(labels, return_inverse=True)
    sizes = np.bincount(index, minlength=names.size).astype(np.float64)
    sums = np.bincount(index, weights=values, minlength=names.size).astype(np.float64)
    return values, sizes, sums


def _subset_sums(values: Floats) -> Floats:
    """Sums over all subsets, the empty one first, shape (2^G,)."""
    sums: NDArray[np.float64] = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums, sums + value])
    return sums
