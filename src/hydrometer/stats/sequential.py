"""Group-sequential monitoring: when to look, how far a statistic must be out by then, and what a look is worth as p.

Looking at the data again and again with a fixed critical value finds a difference where there is none in a third of
all audits. Here every look has its own critical value, so that the chance of ever crossing one stays at alpha.

What is guaranteed, for statistics that are standard normal under the null with independent increments:

- Two-sided level: the chance that some |z_k| reaches c_k is alpha over all planned looks together, and at most
  alpha for any part of them. A look that is left out spends nothing and is not made up for: leaving looks out, or
  stopping early for whatever reason, is conservative.
- A repeated p-value may be read at any look and be corrected for several capabilities (Holm) like any other.

What is not:

- The looks have to be fixed before the data, in items of the capability itself. Choosing the next look by the
  difference seen so far breaks the level; choosing it by the data of other capabilities does not.
- Items after the last planned look spend nothing and prove nothing: plan a larger maximum, or judge new items alone.
- The level is that of the limit. The statistics of `stats.paired` are discrete at few items, hence a first look
  not before 30 of them.

Sources: Lan & DeMets (1983), Biometrika 70:659-663, for spending; Kim & DeMets (1987), Biometrika 74:149-154, for
the power family alpha t^rho, here with rho = 2; Armitage, McPherson & Rowe (1969), JRSS A 132:235-244, for the
recursive integration; Jennison & Turnbull (1989), JRSS B 51:305-361, for repeated p-values.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from hydrometer.stats.estimate import Floats

SPENDING_EXPONENT = 2.0
"""Rho of the spending alpha t^rho: bold enough for early verdicts, at about 9 % more items for the same power."""

LEAST_LEVEL = 1e-30
"""Smallest level that is worked out after the first look; smaller p-values are reported as this one."""

_LEAST_GAP = 1e-5
"""Looks closer than this share of the later one would need too fine a grid."""

_RULE = np.polynomial.legendre.leggauss(32)
_PANEL_WIDTH = 16.0
"""Width of one panel of 32 Gauss-Legendre nodes, in standard deviations of the narrowest thing integrated."""

_BEND = 0.1
"""Up to about this u the levels of a table are even in u, from there on in log u."""

_CHUNK = 1_000_000
"""Kernel entries held at once."""


FIRST_LOOK = 30
"""Items before the first look; below them the normal limit is not to be trusted."""


def look_counts(n: int, *, looks: int = 20, first: int = FIRST_LOOK, block: int = 15) -> tuple[int, ...]:
    """Return the item counts at which to look, strictly increasing, the last one `n`; empty without items.

    They are the multiples of n / looks, rounded, as far as they leave room: the first not before `first`, at least
    `block` items between two, and at least half a block before the last one, which may thus come a little sooner.

    Args:
        n: Items planned.
        looks: Most looks.
        first: Items before the first look.
        block: Items that are asked together.
    """
    if n < 0 or looks < 1 or first < 1 or block < 1:
        msg = f"n {n}, looks {looks}, first {first}, block {block}: n must be 0 or more, the others 1 or more"
        raise ValueError(msg)
    counts: list[int] = []
    for k in range(1, looks):
        count = (2 * k * n + looks) // (2 * looks)
        soonest = counts[-1] + block if counts else first
        if count >= soonest and 2 * (n - count) >= block:
            counts.append(count)
    return (*counts, n) if n else ()


def boundaries(times: Sequence[float], alpha: float = 0.05) -> Floats:
    """Return the critical values c_k of |z_k|, shape (k,): the chance to have crossed by t_k is alpha t_k^2.

    A single look at t = 1 has the ordinary two-sided critical value. The result is kept and read-only.

    Args:
        times: Share of the planned items at each look, strictly increasing in 0..1.
        alpha: Two-sided level over all looks; a one-sided test at level a takes 2a.
    """
    if not LEAST_LEVEL <= alpha <= 1.0:
        msg = f"alpha {alpha} must lie in {LEAST_LEVEL:g}..1"
        raise ValueError(msg)
    return _boundaries(tuple(times), float(alpha))


def repeated_p(z: ArrayLike, times: tuple[float, ...]) -> Floats:
    """Return the two-sided repeated p-value after each look: the smallest alpha whose boundaries were crossed by then.

    It never rises from look to look. At the first look it is 2 Phi(-|z|) / t^2, exact; so for a single look at t = 1
    it is the ordinary p-value. Later ones come from a table that is built once for every `times`; they agree with
    a search over `boundaries` to a relative 1e-6, and those below `LEAST_LEVEL` are given as that.

    Args:
        z: Statistics so far, shape (..., k) with k <= len(times); NaN where no look was made.
        times: Share of the planned items at each planned look.
    """
    planned = _checked(times)
    values = np.abs(np.asarray(z, dtype=np.float64))
    if values.ndim == 0 or values.shape[-1] > len(planned):
        msg = f"z of shape {values.shape} for {len(planned)} planned looks: the last axis must be the looks so far"
        raise ValueError(msg)
    levels = np.empty_like(values)
    for look in range(values.shape[-1]):
        at = values[..., look]
        levels[..., look] = _first_level(at, planned[0]) if look == 0 else _level(at, _table(planned), look)
    # A look that was not made says nothing; the minimum latches what an earlier look has shown.
    running: Floats = np.minimum.accumulate(np.where(np.isnan(values), 1.0, levels), axis=-1)
    return running


def one_sided_repeated_p(z: ArrayLike, times: tuple[float, ...]) -> Floats:
    """Return the one-sided repeated p-value after each look; positive z speaks against the null.

    Half the two-sided level that the positive part of z reaches: a one-sided test at 5 % uses the two-sided bounds
    of 10 %. Where no level is reached, which z <= 0 never does, it is 1. A single look at t = 1 gives Phi(-z)
    exactly, on both sides.

    The two-sided family counts each path once, so those that first leave downwards and still cross the upper bound
    later are not counted. At 20 even looks they add 0.000001 to a one-sided level of 5 %, 0.00001 to 10 %, 0.0004
    to 25 % and 0.03 to 50 %.

    Args:
        z: Statistics so far, shape (..., k) with k <= len(times); NaN where no look was made.
        times: Share of the planned items at each planned look.
    """
    values = np.asarray(z, dtype=np.float64)
    level = repeated_p(np.maximum(values, 0.0), times)
    if tuple(times) == (1.0,):
        return np.where(np.isnan(values), 1.0, np.maximum(ndtr(-values), np.finfo(np.float64).tiny))
    return np.where(level < 1.0, level / 2.0, 1.0)


def _checked(times: Sequence[float]) -> tuple[float, ...]:
    """Refuse what is not a plan of looks."""
    planned = tuple(float(t) for t in times)
    earlier = (0.0, *planned[:-1])
    if not planned or not all(t - s > _LEAST_GAP * t for s, t in zip(earlier, planned, strict=True)):
        msg = f"times {planned}: must be strictly increasing shares of the items, above 0, not almost equal"
        raise ValueError(msg)
    if planned[-1] > 1.0:
        msg = f"times {planned}: the last look cannot come after all planned items, at 1"
        raise ValueError(msg)
    return planned


@lru_cache(maxsize=256)
def _boundaries(times: tuple[float, ...], alpha: float) -> Floats:
    planned = _checked(times)
    spent = alpha * np.power(planned, SPENDING_EXPONENT)
    bounds: Floats = _critical_values(planned, spent[None, :])[0]
    bounds.setflags(write=False)
    return bounds


def _critical_values(times: Sequence[float], spent: Floats) -> Floats:
    """Return critical values for any spending, by recursive integration over the paths not yet out.

    z_k sqrt(t_k) is Brownian motion at t_k. Its density within the bounds is an entire function between them, so
    Gauss-Legendre nodes that resolve the narrowest step give all digits, far into the tails.

    Args:
        times: Share of the planned items at each look, shape (k,).
        spent: Chance of having crossed by each look, shape (plans, k), increasing along the looks.
    """
    t = np.asarray(times, dtype=np.float64)
    gaps = np.diff(t, prepend=0.0)
    steps = np.diff(spent, axis=-1, prepend=0.0)
    bounds = np.empty_like(spent)
    bounds[:, 0] = -ndtri(steps[:, 0] / 2.0) * np.sqrt(t[0])
    nodes, mass = np.zeros((len(spent), 1)), np.full((len(spent), 1), 0.5)
    for look in range(1, t.size):
        # As wide as the step that made this density, and as what the next step picks out of it.
        scale = np.sqrt(min(gaps[look - 1], t[look - 1] * gaps[look] / t[look]))
        fresh, weights = _grid(bounds[:, look - 1], float(scale))
        mass = weights * _density(fresh, nodes, mass, float(np.sqrt(gaps[look - 1])))
        nodes, deviation = fresh, float(np.sqrt(gaps[look]))
        # No bound needs to be further out than without earlier looks, nor further from the last one than this.
        far = -ndtri(steps[:, look] / 2.0)
        start = np.minimum(far * np.sqrt(t[look]), bounds[:, look - 1] + far * deviation)
        bounds[:, look] = _crossing(nodes, mass, deviation, steps[:, look], start)
    critical: Floats = bounds / np.sqrt(t)
    return critical


def _grid(bounds: Floats, scale: float) -> tuple[Floats, Floats]:
    """Nodes and weights between 0 and each bound, shapes (plans, nodes); the other half is its mirror image."""
    panels = max(1, int(np.ceil(float(bounds.max()) / (_PANEL_WIDTH * scale))))
    x, w = _RULE
    unit = ((np.arange(panels)[:, None] + 0.5 + x / 2.0) / panels).ravel()
    return bounds[:, None] * unit, bounds[:, None] * np.tile(w / (2.0 * panels), panels)


def _density(at: Floats, nodes: Floats, mass: Floats, deviation: float) -> Floats:
    """Density one step later, of mass at the nodes and at their mirror images."""
    out: Floats = np.empty_like(at)
    chunk = max(1, _CHUNK // (at.shape[1] * nodes.shape[1]))
    for i in range(0, len(at), chunk):
        rows = slice(i, i + chunk)
        x, y = at[rows, :, None] / deviation, nodes[rows, None, :] / deviation
        kernel = np.exp(-0.5 * (x - y) ** 2) + np.exp(-0.5 * (x + y) ** 2)
        out[rows] = (kernel @ mass[rows, :, None])[..., 0]
    out /= deviation * np.sqrt(2.0 * np.pi)
    return out


def _crossing(nodes: Floats, mass: Floats, deviation: float, steps: Floats, start: Floats) -> Floats:
    """Bounds that the next step crosses with these chances.

    Newton's method on the logarithm of the chance. That is concave, as the tail of a log-concave density, so from a
    start beyond the root every step goes towards it and none goes past it.
    """
    bound = start
    for _ in range(100):
        above, below = (nodes - bound[:, None]) / deviation, (nodes + bound[:, None]) / deviation
        chance = 2.0 * np.sum(mass * (ndtr(above) + ndtr(-below)), axis=1)
        peaks = np.exp(-0.5 * above**2) + np.exp(-0.5 * below**2)
        slope = 2.0 * np.sum(mass * peaks, axis=1) / (deviation * np.sqrt(2.0 * np.pi))
        # At alpha = 1 the last bound is 0, and rounding would push below it.
        moved = np.maximum(0.0, bound + np.log(chance / steps) * chance / slope)
        done = np.abs(moved - bound).max() <= 1e-12 * deviation
        bound = moved
        if done:
            break
    return bound


class _Table(NamedTuple):
    """Boundaries over a grid of levels alpha = 2 Phi(-u).

    Attributes:
        u: Shape (levels,), from alpha = 1 at 0 to `LEAST_LEVEL`.
        bounds: Critical values, shape (looks, levels), rising with u.
        slopes: Derivative of u after the critical value, shape (looks, levels).
    """

    u: Floats
    bounds: Floats
    slopes: Floats


@lru_cache(maxsize=512)
def _table(times: tuple[float, ...]) -> _Table:
    """Tabulate the boundaries. In u and z the curves are almost straight, so few levels give many digits."""
    # Dense near 0: they bend most near alpha = 1, where little is left within the bounds at the last looks.
    even = np.linspace(0.0, np.arcsinh(-ndtri(LEAST_LEVEL / 2.0) / _BEND), 145)
    u = _BEND * np.sinh(even)
    alphas = 2.0 * ndtr(-u)
    bounds = _critical_values(times, alphas[:, None] * np.power(times, SPENDING_EXPONENT)).T
    rises = bounds @ _differences(u.size).T / (even[1] - even[0])
    return _Table(u=u, bounds=bounds, slopes=_BEND * np.cosh(even) / rises)


def _differences(size: int) -> Floats:
    """Matrix of five-point differences on an even grid of step 1, one-sided at the ends."""
    matrix = np.zeros((size, size))
    for i in range(2, size - 2):
        matrix[i, i - 2 : i + 3] = np.array([1.0, -8.0, 0.0, 8.0, -1.0]) / 12.0
    ends = np.array([[-25.0, 48.0, -36.0, 16.0, -3.0], [-3.0, -10.0, 18.0, -6.0, 1.0]]) / 12.0
    matrix[:2, :5] = ends
    matrix[-2:, -5:] = -ends[::-1, ::-1]
    return matrix


def _first_level(z: Floats, time: float) -> Floats:
    """Level that |z| at the first look reaches."""
    level: Floats = np.clip(2.0 * ndtr(-z) / time**SPENDING_EXPONENT, np.finfo(np.float64).tiny, 1.0)
    return level


def _level(z: Floats, table: _Table, look: int) -> Floats:
    """Level that |z| at a later look reaches: cubic Hermite interpolation of u."""
    bounds, slopes, u = table.bounds[look], table.slopes[look], table.u
    left = np.clip(np.searchsorted(bounds, z, side="right") - 1, 0, u.size - 2)
    width = bounds[left + 1] - bounds[left]
    x = np.clip((z - bounds[left]) / width, 0.0, 1.0)
    ends = u[left] * (1.0 + 2.0 * x) * (1.0 - x) ** 2 + u[left + 1] * x**2 * (3.0 - 2.0 * x)
    tilts = slopes[left] * x * (1.0 - x) ** 2 - slopes[left + 1] * x**2 * (1.0 - x)
    level: Floats = np.clip(2.0 * ndtr(-(ends + width * tilts)), LEAST_LEVEL, 1.0)
    return level
