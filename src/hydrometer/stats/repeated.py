"""Several samples per item: means, pass@k, pass^k, and what the samples say about the noise of decoding.

The unit stays the item: K samples of n items are n pairs of item values, never n K pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from hydrometer.stats.estimate import Floats


def item_means(samples: ArrayLike) -> Floats:
    """Return the mean score per item over the samples that were graded; NaN for an item without any.

    Args:
        samples: Scores, shape (n, K); NaN where a sample has no score.
    """
    scores = _matrix(samples)
    graded = np.isfinite(scores)
    counts = graded.sum(axis=1)
    return np.where(counts > 0, np.where(graded, scores, 0.0).sum(axis=1) / np.maximum(counts, 1), np.nan)


def pass_at_k(samples: ArrayLike, correct: ArrayLike, k: int) -> Floats:
    """Return the unbiased estimate per item of "at least one of k samples is right".

    1 - C(K - c, k) / C(K, k). NaN where fewer than k samples were drawn: a guess of 1 there would reward not asking.

    Source: Chen et al. (2021), arXiv 2107.03374.

    Args:
        samples: Samples drawn per item, K.
        correct: Right ones among them, c.
        k: Samples of which one must be right.
    """
    drawn, right = _tallies(samples, correct, k)
    return 1.0 - _all_from(drawn - right, drawn, k)


def pass_hat_k(samples: ArrayLike, correct: ArrayLike, k: int) -> Floats:
    """Return the unbiased estimate per item of "all of k samples are right" (pass^k).

    C(c, k) / C(K, k); NaN where fewer than k samples were drawn. The plug-in (c / K)^k is biased upwards.

    Source: Yao et al. (2024), arXiv 2406.12045.

    Args:
        samples: Samples drawn per item, K.
        correct: Right ones among them, c.
        k: Samples that must all be right.
    """
    drawn, right = _tallies(samples, correct, k)
    return _all_from(right, drawn, k)


class VarianceComponents(NamedTuple):
    """Where the variance of a paired difference comes from.

    Attributes:
        between: Variance over items of the true difference. An unbiased estimate, which may fall below 0.
        base: Mean variance of one sample of the base within an item.
        student: The same of the student.
    """

    between: float
    base: float
    student: float

    def of_mean(self, n: int, base_samples: int, student_samples: int) -> float:
        """Return the variance of the mean difference over `n` items with these numbers of samples per item."""
        if min(n, base_samples, student_samples) < 1:
            msg = f"{n} items, {base_samples} and {student_samples} samples: must be at least 1 each"
            raise ValueError(msg)
        return (max(self.between, 0.0) + self.base / base_samples + self.student / student_samples) / n


def variance_components(base: ArrayLike, student: ArrayLike) -> VarianceComponents:
    """Return the unbiased variance components of repeated scores.

    s^2 is the mean over items of the variance over samples (K / (K - 1) p (1 - p) for right/wrong), and w^2 =
    Var(D) - s_S^2 / K_S - s_B^2 / K_B with D the difference of item means.

    Source: Miller (2024), arXiv 2411.00640, section on repeated samples.

    Args:
        base: Scores of the base, shape (n, K_B), without gaps; two items and two samples at least.
        student: Scores of the student on the same items, shape (n, K_S).
    """
    sides = [_matrix(base), _matrix(student)]
    shapes = [side.shape for side in sides]
    if shapes[0][0] != shapes[1][0] or min(*shapes[0], *shapes[1]) < 2:
        msg = f"base has shape {shapes[0]}, student {shapes[1]}: must be the same items, two samples or more each"
        raise ValueError(msg)
    if not all(np.isfinite(side).all() for side in sides):
        msg = "scores must be finite: leave out items with a missing sample"
        raise ValueError(msg)
    within = [float(side.var(axis=1, ddof=1).mean()) for side in sides]
    total = float((sides[1].mean(axis=1) - sides[0].mean(axis=1)).var(ddof=1))
    noise = sum(variance / shape[1] for variance, shape in zip(within, shapes, strict=True))
    return VarianceComponents(total - noise, within[0], within[1])


def _all_from(favoured: Floats, drawn: Floats, k: int) -> Floats:
    """C(favoured, k) / C(drawn, k) as a product of k shares: no large factorial; NaN where drawn < k."""
    shares = np.ones(favoured.shape)
    for taken in range(k):
        shares = shares * np.maximum(favoured - taken, 0.0) / np.maximum(drawn - taken, 1.0)
    return np.where(drawn < k, np.nan, shares)


def _tallies(samples: ArrayLike, correct: ArrayLike, k: int) -> tuple[Floats, Floats]:
    if k < 1:
        msg = f"k {k} must be at least 1"
        raise ValueError(msg)
    drawn, right = np.broadcast_arrays(np.asarray(samples), np.asarray(correct))
    whole = all(np.issubdtype(counts.dtype, np.integer) for counts in (drawn, right))
    if not whole or np.any(right < 0) or np.any(right > drawn):
        msg = f"{correct!r} correct of {samples!r} samples: must be whole numbers, 0 up to the samples"
        raise ValueError(msg)
    return drawn.astype(np.float64), right.astype(np.float64)


def _matrix(samples: ArrayLike) -> Floats:
    scores = np.asarray(samples, dtype=np.float64)
    if scores.ndim != 2:
        msg = f"samples have shape {scores.shape}: must be (items, samples)"
        raise ValueError(msg)
    return scores
