"""Paired outcomes and estimates: the values that statistics take and give. Arrays in, numbers out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Scores of both models on the same items, in the same order, in 0..1; missing ones are counted, not scored.

    Attributes:
        base: Scores of the base, shape (n,), only items that both models answered.
        student: Scores of the student, shape (n,).
        missing_base: Items only the student answered.
        missing_student: Items only the base answered.
        missing_both: Items neither answered.
        clusters: Label of the cluster of each pair, shape (n,); pairs of one cluster (same passage, same template) are
            not independent. None where every pair is its own.
    """

    base: Floats
    student: Floats
    clusters: Ints | None = None
    missing_base: int = 0
    missing_student: int = 0
    missing_both: int = 0

    def __post_init__(self) -> None:
        """Refuse arrays of different lengths and scores that are not numbers in 0..1."""
        if self.base.shape != self.student.shape or self.base.ndim != 1:
            msg = f"base has shape {self.base.shape}, student {self.student.shape}: must be equal and flat"
            raise ValueError(msg)
        if self.clusters is not None and self.clusters.shape != self.base.shape:
            msg = f"clusters have shape {self.clusters.shape}, the scores {self.base.shape}: must be equal"
            raise ValueError(msg)
        both = np.concatenate([self.base, self.student])
        if both.size and not (np.isfinite(both).all() and both.min() >= 0.0 and both.max() <= 1.0):
            msg = "scores must be finite numbers in 0..1"
            raise ValueError(msg)

    @property
    def n(self) -> int:
        """Number of pairs with both scores."""
        return int(self.base.size)

    @property
    def differences(self) -> Floats:
        """Student minus base, shape (n,)."""
        return self.student - self.base

    @property
    def binary(self) -> bool:
        """Whether every score is 0 or 1."""
        return all(bool(((s == 0.0) | (s == 1.0)).all()) for s in (self.base, self.student))

    @property
    def clustered(self) -> bool:
        """Whether some cluster holds more than one pair."""
        return self.clusters is not None and np.unique(self.clusters).size < self.n

    def first(self, n: int) -> Paired:
        """Return the first `n` pairs, without the counts of missing ones."""
        clusters = None if self.clusters is None else self.clusters[:n]
        return Paired(base=self.base[:n], student=self.student[:n], clusters=clusters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A paired estimate with its uncertainty; it cannot exist without n and an interval.

    Attributes:
        base: Mean score of the base over the pairs.
        student: Mean score of the student.
        difference: Student minus base.
        low: Lower end of the interval for the difference.
        high: Upper end.
        level: Coverage of the interval, such as 0.95.
        n: Pairs behind it.
        gained: Pairs on which the student scored higher.
        lost: Pairs on which the base scored higher.
        missing_base: Items only the student answered.
        missing_student: Items only the base answered.
        missing_both: Items neither answered.
        p_value: Two-sided p-value of "no difference".
        method: Name of the interval and of the test.
    """

    base: float
    student: float
    difference: float
    low: float
    high: float
    level: float
    n: int
    gained: int
    lost: int
    missing_base: int
    missing_student: int
    missing_both: int
    p_value: float
    method: str
