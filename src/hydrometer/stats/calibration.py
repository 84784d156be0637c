"""Did the student become over- or underconfident, paired by item.

Binned calibration errors are not tested: they are biased upwards by the number of items, and move with accuracy.
Two moments of (confidence - right) are tested instead, which react to calibration and not to skill.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logit, stdtr

from hydrometer.stats.clusters import FEWEST, cluster_error
from hydrometer.stats.estimate import Floats, Ints
from hydrometer.stats.multiplicity import holm

CLIP = 1e-4
"""Confidences are held this far from 0 and 1: one wrong answer at certainty would outweigh all others."""

DRAWS = 9999
"""Random sign-flips behind a p-value, the smallest being 1 / 10 000."""

EXACT = 20
"""Items up to which all sign-flips are gone through instead."""

_CHUNK = 1 << 22
"""Signs drawn at a time: 32 MB of them."""


class CalibrationChange(NamedTuple):
    """Change of calibration from base to student.

    Attributes:
        level: Student minus base of mean(p - y): above 0 the student claims more than the base does, relative to what
            it gets right.
        slope: Student minus base of mean((p - y) logit p): above 0 its confidences are more extreme than they earn.
        p_level: Two-sided p-value of "no change of level".
        p_slope: Two-sided p-value of "no change of slope".
        adjusted_level: The same after Holm over the two.
        adjusted_slope: The same after Holm over the two.
    """

    level: float
    slope: float
    p_level: float
    p_slope: float
    adjusted_level: float
    adjusted_slope: float


class ScoreChange(NamedTuple):
    """Paired change of a proper score, where lower is better.

    Attributes:
        difference: Student minus base.
        p_value: Two-sided p-value of "no change".
    """

    difference: float
    p_value: float


def calibration_change(
    base: tuple[ArrayLike, ArrayLike],
    student: tuple[ArrayLike, ArrayLike],
    random: np.random.Generator,
    *,
    clusters: Ints | None = None,
) -> CalibrationChange:
    """Test whether calibration changed, by two score moments per item.

    g1 = p - y and g2 = (p - y) logit(p) have mean 0 where a model is calibrated in the large and in slope: they are the
    gradient of Cox's recalibration at intercept 0 and slope 1. Their paired differences are tested by sign-flip, or by
    cluster, with Holm over the two.

    Source: Cox (1958), Biometrika 45:562-565, for the model of recalibration.

    Args:
        base: Confidences in 0..1 and whether the answers were right, each of shape (n,).
        student: The same of the student, on the same items in the same order.
        random: Generator for the sign-flips; the p-values are repeatable with the same one.
        clusters: Label of the cluster per item, where items share one.
    """
    (p_base, y_base), (p_student, y_student) = _sides(base, student)
    differences = _moments(p_student, y_student) - _moments(p_base, y_base)
    p_values = _p_values(differences, random, clusters)
    adjusted = holm(p_values)
    level, slope = differences.mean(axis=0) if differences.size else (0.0, 0.0)
    return CalibrationChange(
        level=float(level),
        slope=float(slope),
        p_level=float(p_values[0]),
        p_slope=float(p_values[1]),
        adjusted_level=float(adjusted[0]),
        adjusted_slope=float(adjusted[1]),
    )


def brier_change(
    base: tuple[ArrayLike, ArrayLike],
    student: tuple[ArrayLike, ArrayLike],
    random: np.random.Generator,
    *,
    clusters: Ints | None = None,
) -> ScoreChange:
    """Compare mean squared errors of the confidences (Brier 1950); arguments as in `calibration_change`."""
    return _change(_squares, base, student, random, clusters)


def nll_change(
    base: tuple[ArrayLike, ArrayLike],
    student: tuple[ArrayLike, ArrayLike],
    random: np.random.Generator,
    *,
    clusters: Ints | None = None,
) -> ScoreChange:
    """Compare mean negative log likelihoods in nats, confidences clipped; arguments as in `calibration_change`."""
    return _change(_nll, base, student, random, clusters)


def sign_flip_p(differences: ArrayLike, random: np.random.Generator, draws: int = DRAWS) -> Floats:
    """Return two-sided sign-flip p-values of "the mean is 0", one per column.

    All flips are gone through where at most `EXACT` items differ at all; else p = (1 + extreme) / (draws + 1). The
    differences must be symmetric around 0 under "no change", or many. Source: Phipson & Smyth (2010), Statistical
    Applications in Genetics and Molecular Biology 9:39.

    Args:
        differences: Shape (n,) or (n, columns); the columns share their flips.
        random: Generator for the flips.
        draws: Random flips.
    """
    values = np.asarray(differences, dtype=np.float64)
    table = values[:, None] if values.ndim == 1 else values
    table = table[np.any(table != 0.0, axis=1)]
    observed = np.abs(table.sum(axis=0)) * (1.0 - 1e-9)  # a tie by rounding counts as extreme
    if table.shape[0] <= EXACT:
        sums = np.zeros((1, table.shape[1]))
        for row in table:
            sums = np.concatenate([sums + row, sums - row])
        p = (np.abs(sums) >= observed).mean(axis=0)
    else:
        extreme, done, chunk = np.zeros(table.shape[1]), 0, max(1, _CHUNK // table.shape[0])
        while done < draws:
            size = min(chunk, draws - done)
            signs = random.integers(0, 2, size=(size, table.shape[0]), dtype=np.int8)
            extreme += (np.abs((2.0 * signs - 1.0) @ table) >= observed).sum(axis=0)
            done += size
        p = (1.0 + extreme) / (draws + 1.0)
    return np.asarray(p, dtype=np.float64).reshape(values.shape[1:])


def _change(
    loss: Callable[[Floats, Floats], Floats],
    base: tuple[ArrayLike, ArrayLike],
    student: tuple[ArrayLike, ArrayLike],
    random: np.random.Generator,
    clusters: Ints | None,
) -> ScoreChange:
    sides = _sides(base, student)
    differences = loss(*sides[1]) - loss(*sides[0])
    p_value = float(_p_values(differences[:, None], random, clusters)[0])
    return ScoreChange(float(differences.mean()) if differences.size else 0.0, p_value)


def _p_values(differences: Floats, random: np.random.Generator, clusters: Ints | None) -> Floats:
    """Two-sided p-values per column: by cluster where items share clusters, else by sign-flip."""
    if clusters is None or np.unique(clusters).size == clusters.size:
        return sign_flip_p(differences, random)
    p = []
    for column in differences.T:
        mean, error, freedom = cluster_error(column, clusters)
        told = freedom + 1 >= FEWEST and error > 0.0
        p.append(2.0 * float(stdtr(freedom, -abs(mean) / error)) if told else 1.0)
    return np.array(p)


def _moments(p: Floats, right: Floats) -> Floats:
    """The two moments per item, shape (n, 2)."""
    excess = p - right
    return np.stack([excess, excess * logit(np.clip(p, CLIP, 1.0 - CLIP))], axis=1)


def _squares(p: Floats, right: Floats) -> Floats:
    return (p - right) ** 2


def _nll(p: Floats, right: Floats) -> Floats:
    held = np.clip(p, CLIP, 1.0 - CLIP)
    return -np.log(np.where(right > 0.5, held, 1.0 - held))


def _sides(
    base: tuple[ArrayLike, ArrayLike], student: tuple[ArrayLike, ArrayLike]
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    arrays = [np.asarray(part, dtype=np.float64) for side in (base, student) for part in side]
    if any(part.shape != arrays[0].shape or part.ndim != 1 for part in arrays):
        msg = f"confidences and answers have shapes {[part.shape for part in arrays]}: must be equal and flat"
        raise ValueError(msg)
    if not all(np.all((part >= 0.0) & (part <= 1.0)) for part in arrays):
        msg = "confidences must lie in 0..1, answers be 0 or 1"
        raise ValueError(msg)
    if not all(np.all((part == 0.0) | (part == 1.0)) for part in arrays[1::2]):
        msg = "answers must be right (1) or wrong (0)"
        raise ValueError(msg)
    return (arrays[0], arrays[1]), (arrays[2], arrays[3])
