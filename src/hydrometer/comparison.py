"""Compares two logs that exist already: pairs their items on content, and judges like an audit.

A score that is missing on one side is in no estimate; it is counted, the verdict must hold with it counted as
failed, and the bounds show how far it could move the difference either way. A log does not say whose fault a
missing score is, so errors of the harness count as missing as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hydrometer.errors import UnknownNameError, UsageError
from hydrometer.logs.base import UNNAMED, Log, LogError, Scale, Tally, TaskLog
from hydrometer.logs.setups import ALLOWABLE, compare_setups
from hydrometer.result import CapabilityResult, Finding, Verdict
from hydrometer.stats.estimate import Paired
from hydrometer.stats.paired import mcnemar_exact
from hydrometer.verdict import CapabilityTable, headline, judge, overall, pairs_for_margin

SCHEMA_VERSION = 1
"""Version of the JSON object; raised whenever a field changes its meaning or goes away."""

ITEMS = "these items"
"""Name of the only capability where no log names a task."""

LARGEST_TABLE = 10_000_000
"""Pairs of a published table that are still taken; beyond it a count is a slip of the keyboard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSide:
    """One side of a comparison.

    Attributes:
        source: Where it was read from, as given.
        kind: Harness or form of the log.
        model: Name of the model, `""` if the log does not say.
        items: Items in it, over the tasks that were compared or are without partner.
    """

    source: str
    kind: str
    model: str
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilityComparison:
    """The comparison on one task or capability.

    Attributes:
        result: Estimate and verdict, as in an audit; `chance` is 0 because no log states it.
        measure: What was scored, such as `acc, filter none`.
        exact_p: Two-sided exact p-value of McNemar's test, None for fractional scores. The mid-p value is
            `result.estimate.p_value`.
        size_resolved: Whether the interval lies beyond the margin, or equivalence within it is shown.
        pairs_for_margin: Pairs that would probably show equivalence within the margin if the models did not differ,
            at this rate of flips (power 80 %); None where that many are there already.
        lowest: Difference with every missing score counted against the student.
        highest: Difference with every missing score counted for the student.
        only_base: Items without a partner in the student's log.
        only_student: Items without a partner in the base's log.
        missing_base: Why scores of the base are missing, with their number; epochs count one by one.
        missing_student: The same for the student.
    """

    result: CapabilityResult
    measure: str
    exact_p: float | None
    size_resolved: bool
    pairs_for_margin: int | None
    lowest: float
    highest: float
    only_base: int
    only_student: int
    missing_base: dict[str, int]
    missing_student: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonResult:
    """Everything a comparison found; as JSON it has exactly these fields.

    Attributes:
        schema_version: Version of this structure.
        verdict: The overall verdict.
        headline: The verdict in one sentence.
        base: The base's log.
        student: The student's log.
        margin: Largest difference that still counts as equivalent, as a share of the score range.
        alpha: Error rate, as in an audit.
        worst_score: Score of a failure in the logs.
        best_score: Score of a full success; all numbers here are shares of the way from `worst_score` to it.
        findings: Differences in the setup that the logs show.
        capabilities: One entry per task or capability, all of them one family for Holm's correction.
    """

    schema_version: int
    verdict: Verdict
    headline: str
    base: LogSide
    student: LogSide
    margin: float
    alpha: float
    worst_score: float
    best_score: float
    findings: tuple[Finding, ...]
    capabilities: tuple[CapabilityComparison, ...]

    @property
    def exit_code(self) -> int:
        """Exit status of the command line."""
        return self.verdict.exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    """One task, paired."""

    measure: str
    table: CapabilityTable
    lowest: float = 0.0
    highest: float = 0.0
    only_base: int = 0
    only_student: int = 0
    missing_base: Mapping[str, int]
    missing_student: Mapping[str, int]


def compare_logs(
    base: Log,
    student: Log,
    *,
    margin: float = 0.03,
    alpha: float = 0.05,
    scale: Scale | None = None,
    allow: Sequence[str] = (),
) -> ComparisonResult:
    """Compare two logs.

    Args:
        base: The log of the plain model.
        student: The log of the model made from it.
        margin: Largest difference that still counts as equivalent, as a share of the score range.
        alpha: Two-sided error rate of `better` and `worse`, one-sided of each equivalence test.
        scale: The range that both logs were read with.
        allow: Differences in the setup that are meant, of `logs.setups.ALLOWABLE`.

    Raises:
        LogError: The logs have no item in common, or one task was scored by different measures.
        UsageError: A value is out of its range.
    """
    _check(margin, alpha, allow)
    left, right = _align(base, student)
    common = [name for name in left if name in right]
    if not any(left[name].items.keys() & right[name].items.keys() for name in common):
        raise LogError(_nothing_in_common(base, student, left, right))
    findings, invalid = compare_setups(left, right, models=(base.model, student.model), allow=allow)
    evidence = {name or ITEMS: _pair(name or ITEMS, left[name], right[name]) for name in common}
    sides = tuple(LogSide(source=s.source, kind=s.kind, model=s.model, items=s.size) for s in (base, student))
    return _conclude(
        evidence, sides[0], sides[1], findings, invalid, margin=margin, alpha=alpha, scale=scale or Scale()
    )


def compare_counts(
    both: int, student_only: int, base_only: int, neither: int, *, margin: float = 0.03, alpha: float = 0.05
) -> ComparisonResult:
    """Compare two models from a published table of right and wrong.

    Args:
        both: Items that both models solve.
        student_only: Items that only the student solves.
        base_only: Items that only the base solves.
        neither: Items that neither solves.
        margin: See `compare_logs`.
        alpha: See `compare_logs`.

    Raises:
        LogError: The counts are no table.
        UsageError: A value is out of its range.
    """
    _check(margin, alpha, ())
    cells = (both, student_only, base_only, neither)
    if min(cells) < 0 or not 0 < sum(cells) <= LARGEST_TABLE:
        shown = " ".join(map(str, cells))
        msg = f"table {shown}: must be four counts, none negative, of 1 to {LARGEST_TABLE:,} items together"
        raise LogError(msg)
    pairs = Paired(
        base=np.repeat([1.0, 0.0, 1.0, 0.0], cells),
        student=np.repeat([1.0, 1.0, 0.0, 0.0], cells),
    )
    table = CapabilityTable(answered=pairs, strict=pairs, chance=0.0, tasks=(ITEMS,))
    difference = (student_only - base_only) / sum(cells)
    evidence = _Evidence(
        measure="right or wrong",
        table=table,
        lowest=difference,
        highest=difference,
        missing_base={},
        missing_student={},
    )
    side = LogSide(source="--table", kind="counts", model="", items=sum(cells))
    return _conclude({ITEMS: evidence}, side, side, (), (), margin=margin, alpha=alpha, scale=Scale())


def _check(margin: float, alpha: float, allow: Sequence[str]) -> None:
    if not 0.0 < margin < 1.0:
        msg = f"margin == {margin}, must lie between 0 and 1 (0.03 is 3 points)"
        raise UsageError(msg)
    if not 0.0 < alpha <= 0.5:
        msg = f"alpha == {alpha}, must lie in (0, 0.5]"
        raise UsageError(msg)
    for name in allow:
        if name not in ALLOWABLE:
            raise UnknownNameError.among("difference to allow", name, ALLOWABLE)


def _align(base: Log, student: Log) -> tuple[dict[str, TaskLog], dict[str, TaskLog]]:
    """Give a task without a name that of the only task on the other side."""
    left, right = dict(base.tasks), dict(student.tasks)
    if base.kind != student.kind:
        msg = (
            f"{base.source} is a log of kind {base.kind}, {student.source} of kind {student.kind}: "
            "items pair within one kind only"
        )
        raise LogError(msg)
    for mine, other in ((left, right), (right, left)):
        if len(mine) == len(other) == 1 and UNNAMED in mine:
            mine[next(iter(other))] = mine.pop(UNNAMED)
    return left, right


def _nothing_in_common(
    base: Log, student: Log, left: Mapping[str, TaskLog], right: Mapping[str, TaskLog]
) -> str:
    tasks = [", ".join(name or "without a name" for name in sorted(side)) for side in (left, right)]
    same = f"both hold {tasks[0]}" if tasks[0] == tasks[1] else f"tasks {tasks[0]} against {tasks[1]}"
    return (
        f"{base.source} and {student.source} have no item in common ({same}): "
        "both models must have been asked the same questions"
    )


def _pair(name: str, left: TaskLog, right: TaskLog) -> _Evidence:
    if left.measure != right.measure:
        msg = f"task {name!r} is scored by {left.measure!r} in the base's log, by {right.measure!r} in the student's"
        raise LogError(msg)
    keys = [key for key in left.items if key in right.items]
    pairs = [(left.items[key], right.items[key]) for key in keys]
    low, high = (_means(pairs, which) for which in ("lowest", "highest"))
    table = CapabilityTable(
        answered=_answered(pairs),
        strict=Paired(base=low[0], student=low[1]),
        chance=0.0,
        tasks=(name,),
    )
    return _Evidence(
        measure=left.measure,
        table=table,
        lowest=float((low[1] - high[0]).mean()) if keys else 0.0,
        highest=float((high[1] - low[0]).mean()) if keys else 0.0,
        only_base=len(left.items) - len(keys),
        only_student=len(right.items) - len(keys),
        missing_base=dict(left.notes),
        missing_student=dict(right.notes),
    )


def _means(pairs: Sequence[tuple[Tally, Tally]], which: str) -> tuple[np.ndarray, np.ndarray]:
    sides = np.array([[getattr(tally, which) for tally in pair] for pair in pairs], dtype=np.float64)
    sides = sides.reshape(-1, 2)
    return sides[:, 0], sides[:, 1]


def _answered(pairs: Iterable[tuple[Tally, Tally]]) -> Paired:
    means = [(b.mean, s.mean) for b, s in pairs]
    both = [(b, s) for b, s in means if b is not None and s is not None]
    return Paired(
        base=np.array([b for b, _ in both], dtype=np.float64),
        student=np.array([s for _, s in both], dtype=np.float64),
        missing_base=sum(b is None and s is not None for b, s in means),
        missing_student=sum(b is not None and s is None for b, s in means),
        missing_both=sum(b is None and s is None for b, s in means),
    )


def _conclude(
    evidence: Mapping[str, _Evidence],
    base: LogSide,
    student: LogSide,
    findings: tuple[Finding, ...],
    invalid: Collection[str],
    *,
    margin: float,
    alpha: float,
    scale: Scale,
) -> ComparisonResult:
    results = judge({name: found.table for name, found in evidence.items()}, margin=margin, alpha=alpha)
    results = tuple(_void(result) if result.capability in invalid else result for result in results)
    labels = (base.model, student.model)
    # Two equal names would read as a comparison of a model with itself.
    base_label, student_label = (
        labels if all(labels) and len(set(labels)) == 2 else ("the base", "the student")
    )
    sentence = headline(results, base_label, student_label)
    if overall(results) is Verdict.INVALID:
        sentence = "The two logs were not made alike, so no verdict is given."
    return ComparisonResult(
        schema_version=SCHEMA_VERSION,
        verdict=overall(results),
        headline=sentence.replace("the student", "The student", 1)
        if sentence.startswith("the ")
        else sentence,
        base=base,
        student=student,
        margin=margin,
        alpha=alpha,
        worst_score=scale.worst,
        best_score=scale.best,
        findings=findings,
        capabilities=tuple(
            _describe(result, evidence[result.capability], margin, alpha) for result in results
        ),
    )


def _void(result: CapabilityResult) -> CapabilityResult:
    return replace(
        result,
        verdict=Verdict.INVALID,
        material=False,
        reason="the two logs were not made alike",
        items_needed=None,
    )


def _describe(
    result: CapabilityResult, found: _Evidence, margin: float, alpha: float
) -> CapabilityComparison:
    pairs, seen = found.table.answered, result.estimate
    resolved = result.material or result.verdict is Verdict.EQUIVALENT
    return CapabilityComparison(
        result=result,
        measure=found.measure,
        exact_p=float(mcnemar_exact(seen.gained, seen.lost)) if pairs.binary else None,
        size_resolved=resolved,
        pairs_for_margin=None if resolved else pairs_for_margin(pairs, margin, alpha),
        lowest=found.lowest,
        highest=found.highest,
        only_base=found.only_base,
        only_student=found.only_student,
        missing_base=dict(found.missing_base),
        missing_student=dict(found.missing_student),
    )
