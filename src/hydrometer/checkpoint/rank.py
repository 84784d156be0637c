"""The rank of a change: was it a LoRA, and of which rank?

A LoRA adds B times A, so every row of the change lies in the span of A's few rows. That span is learnt from one block
of rows and tested on another, bit for bit: base + the change projected on its k strongest directions, rounded to the
student's dtype, against the student. Rows held out cannot be fitted by accident, so a change of rank r gives a plateau
from k = r on, and a dense change none. Gaps between singular values of the same block are the second opinion.

Not covered: changes so small (relative distance below 5e-4) that bfloat16 hides them; adapters that scale magnitudes
too (DoRA); several adapters in a row, which give the sum of their ranks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hydrometer.checkpoint.grids import rounded
from hydrometer.checkpoint.source import Rows

LEARN, TEST = 512, 256
"""Rows to learn the directions from, and rows to test them on, if the matrix has so many."""
_SMALL = 16
"""Largest rank that half of the rows may show."""
_GRID = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_SURE_GAP = 1.3
"""A gap between neighbouring singular values that is called sure; dense changes stay below 1.05."""
_FIRST_GAP = 3.0
"""Dense changes often have one strong direction: rank 1 needs a larger gap."""
_DROP = 4.0
"""How much less a further direction must reproduce than those before it; dense changes fade by 3 at most."""
_RESIDUE = 2.5
"""Most that may be left of the change, as a multiple of what rounding alone leaves (a twelfth of a squared step)."""
_BITS = {"BF16": 7, "F16": 10}

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """What a change looks like.

    Attributes:
        rank: Its rank, 0 if it has no low one.
        unchanged: Share of held-out values that the base alone reproduces.
        rebuilt: Share that base and change of that rank reproduce; equal to `unchanged` without a rank.
        held_out: Values held out.
        gap_rank: Rank by the largest gap between singular values.
        gap: That gap, as a ratio.
    """

    rank: int
    unchanged: float
    rebuilt: float
    held_out: int
    gap_rank: int
    gap: float


def find_rank(base: Rows, student: Rows, dtype: str) -> Rank:
    """Find the rank of the difference between two blocks of rows.

    Args:
        base: Rows of the base, shape (k, width): two thirds are learnt from, the others are held out.
        student: The same rows of the student.
        dtype: Stored dtype of the student.
    """
    if len(base) >= LEARN + TEST:
        # The work grows with the square of the rows, and half of them show a rank as small as most adapters have.
        few = LEARN // 2
        found = _find(base[: few + TEST], student[: few + TEST], dtype, few)
        if 0 < found.rank <= _SMALL:
            return found
    return _find(base, student, dtype, _cut(len(base)))


def _find(base: Rows, student: Rows, dtype: str, cut: int) -> Rank:
    """The rank by so many rows to learn from; all others are held out."""
    change = (student.astype(np.float64) - base).astype(np.float32)
    directions, strengths = _directions(change[:cut])
    gap_rank, gap = _gap(strengths)
    curve = _Curve(base[cut:], student[cut:], change[cut:], directions, dtype)
    most = min(len(directions), cut // 2, base.shape[1] // 4)
    ks = [k for k in _GRID if k <= most]
    scores = [curve.score(0), *(curve.score(k) for k in ks)]
    rank = _plateau([0, *ks], scores, curve.size)
    if rank:
        rank = _exact(curve, rank, gap_rank if gap >= _SURE_GAP else 0)
        rank = rank if curve.is_done(rank) else 0
    rebuilt = curve.score(rank) if rank else scores[0]
    return Rank(
        rank=rank,
        unchanged=scores[0],
        rebuilt=rebuilt,
        held_out=curve.size,
        gap_rank=gap_rank,
        gap=gap,
    )


def _cut(rows: int) -> int:
    return min(LEARN, rows * 2 // 3)


def _directions(change: Rows) -> tuple[Rows, Doubles]:
    """Right singular vectors as rows, strongest first, and all singular values, through the small Gram matrix.

    Its entries are squares, so they are summed in double precision; the vectors need no more than the change has.
    """
    wide = change.astype(np.float64)
    values, left = np.linalg.eigh(wide @ wide.T)
    strengths = np.sqrt(np.maximum(values[::-1], 0.0))
    kept = int(np.count_nonzero(strengths > 1e-7 * strengths[0])) if len(strengths) else 0
    kept = min(kept, _GRID[-1])
    scaled = left[:, ::-1][:, :kept] / np.maximum(strengths[:kept], 1e-300)
    vectors: Rows = scaled.astype(np.float32).T @ change
    return vectors, strengths


def _gap(strengths: Doubles) -> tuple[int, float]:
    half = max(1, len(strengths) // 2)
    if len(strengths) < 2 or strengths[0] == 0.0:
        return 0, 1.0
    floor = max(1e-9 * strengths[0], 1e-300)
    ratios = np.maximum(strengths[:half], floor) / np.maximum(strengths[1 : half + 1], floor)
    rank = int(np.argmax(ratios)) + 1
    ratio = float(ratios[rank - 1])
    return (rank, ratio) if rank > 1 or ratio >= _FIRST_GAP else (0, ratio)


class _Curve:
    """Share of held-out values that k directions reproduce."""

    def __init__(self, base: Rows, student: Rows, change: Rows, directions: Rows, dtype: str) -> None:
        self._base, self._student, self._dtype, self._change = base, student, dtype, change
        self._parts: Rows = change @ directions.T
        self._directions = directions
        self._near = 0.01 * float(np.sqrt(np.mean(change**2))) if dtype not in ("BF16", "F16") else 0.0
        self._known: dict[int, float] = {}
        self._sum: Rows = base.astype(np.float32)
        self._summed = 0
        self.size = base.size

    def score(self, k: int) -> float:
        if k not in self._known:
            # Asked for more and more directions at first: those before are in the sum already.
            start, before = (self._summed, self._sum) if self._summed <= k else (0, self._base)
            added: Rows = self._parts[:, start:k] @ self._directions[start:k]
            if start == self._summed:
                self._sum, self._summed = before + added, k
            guess = rounded(before + added, self._dtype)
            # Numbers of 32 bits never come out exactly: a hundredth of the change is near enough.
            hit = np.abs(guess - self._student) <= self._near if self._near else guess == self._student
            self._known[k] = float(np.mean(hit))
        return self._known[k]

    def is_done(self, k: int) -> bool:
        """Whether what k directions leave of the change is rounding and no more."""
        if self._dtype not in _BITS:
            return self.score(k) >= 0.9
        left = self._change - self._parts[:, :k] @ self._directions[:k]
        _, exponents = np.frexp(self._student)
        steps = np.ldexp(1.0, exponents - 1 - _BITS[self._dtype])
        return float(np.sum(left**2, dtype=np.float64)) <= _RESIDUE * float(np.sum(steps**2)) / 12.0


def _plateau(ks: list[int], scores: list[float], size: int) -> int:
    """The k behind which further directions reproduce next to nothing, 0 if there is none."""
    gains = np.diff(scores) / np.diff(ks)
    # Four standard errors of a share, and never less than one point: below it there is nothing to see.
    least = max(0.01, 2.0 / size**0.5)
    for i in range(len(gains) - 1):
        behind = max(float(gains[i + 1 :].max()), 0.0)
        if scores[i + 1] - scores[0] >= least and gains[i] >= _DROP * behind:
            return ks[i + 1]
    return 0


def _exact(curve: _Curve, rank: int, gap_rank: int) -> int:
    """Between half and twice the plateau's start: the gap if it is sure, else where the gain is done."""
    if rank // 2 < gap_rank < 2 * rank:
        return gap_rank
    low, high = rank // 2, rank
    goal = curve.score(high) - 0.1 * (curve.score(high) - curve.score(low))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if curve.score(middle) >= goal else (middle, high)
    return high
