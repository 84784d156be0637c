"""What counts as seen: conditions on the result of an audit, each on what the report itself says."""

from __future__ import annotations

from collections.abc import Callable

from hydrometer.facets import ranking_flips
from hydrometer.result import AuditResult, CapabilityResult, Verdict

Seen = Callable[[AuditResult], bool]
"""Whether an audit shows a fault."""

SURE = 0.05
"""Largest adjusted p-value of a behaviour that a reader takes as shown."""


def verdict(capability: str, wanted: Verdict) -> Seen:
    """Return whether a capability gets this verdict."""
    return lambda result: capability_of(result, capability).verdict is wanted


def worse(capability: str) -> Seen:
    """Return whether a capability is worse."""
    return verdict(capability, Verdict.WORSE)


def only_worse(capability: str) -> Seen:
    """Return whether one capability is worse, and no other one is."""

    def seen(result: AuditResult) -> bool:
        return [r.capability for r in result.capabilities if r.verdict is Verdict.WORSE] == [capability]

    return seen


def behaviour(*names: str) -> Seen:
    """Return whether every one of these behaviours shows more often on the student's side."""

    def seen(result: AuditResult) -> bool:
        found = {row.behaviour: row for row in result.behaviours}
        return all(
            name in found and found[name].excess.difference > 0.0 and found[name].adjusted_p <= SURE
            for name in names
        )

    return seen


def behaviour_lost(name: str) -> Seen:
    """Return whether a behaviour shows less often on the student's side."""

    def seen(result: AuditResult) -> bool:
        found = {row.behaviour: row for row in result.behaviours}
        return name in found and found[name].excess.difference < 0.0 and found[name].adjusted_p <= SURE

    return seen


def every(*conditions: Seen) -> Seen:
    """Return whether all of these are seen."""
    return lambda result: all(condition(result) for condition in conditions)


def longer(result: AuditResult) -> bool:
    """Whether longer replies are shown, over all capabilities."""
    return result.tokens[0].low > 1.0


def dearer_points(result: AuditResult) -> bool:
    """Whether more tokens per point scored are shown."""
    return result.efficiency is not None and result.efficiency.low > 1.0


def thriftier(result: AuditResult) -> bool:
    """Whether the student is shown to be shorter and not worse."""
    return result.efficiency is not None and result.efficiency.shown


def shorter(result: AuditResult) -> bool:
    """Whether shorter replies are shown, over all capabilities."""
    return result.tokens[0].high < 1.0


def worse_where_finished(result: AuditResult) -> bool:
    """Whether a loss is shown among the items that both models finished."""
    return any(cut.finished is not None and cut.finished.high < 0.0 for cut in result.cuts)


def more_cut(result: AuditResult) -> bool:
    """Whether the student is shown to run into the cap more often."""
    return any(cut.hits.low > 0.0 for cut in result.cuts)


def flips(result: AuditResult) -> bool:
    """Whether the better model is shown to depend on the budget."""
    return bool(ranking_flips(result.budgets))


def alarm(words: str) -> Seen:
    """Return whether a task's alarm says this of the student."""

    def seen(result: AuditResult) -> bool:
        return any("student" in line and words in line for task in result.tasks for line in task.alarms)

    return seen


def invalid_for(aspect: str) -> Seen:
    """Return whether the set-ups are called not comparable because of an aspect."""

    def seen(result: AuditResult) -> bool:
        wrong = [f.aspect for f in result.findings if f.standing.value == "undeclared difference"]
        return result.verdict is Verdict.INVALID and aspect in wrong

    return seen


def tier_lost(tier: str) -> Seen:
    """Return whether a loss is shown on a tier, by its interval."""
    return lambda result: any(row.tier == tier and row.estimate.high < 0.0 for row in result.tiers)


def share_of(*names: str) -> Seen:
    """Return whether exactly these shares of a difference are shown, of weights, template and interaction."""

    def seen(result: AuditResult) -> bool:
        whole = result.template_shares[0]
        return {n for n in ("weights", "template", "interaction") if getattr(whole, n).shown} == set(names)

    return seen


def claims_more(result: AuditResult) -> bool:
    """Whether the student is shown to claim more than it gets right, next to the base."""
    found = result.calibration
    return found is not None and found.level_shown and found.level > 0.0


def less_varied(result: AuditResult) -> bool:
    """Whether several samples are shown to add less, and to be more alike."""
    return any(
        row.added_shown
        and row.added.difference < 0.0
        and row.distinct_shown
        and row.distinct.difference < 0.0
        for row in result.diversity
    )


def churned(result: AuditResult) -> bool:
    """Whether the student departs from the base on more items than the base from itself, without being worse."""
    floor = result.floor
    verdicts = [row.verdict for row in result.capabilities]
    return (
        floor is not None
        and floor.excess is not None
        and floor.excess_p is not None
        and floor.excess > 0.0
        and floor.excess_p <= SURE
        and Verdict.WORSE not in verdicts
    )


def trap(result: AuditResult) -> bool:
    """Whether the student is said to have taken the teacher's style and not its ability."""
    return result.style is not None and result.style.trap


def only_lost(result: AuditResult) -> bool:
    """Whether the student is worse, and solves nothing that the base does not."""
    rows = result.capabilities
    return any(row.verdict is Verdict.WORSE for row in rows) and not any(row.estimate.gained for row in rows)


def capability_of(result: AuditResult, name: str) -> CapabilityResult:
    """Return the result of a capability.

    Raises:
        KeyError: It was not judged.
    """
    return next(row for row in result.capabilities if row.capability == name)
