"""Correction for looking at several capabilities at once.

`holm` for a gate ("is any one worse?"), `benjamini_hochberg` for a list to explore, `intersection_union` for a claim on
all of them.
"""

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
    values = _checked(p)
    order = np.argsort(values, kind="stable")
    steps = np.arange(values.size, 0, -1)
    adjusted = np.empty_like(values)
    # The running maximum keeps a larger p-value from being rejected before a smaller one.
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps * values[order]))
    return adjusted


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Return adjusted p-values in the order given; those at or below q hold at most a share q of false ones on average.

    That is for tests on different items. Capabilities that share items may depend on each other in a way that breaks
    it; `holm` holds there. Source: Benjamini & Hochberg (1995), Journal of the Royal Statistical Society B 57:289-300.

    Args:
        p: P-values, shape (k,); k may be 0.
    """
    values = _checked(p)
    order = np.argsort(values, kind="stable")
    raised = values[order] * values.size / np.arange(1, values.size + 1)
    adjusted = np.empty_like(values)
    # From the largest down, for the largest k that passes takes all smaller ones with it.
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(raised[::-1])[::-1])
    return adjusted


def intersection_union(p: ArrayLike) -> float:
    """Return the p-value of "all of these claims hold": the largest one; 1 where there is no claim.

    Each claim is tested at the full alpha and the conjunction has level alpha: it is false only if one of them is, and
    that one was tested at alpha. Source: Berger (1982), Technometrics 24:295-300.
    """
    values = _checked(p)
    return float(values.max()) if values.size else 1.0


def _checked(p: ArrayLike) -> Floats:
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1 or not np.all((values >= 0.0) & (values <= 1.0)):
        msg = f"p-values {p!r}: must be a flat list of numbers in 0..1"
        raise ValueError(msg)
    return values
