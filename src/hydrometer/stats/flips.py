"""The chance that an item flips as a function of how far the models are apart on it: a logistic fit, never a constant.

How much drift makes an answer flip depends on the task, on the models and on what kind of drift it is: the same
divergence from a mere temperature flips nothing. So the curve is fitted to the items at hand, with its error.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hydrometer.stats.estimate import Floats

FEWEST = 8
"""Items that flipped, and items that did not, below which no curve is fitted."""

_SMALLEST = 1e-9
_STEPS, _CLOSE, _STEEPEST = 50, 1e-10, 30.0


class FlipFit(NamedTuple):
    """Log odds of a flip = level + slope log(KL).

    Attributes:
        level: Log odds at a divergence of 1 nat a token.
        slope: Growth with each factor e of the divergence.
        slope_error: Its standard error, from the observed information.
    """

    level: float
    slope: float
    slope_error: float


def fit_flips(kl: Floats, flipped: NDArray[np.bool_]) -> FlipFit | None:
    """Fit the chance of a flip by maximum likelihood.

    Args:
        kl: Mean divergence of each item, nats a token.
        flipped: Whether its score changed.

    Returns:
        The fit; None with too few items of either kind, with one divergence for all, or where the two kinds are
        separated so that no slope is steep enough.
    """
    if min(flipped.sum(), (~flipped).sum()) < FEWEST:
        return None
    x = np.log(np.maximum(kl, _SMALLEST))
    middle, spread = float(x.mean()), float(x.std())
    if spread < 1e-9:
        return None
    design = np.stack([np.ones_like(x), (x - middle) / spread], axis=1)
    beta = np.zeros(2)
    for _ in range(_STEPS):
        p = 1.0 / (1.0 + np.exp(-design @ beta))
        information = design.T @ (design * (p * (1.0 - p))[:, None])
        if np.linalg.cond(information) > 1e12:
            return None
        step = np.linalg.solve(information, design.T @ (flipped - p))
        beta = beta + step
        if np.abs(beta).max() > _STEEPEST:
            return None
        if np.abs(step).max() < _CLOSE:
            break
    slope = float(beta[1]) / spread
    error = float(np.sqrt(np.linalg.inv(information)[1, 1])) / spread
    return FlipFit(level=float(beta[0]) - slope * middle, slope=slope, slope_error=error)


def chance(fit: FlipFit, kl: Floats) -> Floats:
    """Return the fitted chance of a flip at some divergences."""
    odds = fit.level + fit.slope * np.log(np.maximum(kl, _SMALLEST))
    found: Floats = 1.0 / (1.0 + np.exp(-odds))
    return found
