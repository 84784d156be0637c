"""Planning: how many pairs a claim needs, and what a number of pairs can show.

`discordance` is the share of pairs on which the models differ ("flips"); for fractional scores it is the mean
squared difference. It is an assumption or a pilot value. Never plan on an observed difference: that only restates
the p-value.
"""

from __future__ import annotations

import math
from statistics import NormalDist

_HALVINGS = 60


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


def _flipless(margin: float, alpha: float) -> float:
    """Pairs at which Tango's z of a table without flips, -sqrt(n margin / (1 - margin)), reaches its limit."""
    return _quantile(1.0 - alpha) ** 2 * (1.0 - margin) / margin


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
