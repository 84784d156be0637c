"""Correction for looking at several capabilities at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from hydrometer.stats.estimate import Floats


def holm(p: ArrayLike) -> Floats:
    """Return Holm's adjusted p-values in the order given.

    Rejecting those at or below alpha says anything false at all with probability of at most alpha, however the
    tests depend on each other. Source: Holm (1979), Scandinavian Journal of Statistics 6:65-70.

    Args:
        p: P-values, shape (k,); k may be 0.
    """
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1 or not np.all((values >= 0.0) & (values <= 1.0)):
        msg = f"p-values {p!r}: must be a flat list of numbers in 0..1"
        raise ValueError(msg)
    order = np.argsort(values, kind="stable")
    steps = np.arange(values.size, 0, -1)
    adjusted = np.empty_like(values)
    # The running maximum keeps a larger p-value from being rejected before a smaller one.
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps * values[order]))
    return adjusted
