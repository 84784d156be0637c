"""Planning: how many pairs a claim needs, and what a number of pairs can show.

`discordance` is the share of pairs on which the models differ ("flips"); for fractional scores it is the mean
squared difference. It is an assumption or a pilot value. Never plan on an observed difference: that only restates
the p-value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, gammaln, ndtri, xlog1py, xlogy

from hydrometer.stats.paired import mcnemar_exact, mcnemar_midp, tango_z

SEQUENTIAL_INFLATION = 1.09
"""Largest number of pairs of 20 looks that spend alpha t^2, over a test of fixed size with the same power."""

_HALVINGS = 60
_TAIL = 9.0
"""Standard deviations of the number of flips that enumeration goes to; beyond lies less than 1e-15."""


def pairs_for_difference(
    difference: float, discordance: float, *, power: float = 0.8, alpha: float = 0.05
) -> int:
    """Return the pairs needed to show a true difference with a two-sided test at `alpha`.

    A difference cannot exceed the share of flips; a smaller `discordance` is raised to it (all flips one way).

    Source: Connor (1987), Biometrics 43:207-211.
    """
    size = abs(difference)
    _check(size, "difference")
    return math.ceil(_connor(size, _share(discordance), power, alpha))


def detectable_difference(n: int, discordance: float, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """Return the smallest true difference that `n` pairs show with this power; 1 where none is large enough.

    The inverse of `pairs_for_difference` without its rounding. Where the answer would exceed `discordance` it is
    the difference at which all flips go one way.
    """
    share = _share(discordance)
    if _connor(1.0, share, power, alpha) > n:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if _connor(middle, share, power, alpha) > n:
            low = middle
        else:
            high = middle
    return high


def pairs_for_equivalence(
    margin: float, discordance: float, *, power: float = 0.8, alpha: float = 0.05
) -> int:
    """Return the pairs needed to show equivalence within `margin` when the models do not differ.

    Never fewer than Tango's test needs to reject without a single flip: no flip in few pairs shows little.
    Two one-sided tests at `alpha` each, both of which must reject:
    n = (z(1-alpha) + z((1+power)/2))^2 psi / margin^2.

    Source: Schuirmann (1987), Journal of Pharmacokinetics and Biopharmaceutics 15:657-680, with psi as variance.
    """
    _check(margin, "margin")
    spread = _quantile(1.0 - alpha) + _quantile(0.5 + power / 2.0)
    return math.ceil(max(spread**2 * _share(discordance) / margin**2, _flipless(margin, alpha)))


def pairs_for_noninferiority(
    margin: float, discordance: float, *, power: float = 0.8, alpha: float = 0.05
) -> int:
    """Return the pairs needed to show "not worse by the margin" when the models do not differ.

    One one-sided test: n = (z(1-alpha) + z(power))^2 psi / margin^2, with the floor of `pairs_for_equivalence`.
    """
    _check(margin, "margin")
    spread = _quantile(1.0 - alpha) + _quantile(power)
    return math.ceil(max(spread**2 * _share(discordance) / margin**2, _flipless(margin, alpha)))


def exact_power(
    n: int, difference: float, discordance: float, alpha: float = 0.05, *, midp: bool = True
) -> float:
    """Return the exact power of McNemar's two-sided test, summed over all numbers of flips.

    Given k flips, those gained are Binomial(k, (discordance + difference) / (2 discordance)); k is Binomial(n,
    discordance). At a difference of 0 it is the size of the test.

    Args:
        n: Pairs.
        difference: True difference, student minus base, between -discordance and discordance.
        discordance: Share of pairs on which the models differ.
        alpha: Two-sided level.
        midp: The mid-p test; otherwise the exact conditional one.
    """
    flips, chance, gain = _flips(n, difference, discordance)
    test = mcnemar_midp if midp else mcnemar_exact
    # The largest number of rarer flips that still rejects; -1 where none does.
    most = _last(lambda rarer: test(rarer, flips - rarer) <= alpha, flips // 2)
    reject = np.where(most < 0, 0.0, sum(bdtr(np.maximum(most, 0), flips, p) for p in (gain, 1.0 - gain)))
    return float((chance * reject).sum())


def exact_noninferiority_power(
    n: int, margin: float, discordance: float, alpha: float = 0.05, *, difference: float = 0.0
) -> float:
    """Return the exact power of Tango's one-sided test of "worse by the margin or more".

    Args:
        n: Pairs.
        margin: Largest loss that is accepted.
        discordance: Share of pairs on which the models differ.
        alpha: One-sided level.
        difference: True difference, student minus base.
    """
    _check(margin, "margin")
    flips, chance, gain = _flips(n, difference, discordance)
    critical = float(ndtri(1.0 - alpha))
    most = _last(lambda lost: tango_z(flips - lost, lost, n, -margin) >= critical, flips)
    reject = np.where(most < 0, 0.0, bdtr(np.maximum(most, 0), flips, 1.0 - gain))
    return float((chance * reject).sum())


def pairs_for_difference_exact(
    difference: float, discordance: float, *, power: float = 0.8, alpha: float = 0.05
) -> int:
    """Return the pairs at which the exact power of the mid-p test passes `power`; one pair fewer falls short.

    Close to `pairs_for_difference`, which asks for a few more where few pairs flip. The exact power climbs in tiny
    saw teeth, so that a slightly smaller number may pass too.
    """
    share = max(_share(discordance), abs(difference))
    guess = pairs_for_difference(difference, discordance, power=power, alpha=alpha)
    low, high = 0, guess
    while exact_power(high, difference, share, alpha) < power:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if exact_power(middle, difference, share, alpha) >= power:
            high = middle
        else:
            low = middle
    return high


def inflated(
    pairs: int,
    *,
    design_effect: float = 1.0,
    sequential: bool = False,
    capabilities: int = 1,
    power: float = 0.8,
    alpha: float = 0.05,
) -> int:
    """Return the pairs of one capability after everything that costs some.

    Args:
        pairs: Pairs needed by one test of fixed size on independent pairs.
        design_effect: Variance by cluster over that of independent pairs.
        sequential: Whether 20 looks are taken on the way, see `SEQUENTIAL_INFLATION`.
        capabilities: Number of capabilities that Holm's correction covers, the first of which must pass alpha / k.
        power: Power that `pairs` was planned for.
        alpha: Two-sided level that `pairs` was planned for.
    """
    if design_effect <= 0.0 or capabilities < 1:
        msg = f"design effect {design_effect} must be above 0, capabilities {capabilities} at least 1"
        raise ValueError(msg)
    reach = _quantile(power)
    split = (_quantile(1.0 - alpha / (2.0 * capabilities)) + reach) / (_quantile(1.0 - alpha / 2.0) + reach)
    return math.ceil(pairs * design_effect * split**2 * (SEQUENTIAL_INFLATION if sequential else 1.0))


def _flips(
    n: int, difference: float, discordance: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
    """Numbers of flips that may occur, their probabilities, and the chance that a flip is a gain."""
    share = _share(discordance)
    if n < 0 or abs(difference) > share:
        msg = f"difference {difference} cannot exceed the discordance {discordance}, nor n {n} be below 0"
        raise ValueError(msg)
    mean, reach = n * share, _TAIL * math.sqrt(n * share * (1.0 - share)) + _TAIL
    flips = np.arange(max(0, math.floor(mean - reach)), min(n, math.ceil(mean + reach)) + 1)
    ways = gammaln(n + 1.0) - gammaln(flips + 1.0) - gammaln(n - flips + 1.0)
    chance = np.exp(ways + xlogy(flips, share) + xlog1py(n - flips, -share))
    return flips, chance, 0.5 + difference / (2.0 * share) if share else 0.5


def _last(
    holds: Callable[[NDArray[np.int64]], NDArray[np.bool_]], largest: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Largest whole number per entry, up to `largest`, at which `holds` is true: true from 0 on, then false."""
    low, high = np.full(largest.shape, -1), largest + 1
    while np.any(high - low > 1):
        middle = np.clip((low + high) // 2, 0, largest)
        yes = holds(middle)
        low, high = np.where(yes, middle, low), np.where(yes, high, middle)
    return low


def _flipless(margin: float, alpha: float) -> float:
    """Pairs at which a table without flips rejects a margin: by Tango's z, and by the binomial tail (1 - margin)^n."""
    by_score = _quantile(1.0 - alpha) ** 2 * (1.0 - margin) / margin
    return max(by_score, math.log(alpha) / math.log1p(-margin) if margin < 1.0 else 1.0)


def _connor(difference: float, discordance: float, power: float, alpha: float) -> float:
    if difference <= 0.0:
        return math.inf
    share = max(discordance, difference)
    under_null = _quantile(1.0 - alpha / 2.0) * math.sqrt(share)
    under_truth = _quantile(power) * math.sqrt(share - difference**2)
    return ((under_null + under_truth) / difference) ** 2


def _quantile(probability: float) -> float:
    return NormalDist().inv_cdf(probability)


def _check(value: float, name: str) -> None:
    if not 0.0 < value <= 1.0:
        msg = f"{name} {value} must lie above 0 and up to 1 (0.03 is 3 points)"
        raise ValueError(msg)


def _share(discordance: float) -> float:
    if not 0.0 <= discordance <= 1.0:
        msg = f"discordance {discordance} must lie in 0..1: it is a share of pairs"
        raise ValueError(msg)
    return discordance
