"""Looking at evidence while it grows: the four tests, the interval and the outlook at planned looks.

A look is a number of asked items, fixed before the first answer. Every test is latched: once rejected at a look, it
stays rejected, which the repeated p-value (its running minimum) expresses. With a single look everything is the
test of fixed size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri

from hydrometer.stats.estimate import Estimate, Floats, Paired
from hydrometer.stats.margin import FourTests, prefix_tests
from hydrometer.stats.paired import estimate
from hydrometer.stats.sequential import boundaries, one_sided_repeated_p


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """The looks taken so far, of all that were planned.

    Attributes:
        times: Share of the planned items asked at every planned look, increasing, the last one 1.
        cuts: Pairs at hand at each look taken so far, in order; missing answers make them fewer than the items.
    """

    times: tuple[float, ...]
    cuts: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse looks that were not planned."""
        if not 1 <= len(self.cuts) <= len(self.times):
            msg = f"{len(self.cuts)} looks were taken of {len(self.times)} planned: at least one, at most all"
            raise ValueError(msg)

    @classmethod
    def single(cls, n: int) -> Looks:
        """One look at the end: a test of fixed size."""
        return cls(times=(1.0,), cuts=(n,))

    @property
    def last(self) -> bool:
        """Whether the last planned look was taken."""
        return len(self.cuts) == len(self.times)


def repeated_tests(paired: Paired, looks: Looks, margin: float) -> FourTests:
    """Return the four tests as repeated p-values: valid after any number of the planned looks.

    Args:
        paired: Scores of both models, in the order in which they were asked.
        looks: The looks taken.
        margin: Largest difference that still counts as equivalent, between 0 and 1.
    """
    better, worse, above, below = (float(p) for p in repeated_p_values(paired, looks, margin)[-1])
    return FourTests(better=better, worse=worse, above_lower=above, below_upper=below)


def repeated_p_values(paired: Paired, looks: Looks, margin: float) -> Floats:
    """Return the four tests as they stood after each look, shape (looks, 4); arguments as for `repeated_tests`."""
    return latched(prefix_tests(paired, looks.cuts, margin), looks.times)


def latched(p: Floats, times: tuple[float, ...]) -> Floats:
    """Return repeated p-values of tests in one direction.

    Args:
        p: Their p-values at each look taken, were it the only one; shape (..., looks, tests).
        times: Share of the planned items at every planned look.

    Returns:
        The same shape; never larger at a later look.
    """
    if len(times) == 1:
        return p
    # -ndtri(p) keeps the digits of a small p that 1 - p would lose.
    z = -ndtri(np.clip(p, 1e-300, 1.0 - 1e-16))
    return np.swapaxes(one_sided_repeated_p(np.swapaxes(z, -1, -2), times), -1, -2)


def repeated_estimate(paired: Paired, looks: Looks, alpha: float) -> Estimate:
    """Return the estimate with the repeated confidence interval of the last look taken.

    All looks' intervals together cover the true difference with probability of at least 1 - alpha, so the one shown
    may be the one at which somebody chose to stop. Source: Jennison & Turnbull (1989), Journal of the Royal Statistical
    Society B 51:305-361.
    """
    if len(looks.times) == 1:
        return estimate(paired, 1.0 - alpha)
    critical = float(boundaries(looks.times, alpha)[len(looks.cuts) - 1])
    found = estimate(paired, 2.0 * float(ndtr(critical)) - 1.0)
    return replace(found, level=1.0 - alpha, method=f"{found.method}, repeated over looks")


def chance_of_verdict(paired: Paired, looks: Looks, margin: float, alpha: float) -> float:
    """Return the predicted probability that the last planned look finds a difference or equivalence.

    The mean of all planned pairs, given those at hand, is taken as normal around the mean so far; variances have the
    two pseudo-units of `plus_two_z`, so that a first look without flips does not promise too much. It serves to stop
    what will stay open; stopping so never adds a false verdict. Without a pair there is no saying, and it is 1.
    """
    if looks.last:
        return 0.0
    n = looks.cuts[-1]
    if not n:
        return 1.0
    total = n / looks.times[len(looks.cuts) - 1]
    differences = paired.differences[:n]
    variance = (float(np.square(differences).sum()) + 2.0) / (n + 2.0)
    mean = float(differences.sum()) / (n + 2.0)
    final_error = np.sqrt(variance / total)
    step = np.sqrt(variance * max(1.0 / n - 1.0 / total, 1e-12))
    differs = float(boundaries(looks.times, alpha)[-1]) * final_error
    inside = margin - float(boundaries(looks.times, 2.0 * alpha)[-1]) * final_error
    below, above = ndtr((np.array([-differs, differs]) - mean) / step)
    chance = below + 1.0 - above
    if inside > 0.0:
        reach = min(inside, differs)  # beyond `differs` it was counted above
        low, high = ndtr((np.array([-reach, reach]) - mean) / step)
        chance += high - low
    return float(chance)
