"""What stands beside the verdicts: cut replies, smaller token budgets, difficulty tiers, behaviours. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from hydrometer.behaviours.base import Behaviour
from hydrometer.outcomes import Status
from hydrometer.pairing import Scores, answered, cluster_labels, counted
from hydrometer.result import BehaviourResult, BudgetPoint, CutReplies, ItemResult, Reply, TierResult
from hydrometer.stats.bounds import missing_bounds
from hydrometer.stats.estimate import Estimate, Paired
from hydrometer.stats.multiplicity import benjamini_hochberg
from hydrometer.stats.paired import estimate

SMALLEST_BUDGET = 16
"""Tokens of the smallest budget shown; each further one is twice as large."""

SHOWN = 10
"""Items named per behaviour."""


def cut_replies(items: Sequence[ItemResult], *, alpha: float) -> tuple[CutReplies, ...]:
    """Return what the token cap did to each capability with generated replies."""
    return tuple(_cuts(name, own, 1.0 - alpha) for name, own in _by_capability(items))


def budget_points(items: Sequence[ItemResult], *, alpha: float) -> tuple[BudgetPoint, ...]:
    """Return the scores at powers of two below the longest reply, and at the full cap, per capability.

    A model writes the same first tokens whatever its cap, so one reply at the largest budget holds its replies at every
    smaller one: those of at most so many tokens are the same, longer ones would have been cut.
    """
    points = []
    known = [i for i in items if i.base.tokens is not None and i.student.tokens is not None]
    for name, own in _by_capability(known):
        longest = max(reply.tokens or 0 for item in own for reply in (item.base, item.student))
        budgets = [SMALLEST_BUDGET]
        while budgets[-1] < longest:
            budgets.append(2 * budgets[-1])
        for budget in budgets:
            rows = counted(_cut_at(item, budget) for item in own)
            pairs = _paired(rows, [[row.base.value or 0.0, row.student.value or 0.0] for row in rows])
            points.append(
                BudgetPoint(capability=name, tokens=budget, estimate=estimate(pairs, 1.0 - alpha))
            )
    return tuple(points)


def ranking_flips(points: Sequence[BudgetPoint]) -> tuple[tuple[BudgetPoint, BudgetPoint], ...]:
    """Return pairs of budgets between which the better model changes, each difference shown by its own interval."""
    flips = []
    for name in dict.fromkeys(point.capability for point in points):
        own = [point for point in points if point.capability == name]
        up = next((point for point in own if point.estimate.low > 0.0), None)
        down = next((point for point in own if point.estimate.high < 0.0), None)
        if up and down:
            flips.append((up, down) if up.tokens < down.tokens else (down, up))
    return tuple(flips)


def tier_results(items: Sequence[ItemResult], *, alpha: float) -> tuple[TierResult, ...]:
    """Return the scores per difficulty tier of every task that has several, in the order of the tiers' first items."""
    results = []
    for task in dict.fromkeys(item.task for item in items):
        own = [item for item in items if item.task == task]
        tiers = list(dict.fromkeys(item.tier for item in own if item.tier))
        if len(tiers) < 2:
            continue
        for tier in tiers:
            pairs = answered([item for item in own if item.tier == tier])
            results.append(
                TierResult(
                    task=task,
                    capability=own[0].capability,
                    tier=tier,
                    estimate=estimate(pairs, 1.0 - alpha),
                )
            )
    return tuple(results)


def behaviour_results(
    items: Sequence[ItemResult], behaviours: Sequence[Behaviour], *, alpha: float
) -> tuple[BehaviourResult, ...]:
    """Return the behaviours that show on either side, as excess of the student over the base on the same items.

    Replies that never came are left out on both sides.
    """
    usable = [item for item in items if not item.choices and _came(item)]
    found = []
    for behaviour in behaviours:
        shows = [[_shows(r, behaviour.name) for r in (item.base, item.student)] for item in usable]
        if any(base or student for base, student in shows):
            pairs = _paired(usable, shows)
            only = [i.item_id for i, (base, student) in zip(usable, shows, strict=True) if student > base]
            found.append((behaviour, estimate(pairs, 1.0 - alpha), tuple(only[:SHOWN])))
    adjusted = benjamini_hochberg([excess.p_value for _, excess, _ in found])
    results = [
        BehaviourResult(
            behaviour=behaviour.name,
            summary=behaviour.summary,
            version=behaviour.version,
            fault=behaviour.fault,
            excess=excess,
            adjusted_p=float(p),
            items=only,
        )
        for (behaviour, excess, only), p in zip(found, adjusted, strict=True)
    ]
    return tuple(sorted(results, key=lambda result: -result.excess.difference))


def _cuts(name: str, items: Sequence[ItemResult], level: float) -> CutReplies:
    came = [item for item in items if _came(item)]
    cut = [[float(reply.cut) for reply in (item.base, item.student)] for item in came]
    done = [item for item in came if not (item.base.cut or item.student.cut)]
    scores = Scores.of(items)
    no_base, no_student = np.isnan(scores.base), np.isnan(scores.student)
    bounds = missing_bounds(
        scores.answered(),
        level,
        base_alone=scores.base[~no_base & no_student],
        student_alone=scores.student[no_base & ~no_student],
    )
    return CutReplies(
        capability=name,
        hits=estimate(_paired(came, cut), level),
        finished=_finished(counted(done), level),
        worst=bounds.worst,
        best=bounds.best,
        low=bounds.low,
        high=bounds.high,
    )


def _finished(items: Sequence[ItemResult], level: float) -> Estimate | None:
    if not items:
        return None
    return estimate(_paired(items, [[i.base.value or 0.0, i.student.value or 0.0] for i in items]), level)


def _came(item: ItemResult) -> bool:
    """Whether both replies came at all."""
    return Status.ENGINE_ERROR not in (item.base.status, item.student.status)


def _by_capability(items: Sequence[ItemResult]) -> Iterator[tuple[str, list[ItemResult]]]:
    generated = [item for item in items if not item.choices]
    for name in dict.fromkeys(item.capability for item in generated):
        yield name, [item for item in generated if item.capability == name]


def _cut_at(item: ItemResult, budget: int) -> ItemResult:
    """The item had its replies been cut at a budget."""
    base, student = (
        replace(reply, status=Status.GRADED, value=_within(reply, budget)) for reply in (item.base, item.student)
    )
    return replace(item, base=base, student=student)


def _within(reply: Reply, budget: int) -> float:
    """The score of a reply had it been cut at a budget; without a token count there is no telling."""
    if reply.tokens is None or reply.value is None:
        return 0.0
    return reply.value if reply.tokens <= budget else 0.0


def _shows(reply: Reply, behaviour: str) -> float:
    return float(any(sign.partition(":")[0] == behaviour for sign in reply.signs))


def _paired(items: Sequence[ItemResult], values: Sequence[Sequence[float]]) -> Paired:
    scores = np.asarray(values, dtype=np.float64).reshape(-1, 2)
    return Paired(
        base=scores[:, 0],
        student=scores[:, 1],
        clusters=cluster_labels([item.cluster or item.item_id for item in items]),
    )
