"""How much longer or shorter the student's replies are, paired by item."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

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
    base, student = (np.asarray(t, dtype=np.float64) for t in (base_tokens, student_tokens))
    if base.shape != student.shape or base.ndim != 1:
        msg = f"base has shape {base.shape}, student {student.shape}: must be equal and flat"
        raise ValueError(msg)
    if not 0.0 < level < 1.0:
        msg = f"level {level} must lie between 0 and 1"
        raise ValueError(msg)
    n = int(base.size)
    if n == 0:
        return LengthRatio(1.0, 0.0, LARGEST_RATIO, 0)
    logs = np.log(np.maximum(student, 1.0)) - np.log(np.maximum(base, 1.0))
    mean = float(logs.mean())
    if n == 1:
        return LengthRatio(_bounded_exp(mean), 0.0, LARGEST_RATIO, 1)
    reach = float(stdtrit(n - 1, 0.5 + level / 2.0) * logs.std(ddof=1) / math.sqrt(n))
    return LengthRatio(_bounded_exp(mean), _bounded_exp(mean - reach), _bounded_exp(mean + reach), n)


def _bounded_exp(value: float) -> float:
    """exp, held at `LARGEST_RATIO`: two very different pairs reach past the largest float."""
    return math.exp(value) if value < math.log(LARGEST_RATIO) else LARGEST_RATIO
