"""How much of a student's gain stands on items it may have seen: found against clean, public against fresh twins.

Both differences are of the paired kind: the base answered the same items, so that easier items cancel as far as they
are easier for both. Both speak of what the student *gained over its base*: a base that knew the items hides it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.special import stdtr, stdtrit

from hydrometer.result import AuditResult, ItemResult
from hydrometer.stats.clusters import FEWEST, cluster_interval, cluster_tests
from hydrometer.stats.estimate import Floats

LEVEL = 0.95

_V = TypeVar("_V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inflation:
    """How much larger the student's difference to the base is on items that it may have seen.

    Attributes:
        capability: Where, `""` for all items together.
        seen: Student minus base on the items it may have seen; None where there is none that both answered.
        fresh: The same on the others.
        n_seen: Items that both models answered, of the first kind.
        n_fresh: The same of the second kind.
        inflation: `seen` minus `fresh`; None without both.
        low: Lower end of its 95 % interval.
        high: Upper end.
        p_value: One-sided p-value against "no inflation".
        method: How, in words.
    """

    capability: str
    seen: float | None
    fresh: float | None
    n_seen: int
    n_fresh: int
    inflation: float | None
    low: float | None
    high: float | None
    p_value: float | None
    method: str


def by_overlap(result: AuditResult, found: Collection[str]) -> tuple[Inflation, ...]:
    """Compare items that stand in the training data with the others, per capability and over all.

    Items of one capability are taken as independent. The interval is Welch's, with one gain and one loss added to
    each side so that a side without a flip does not claim to be exact.
    """
    sides: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for item in result.items:
        difference = _difference(item)
        if difference is not None:
            for name in (item.capability, ""):
                sides[name][item.item_id in found].append(difference)
    return tuple(_welch(name, np.array(seen), np.array(clean)) for name, (clean, seen) in _all_first(sides))


def by_twins(public: AuditResult, fresh: Sequence[AuditResult]) -> tuple[Inflation, ...]:
    """Compare items of a public seed with twins that were drawn afresh by the same generators.

    Twin of the k-th item of a task and tier is the k-th item of that task and tier in each of the fresh audits. Items
    count by their cluster.
    """
    twins: dict[tuple[str, str, int], list[float | None]] = defaultdict(list)
    same = {item.item_id for item in public.items}
    for audit in fresh:
        for place, item in _places(audit.items):
            # The same question again is no twin.
            twins[place].append(None if item.item_id in same else _difference(item))
    rows: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for place, item in _places(public.items):
        mine, theirs = _difference(item), [d for d in twins[place] if d is not None]
        if mine is not None and theirs:
            for name in (item.capability, ""):
                rows[name].append((mine, float(np.mean(theirs)), item.cluster or item.item_id))
    return tuple(of_pairs(name, values) for name, values in _all_first(rows))


def of_pairs(name: str, rows: Sequence[tuple[float, float, str]]) -> Inflation:
    """Return the inflation over items with twins.

    Args:
        name: Capability, `""` for all.
        rows: Per item the student's difference to its base on it, the mean of that on its twins, and its cluster.
    """
    seen, twin = (np.array([row[i] for row in rows], dtype=np.float64) for i in (0, 1))
    clusters = np.unique([row[2] for row in rows], return_inverse=True)[1]
    # The difference of two differences lies in -2..2; the tests know -1..1.
    half = (seen - twin) / 2.0
    count = np.unique(clusters).size
    method = "cluster-robust t" if count >= FEWEST else f"{count} clusters, fewer than {FEWEST}: nothing can be shown"
    low, high = cluster_interval(half, clusters, LEVEL)
    return Inflation(
        capability=name,
        seen=float(seen.mean()),
        fresh=float(twin.mean()),
        n_seen=seen.size,
        n_fresh=twin.size,
        inflation=float(2.0 * half.mean()),
        low=2.0 * low,
        high=2.0 * high,
        p_value=float(cluster_tests(half, clusters, [0.0])[0][0]),
        method=f"public minus twin, {method}",
    )


def _welch(name: str, seen: Floats, clean: Floats) -> Inflation:
    means = [float(side.mean()) if side.size else None for side in (seen, clean)]
    base = Inflation(
        capability=name, seen=means[0], fresh=means[1], n_seen=seen.size, n_fresh=clean.size,
        inflation=None, low=None, high=None, p_value=None, method="too few items on one side",
    )  # fmt: skip
    if min(seen.size, clean.size) < 2 or means[0] is None or means[1] is None:
        return base
    padded = [float(np.var(np.append(side, [1.0, -1.0]), ddof=1)) / side.size for side in (seen, clean)]
    error = float(np.sqrt(sum(padded)))
    freedom = sum(padded) ** 2 / sum(v**2 / (side.size - 1) for v, side in zip(padded, (seen, clean), strict=True))
    inflation = means[0] - means[1]
    reach = float(stdtrit(freedom, 0.5 + LEVEL / 2.0)) * error
    return Inflation(
        capability=name, seen=means[0], fresh=means[1], n_seen=seen.size, n_fresh=clean.size,
        inflation=inflation, low=max(-2.0, inflation - reach), high=min(2.0, inflation + reach),
        p_value=float(stdtr(freedom, -inflation / error)), method="found minus clean, Welch's t",
    )  # fmt: skip


def _difference(item: ItemResult) -> float | None:
    """Student minus base; None where either has no score."""
    if item.base.value is None or item.student.value is None:
        return None
    return item.student.value - item.base.value


def _places(items: Iterable[ItemResult]) -> list[tuple[tuple[str, str, int], ItemResult]]:
    count: dict[tuple[str, str], int] = defaultdict(int)
    placed = []
    for item in items:
        placed.append(((item.task, item.tier, count[item.task, item.tier]), item))
        count[item.task, item.tier] += 1
    return placed


def _all_first(rows: dict[str, _V]) -> list[tuple[str, _V]]:
    return sorted(rows.items())
