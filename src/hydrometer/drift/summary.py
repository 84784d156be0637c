"""From tokens to numbers: means with errors clustered by document, quantiles, the best single temperature."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize_scalar
from scipy.special import stdtrit

from hydrometer.distances import QUANTILES, Distance, Mean
from hydrometer.drift.result import Heat
from hydrometer.stats.clusters import cluster_error
from hydrometer.stats.estimate import Floats, Ints
from hydrometer.stats.tokens import BETAS, TokenDrift

LARGE = 1.0


def distance(name: str, tokens: TokenDrift, documents: Ints) -> Distance:
    """Sum up some tokens.

    Args:
        name: What they belong to.
        tokens: The tokens, at least one.
        documents: Number of the document of each.
    """
    return Distance(
        name=name,
        tokens=len(tokens.kl),
        documents=int(np.unique(documents).size),
        kl=mean(tokens.kl, documents),
        reverse=mean(tokens.reverse, documents),
        change=mean(tokens.change, documents),
        same=mean(tokens.same, documents),
        overlap=mean(tokens.overlap, documents),
        large=mean((tokens.kl > LARGE).astype(np.float64), documents),
        quantiles=tuple(float(q) for q in np.quantile(tokens.kl, QUANTILES)),
        gap=_gap(tokens, documents),
    )


def _gap(tokens: TokenDrift, documents: Ints) -> Mean | None:
    """What a lower bound lacks, over the tokens where that is known; None for exact divergences, or where none is."""
    known = ~np.isnan(tokens.gap)
    return mean(tokens.gap[known], documents[known]) if tokens.rest.any() and known.any() else None


def mean(values: Floats, documents: Ints) -> Mean:
    """Return a mean over tokens with its 95 % interval by document: tokens of one text are not independent."""
    found = cluster_error(values, documents)
    if not np.isfinite(found.error):
        return Mean(value=found.mean, low=None, high=None)
    reach = float(stdtrit(found.freedom, 0.975)) * found.error
    return Mean(value=found.mean, low=found.mean - reach, high=found.mean + reach)


def heat(heated: NDArray[np.float64]) -> Heat | None:
    """Find the temperature of the student at which it lies nearest to the base, between those that were tried.

    The divergence is convex in the inverse temperature, so that a smooth curve through its means has one lowest point.
    """
    tried = heated[~np.isnan(heated).any(axis=1)]
    if not len(tried):
        return None
    means = tried.mean(axis=0)
    curve = CubicSpline(np.log(BETAS), means)
    found = minimize_scalar(curve, bounds=(np.log(BETAS[0]), np.log(BETAS[-1])), method="bounded")
    before = float(means[BETAS.index(1.0)])
    after = min(before, max(float(curve(found.x)), 0.0))
    return Heat(temperature=float(np.exp(-found.x)), before=max(before, 0.0), after=after, tokens=len(tried))
