"""From paired tables to verdicts: better, worse, equivalent, or not enough evidence, per capability and overall.

Error rates: where the models do not differ, `better` or `worse` is said of any capability with probability of at
most alpha (Holm); where they differ by the margin, `equivalent` with at most alpha. A verdict must hold both over
the items that both models answered and with unanswered items counted as failed: one that hangs on this choice is
not enough evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hydrometer.result import AuditResult, CapabilityResult, Verdict
from hydrometer.stats.estimate import Estimate, Paired
from hydrometer.stats.margin import FourTests
from hydrometer.stats.monitor import Looks, repeated_estimate, repeated_tests
from hydrometer.stats.multiplicity import holm
from hydrometer.stats.power import detectable_difference, pairs_for_equivalence

POWER = 0.8
"""Power behind `items_needed` and `detectable`."""

_WORDS = {
    Verdict.WORSE: ("worse than {base}", "worse"),
    Verdict.BETTER: ("better than {base}", "better"),
    Verdict.EQUIVALENT: ("equivalent to {base} within the margin", "equivalent within the margin"),
    Verdict.NOT_ENOUGH: ("", "not enough evidence yet"),
}
"""Order and words of the headline: as its first clause, and as a later one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilityTable:
    """The evidence on one capability.

    Attributes:
        answered: Items that both models answered.
        strict: All of those, and the items that either left unanswered (cut, unreadable, refused) with score 0
            there; engine errors and invalid items are in neither table.
        chance: Mean score of guessing.
        tasks: Tasks behind it.
        answered_looks: Looks taken at `answered` while it grew; None for a single one at the end.
        strict_looks: The same looks at `strict`.
        margin_floor: Smallest margin that the noise of decoding allows; a smaller one gives no equivalence.
    """

    answered: Paired
    strict: Paired
    chance: float
    tasks: tuple[str, ...]
    answered_looks: Looks | None = None
    strict_looks: Looks | None = None
    margin_floor: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a strict table that leaves answered items out, and looks that do not end with the table."""
        if self.strict.n < self.answered.n:
            msg = f"strict has {self.strict.n} pairs, answered {self.answered.n}: it must hold all of them"
            raise ValueError(msg)
        for looks, pairs in ((self.answered_looks, self.answered), (self.strict_looks, self.strict)):
            if looks is not None and looks.cuts[-1] != pairs.n:
                msg = f"the last look was at {looks.cuts[-1]} pairs of {pairs.n}: it must be at all of them"
                raise ValueError(msg)

    @property
    def unanswered(self) -> int:
        """Items that at least one model left unanswered."""
        return self.strict.n - self.answered.n


class Decision(NamedTuple):
    """What the tests of one table say.

    Attributes:
        verdict: The verdict.
        real: Whether a difference from zero is shown, after Holm.
        alone: Whether a difference is shown only without Holm.
        adjusted_p: Two-sided p-value of no difference, after Holm.
    """

    verdict: Verdict
    real: bool
    alone: bool
    adjusted_p: float


class _Finding(NamedTuple):
    """What one table alone says."""

    decision: Decision
    estimate: Estimate
    margin: float

    @property
    def verdict(self) -> Verdict:
        return self.decision.verdict

    @property
    def material(self) -> bool:
        """Whether the whole interval lies beyond the margin."""
        if self.verdict is Verdict.WORSE:
            return self.estimate.high < -self.margin
        return self.verdict is Verdict.BETTER and self.estimate.low > self.margin


def judge(
    tables: Mapping[str, CapabilityTable], *, margin: float, alpha: float
) -> tuple[CapabilityResult, ...]:
    """Judge every capability.

    Args:
        tables: The evidence per capability; the number of them enters Holm's correction.
        margin: Largest difference that still counts as equivalent, fixed before the results are known.
        alpha: Two-sided error rate of `better` and `worse`, one-sided of each of the two equivalence tests.
    """
    answered = _look([(t.answered, t.answered_looks) for t in tables.values()], margin, alpha)
    strict = _look([(t.strict, t.strict_looks) for t in tables.values()], margin, alpha)
    return tuple(
        _settle(name, table, seen, counted, margin, alpha)
        for (name, table), seen, counted in zip(tables.items(), answered, strict, strict=True)
    )


def pairs_for_margin(pairs: Paired, margin: float, alpha: float) -> int | None:
    """Return the pairs that would probably show equivalence if there is no difference; None where there is no saying.

    Planned on the flips, never on the observed difference. With that many pairs at hand already, the truth is probably
    near the margin.
    """
    if not pairs.n:
        return None
    planned = pairs_for_equivalence(margin, _discordance(pairs), power=POWER, alpha=alpha)
    return planned if planned > pairs.n else None


GATES = ("worse", "not-enough", "changed")
"""What `--fail-on` can name."""


def gate(result: AuditResult, fail_on: str) -> int:
    """Return the exit status of an audit that stands as a gate: 0 unless what it guards against was found.

    Args:
        result: What an audit found.
        fail_on: `worse`: a capability is worse (10). `not-enough`: that, or nothing is settled (11). `changed`: a
            capability is worse or better (10). A setup that is not comparable fails every gate (12).
    """
    found = {row.verdict for row in result.capabilities}
    if result.verdict is Verdict.INVALID:
        return Verdict.INVALID.exit_code
    if Verdict.WORSE in found or (fail_on == "changed" and Verdict.BETTER in found):
        return Verdict.WORSE.exit_code
    return result.verdict.exit_code if fail_on == "not-enough" else 0


def overall(results: Sequence[CapabilityResult]) -> Verdict:
    """Return the verdict on the whole: one loss decides it, one open question keeps it open."""
    verdicts = {result.verdict for result in results}
    for verdict in (Verdict.INVALID, Verdict.WORSE, Verdict.NOT_ENOUGH, Verdict.BETTER, Verdict.EQUIVALENT):
        if verdict in verdicts:
            return verdict
    return Verdict.NOT_ENOUGH


def headline(results: Sequence[CapabilityResult], base_label: str, student_label: str) -> str:
    """Return the verdicts in one sentence for a reader who knows no statistics."""
    clauses: list[str] = []
    for verdict, words in _WORDS.items():
        names = [result.capability.replace("_", " ") for result in results if result.verdict is verdict]
        if not names:
            continue
        where = _join(names) if verdict in (Verdict.WORSE, Verdict.BETTER) else _count(names, len(results))
        if verdict is Verdict.NOT_ENOUGH and not clauses:
            return f"Not enough evidence yet to tell {student_label} from {base_label} in {where}."
        # The base is named once; repeated, it would only lengthen the sentence.
        clauses.append(f"{words[1] if clauses else words[0].format(base=base_label)} in {where}")
    if not clauses:
        return f"Nothing was compared between {student_label} and {base_label}."
    return f"{student_label} is {'; '.join(clauses)}."


def decide(tests: Sequence[FourTests], alpha: float) -> list[Decision]:
    """Decide every capability of a family from its four tests; Holm's correction covers them all."""
    adjusted = holm([test.two_sided for test in tests])
    return [_decide(test, float(p), alpha) for test, p in zip(tests, adjusted, strict=True)]


def _decide(tests: FourTests, adjusted_p: float, alpha: float) -> Decision:
    real = adjusted_p <= alpha
    if tests.inside <= alpha:
        # Before the difference from zero: a real difference below the margin is one that does not matter.
        verdict = Verdict.EQUIVALENT
    elif real:
        verdict = Verdict.WORSE if tests.worse < tests.better else Verdict.BETTER
    else:
        verdict = Verdict.NOT_ENOUGH
    return Decision(verdict, real, tests.two_sided <= alpha < adjusted_p, adjusted_p)


def _look(tables: Sequence[tuple[Paired, Looks | None]], margin: float, alpha: float) -> list[_Finding]:
    """Judge one table per capability, all of them one family for Holm."""
    pairs = [(paired, looks or Looks.single(paired.n)) for paired, looks in tables]
    decisions = decide([repeated_tests(paired, looks, margin) for paired, looks in pairs], alpha)
    return [
        _Finding(decision, repeated_estimate(paired, looks, alpha), margin)
        for (paired, looks), decision in zip(pairs, decisions, strict=True)
    ]


def _settle(
    name: str, table: CapabilityTable, seen: _Finding, counted: _Finding, margin: float, alpha: float
) -> CapabilityResult:
    """Join what both tables say; where they disagree, the verdict would be a choice and not a finding."""
    agreed = seen.verdict is counted.verdict
    pairs = table.answered
    verdict = seen.verdict if agreed else Verdict.NOT_ENOUGH
    noisy = verdict is Verdict.EQUIVALENT and margin < table.margin_floor
    if noisy:
        verdict = Verdict.NOT_ENOUGH
    material = agreed and seen.material and counted.material
    still_open = agreed and not noisy and verdict is Verdict.NOT_ENOUGH
    return CapabilityResult(
        capability=name,
        verdict=verdict,
        material=material,
        reason=_too_small(table) if noisy else _reason(table, seen, agreed=agreed, material=material),
        estimate=seen.estimate,
        strict=counted.estimate,
        adjusted_p=seen.decision.adjusted_p,
        items_needed=pairs_for_margin(pairs, margin, alpha) if still_open else None,
        detectable=detectable_difference(pairs.n, _discordance(pairs), power=POWER, alpha=alpha),
        chance=table.chance,
        tasks=table.tasks,
    )


def _discordance(pairs: Paired) -> float:
    """Mean squared difference, with half a flip each way added."""
    return (float((pairs.differences**2).sum()) + 1.0) / (pairs.n + 2.0)


def _too_small(table: CapabilityTable) -> str:
    return (
        f"the margin lies below the noise of decoding, which allows {100 * table.margin_floor:.1f} points "
        "with this many items"
    )


def _reason(table: CapabilityTable, seen: _Finding, *, agreed: bool, material: bool) -> str:
    if not table.answered.n:
        return "no item was answered by both models"
    if not agreed:
        if not table.unanswered:
            # Holm's correction looks at all capabilities, so those of another one can tip this one.
            return "depends on how the unanswered items of other capabilities count"
        one = table.unanswered == 1
        return f"depends on how the {table.unanswered} unanswered item{' counts' if one else 's count'}"
    if seen.verdict is Verdict.EQUIVALENT:
        return (
            "equivalent (real but smaller than the margin)"
            if seen.decision.real
            else "no difference beyond the margin"
        )
    if seen.verdict is not Verdict.NOT_ENOUGH:
        size = "by more than the margin" if material else "but not shown to be by more than the margin"
        return f"{seen.verdict.value}, {size}"
    if seen.decision.alone:
        return "a difference shows here alone, but not after correction for the number of capabilities"
    return "neither a difference nor equivalence within the margin is shown"


def _join(names: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _count(names: Sequence[str], total: int) -> str:
    if len(names) == 1:
        return names[0]
    return f"all {total} capabilities" if len(names) == total else f"{len(names)} of {total} capabilities"
