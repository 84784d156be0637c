"""The result of an audit: what `hydrometer.audit` returns and every report is made from. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hydrometer.distances import AuditDrift
from hydrometer.files import FilesFound
from hydrometer.items import Decoding, Message
from hydrometer.outcomes import Grade, Status, was_cut
from hydrometer.provenance import Environment, ModelIdentity
from hydrometer.shares import StyleShift, TemplateShares
from hydrometer.spec import AuditSpec
from hydrometer.stats.estimate import Estimate

SCHEMA_VERSION = 1
"""Version of `report.json`; raised whenever a field changes its meaning or goes away."""


class Verdict(StrEnum):
    """What an audit says of a capability, or of the whole."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    NOT_ENOUGH = "not enough evidence"
    INVALID = "invalid"

    @property
    def exit_code(self) -> int:
        """Exit status of the command line for this verdict."""
        return {"worse": 10, "not enough evidence": 11, "invalid": 12}.get(self.value, 0)


class Standing(StrEnum):
    """How an aspect of the two setups compares."""

    EQUAL = "equal"
    DECLARED = "declared difference"
    UNDECLARED = "undeclared difference"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the setup table.

    Attributes:
        aspect: What is compared, one of `spec.ALLOWABLE` where it can be declared.
        base: Value on the base side, as text.
        student: Value on the student side.
        standing: How they compare.
        message: Why it matters and the cure; `""` where there is nothing to say.
    """

    aspect: str
    base: str
    student: str
    standing: Standing
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One model of the pair as it was audited."""

    reference: str
    identity: ModelIdentity
    decoding: Decoding
    sampling_source: str
    asked: int
    reused: int
    seconds: float


class Stopped(StrEnum):
    """Why no more items of a capability were asked."""

    COMPLETE = "complete"
    DECIDED = "decided"
    UNLIKELY = "unlikely"
    BUDGET = "budget"


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How far the items of a capability were asked.

    Attributes:
        planned: Item counts of the planned looks, fixed before the first answer; the last one is all of its items.
        looks: Looks taken.
        stopped: Why it ended: all items asked, the verdict stands, no verdict was to be expected from the rest, or
            the budget was spent.
    """

    planned: tuple[int, ...]
    looks: int
    stopped: Stopped

    def __post_init__(self) -> None:
        """Refuse counts that do not grow and looks that were not planned."""
        steps = zip((0, *self.planned), self.planned, strict=False)
        if not self.planned or any(b <= a for a, b in steps) or not 0 <= self.looks <= len(self.planned):
            msg = f"{self.looks} looks at {self.planned} items: counts must grow, and looks be planned"
            raise ValueError(msg)

    @property
    def items(self) -> int:
        """Items asked."""
        return self.planned[self.looks - 1] if self.looks else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """The base against itself through the same pipeline: what the noise of decoding alone does.

    Attributes:
        estimate: Second pass minus first pass, over items that both answered.
        excess: Share of items on which the student departs from the base, beyond that share of the base from itself;
            None where the student was not asked.
        excess_p: Two-sided mid-p value of "the student departs no more than the base itself does".
    """

    estimate: Estimate
    excess: float | None = None
    excess_p: float | None = None

    @property
    def flips(self) -> int:
        """Items whose score differs between the two passes."""
        return self.estimate.gained + self.estimate.lost


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilityResult:
    """The verdict on one capability.

    Attributes:
        capability: Its name.
        verdict: The verdict.
        material: Whether the difference is shown to exceed the margin, not only zero.
        reason: Why this verdict, one plain sentence without the numbers of the estimate.
        estimate: Over the items that both models answered.
        strict: The same with unanswered items (truncated, unparsed, refused) counted as failed.
        adjusted_p: Two-sided p-value after Holm's correction over the capabilities.
        items_needed: Pairs that would probably settle it (power 80 %), None if it is settled or cannot be said.
        detectable: Smallest difference these pairs can show with power 80 %.
        chance: Mean score of guessing over its items.
        tasks: Tasks behind it.
        course: How far its items were asked; None where the evidence came as a whole.
    """

    capability: str
    verdict: Verdict
    material: bool
    reason: str
    estimate: Estimate
    strict: Estimate
    adjusted_p: float
    items_needed: int | None
    detectable: float
    chance: float
    tasks: tuple[str, ...]
    course: Course | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiency:
    """What the student gets out of its tokens, over the generated items that are asked in every run.

    Attributes:
        ratio: Tokens spent per point scored, student over base; below 1 the student gets more out of a token.
        low: Lower end of its interval.
        high: Upper end.
        n: Items behind it; a reply without an answer spends its tokens and scores nothing.
        noninferior: One-sided p-value against "the student loses the margin or more".
        shorter: The same against "its replies are as long or longer".
        shown: Whether it is shown to be both not worse by the margin and shorter.
    """

    ratio: float
    low: float
    high: float
    n: int
    noninferior: float
    shorter: float
    shown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """One task: its estimate and what became of its items on each side.

    Attributes:
        method: How choices were scored on both sides, `""` for generated replies.
        base_counts: Items by status on the base side; they add up to `items`.
        student_counts: The same for the student.
        alarms: Plain sentences about scores at or below chance, caps hit, nothing parsed.
    """

    task: str
    capability: str
    summary: str
    version: int
    items: int
    chance: float
    method: str
    estimate: Estimate | None
    base_counts: dict[Status, int]
    student_counts: dict[Status, int]
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CutReplies:
    """What the token cap did to the generated replies of a capability.

    Attributes:
        capability: Capability it covers.
        hits: Share of replies that were cut, with the paired interval of the difference.
        finished: Scores over the items whose replies both ended by themselves, unreadable ones as failed; None
            without such an item. It tells premature stopping from honest brevity.
        worst: Difference if every unanswered item spoke against the student.
        best: Difference if every one spoke for it.
        low: Lower end of the interval of the worst case.
        high: Upper end of the interval of the best case.
    """

    capability: str
    hits: Estimate
    finished: Estimate | None
    worst: float
    best: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetPoint:
    """Scores of a capability had every reply been cut after so many tokens, from the replies at the full cap.

    Attributes:
        capability: Capability it covers.
        tokens: The budget.
        estimate: Scores with a cut reply as failed.
    """

    capability: str
    tokens: int
    estimate: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class TierResult:
    """Scores of one difficulty tier of a task, over items that both models answered."""

    task: str
    capability: str
    tier: str
    estimate: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviourResult:
    """How often a behaviour shows on each side, on the same items.

    Attributes:
        behaviour: Its name.
        summary: One line: what it is.
        version: Version of its detector.
        fault: Whether more of it is worse; others are style.
        excess: Shares of replies that show it; the difference is the student's excess over the base.
        adjusted_p: Two-sided p-value of "no excess" after Benjamini-Hochberg over the behaviours.
        items: Items on which it shows on the student's side and not on the base's, at most ten.
    """

    behaviour: str
    summary: str
    version: int
    fault: bool
    excess: Estimate
    adjusted_p: float
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationResult:
    """How stated confidences fit the answers on each side, over items that both answered with one.

    Attributes:
        asked: Items that asked for a confidence.
        base_stated: Of those, items on which the base stated one.
        student_stated: The same for the student.
        n: Items that both models answered with a confidence; what follows is over them.
        base_confidence: Mean stated confidence of the base, in 0..1.
        student_confidence: The same for the student.
        base_right: Share of right answers of the base.
        student_right: The same for the student.
        level: Change of mean(confidence - right) from base to student: above 0 it claims more, relative to what it
            gets right.
        slope: Change of mean((confidence - right) logit confidence): above 0 its confidences are more extreme than
            they earn.
        level_p: Two-sided p-value of "no change of level", after Holm over the two.
        slope_p: The same of the slope.
        level_shown: Whether the change of level is shown.
        slope_shown: The same of the slope.
        brier: Change of the mean squared error of the confidences; below 0 is better.
        brier_p: Two-sided p-value of "no change" of it.
    """

    asked: int
    base_stated: int
    student_stated: int
    n: int
    base_confidence: float
    student_confidence: float
    base_right: float
    student_right: float
    level: float
    slope: float
    level_p: float
    slope_p: float
    level_shown: bool
    slope_shown: bool
    brier: float
    brier_p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DiversityResult:
    """What several samples of a question are worth, over questions of which every sample came on both sides.

    Attributes:
        task: Task that asked them.
        samples: Samples per question, K.
        passes: pass@1 to pass@K: the chance that at least one of so many samples is right.
        added: What further samples add, pass@K minus pass@1. It also shrinks where one sample gets better.
        distinct: Expected share of distinct answers among equally many readable samples of both models.
        added_shown: Whether a change of `added` is shown, after Holm over the two.
        distinct_shown: The same of `distinct`.
    """

    task: str
    samples: int
    passes: tuple[Estimate, ...]
    added: Estimate
    distinct: Estimate
    added_shown: bool
    distinct_shown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPrice:
    """What the replies cost, over generated items that both models finished.

    Attributes:
        capability: Capability it covers, `""` for all together.
        base: Mean tokens per reply of the base, thinking included.
        student: Mean tokens per reply of the student.
        ratio: Geometric mean over items of student tokens / base tokens.
        low: Lower end of its 95 % interval.
        high: Upper end.
        n: Items behind it.
        base_per_correct: Tokens spent per point scored, over all items of the base; None if it scored nothing.
        student_per_correct: The same for the student.
    """

    capability: str
    base: float
    student: float
    ratio: float
    low: float
    high: float
    n: int
    base_per_correct: float | None
    student_per_correct: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One model's reply to one item, graded.

    Attributes:
        key: Key of the completion in the evidence store.
        answer: The reply without thinking; for choices the chosen option.
        thinking: The thinking text, `""` without any.
        think_state: How the think block looked (`none`, `closed`, `empty`, `unclosed`, `orphan`).
        scores: Log-probability of each choice, empty for generated replies.
        signs: Behaviours that show in it, each as `name: what was seen`.
        confidence: How sure it says to be, in 0..1; None where it was not asked or says nothing.
    """

    key: str
    status: Status
    value: float | None
    answer: str
    thinking: str
    think_state: str
    extracted: str
    reason: str
    tokens: int | None
    scores: tuple[float, ...] = ()
    signs: tuple[str, ...] = ()
    confidence: float | None = None

    @property
    def grade(self) -> Grade:
        """The grader's finding."""
        return Grade(status=self.status, value=self.value, extracted=self.extracted, reason=self.reason)

    @property
    def cut(self) -> bool:
        """Whether the token cap ended it."""
        return was_cut(self.grade)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemResult:
    """One item with both replies side by side.

    Attributes:
        cluster: Items that share it are not independent; `""` is its own.
        together: Items of its cluster if they count only together, as one pair; 0 where the item counts by itself.
        asks_confidence: Whether the models were asked how sure they are.
        sampled: Whether its cluster holds samples of one question, together right if any is; else if all are.
    """

    item_id: str
    task: str
    capability: str
    tier: str
    messages: tuple[Message, ...]
    choices: tuple[str, ...]
    expected: Any
    base: Reply
    student: Reply
    cluster: str = ""
    together: int = 0
    asks_confidence: bool = False
    sampled: bool = False

    @property
    def change(self) -> str:
        """`gained`, `lost`, `same`, or `unanswered` where either side has no score."""
        if self.base.value is None or self.student.value is None:
            return "unanswered"
        if self.base.value == self.student.value:
            return "same"
        return "gained" if self.student.value > self.base.value else "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult:
    """Everything an audit found.

    Attributes:
        schema_version: Version of this structure as JSON.
        created: Start of the audit, ISO 8601 in UTC.
        spec: What was asked, as resolved.
        verdict: The overall verdict.
        headline: The verdict in one sentence.
        base: The base as audited.
        student: The student as audited.
        findings: The setups compared.
        capabilities: Verdict per capability, empty if the setup was invalid.
        tasks: Results per task.
        tokens: Token price, over all first, then per capability.
        items: Every item with both replies.
        environment: Machine and packages.
        evidence: Path of the evidence store, relative to the audit's folder.
        seconds: Wall time of the audit.
        efficiency: Tokens per point scored, and whether the student is both not worse and shorter; None without
            generated replies.
        core: Difference over all capabilities with equal weights, from the items up to each one's first look, which
            are always asked: a mean over capabilities that stopped early would be biased.
        floor: The base against itself, where that was asked for.
        cuts: What the token cap did, per capability with generated replies.
        budgets: Scores at smaller token budgets, per capability with generated replies.
        tiers: Scores per difficulty tier.
        behaviours: Behaviours that show on either side, largest excess first.
        calibration: How stated confidences fit the answers, where they were asked for.
        diversity: What several samples of a question are worth, per task that asks so.
        template_shares: Weights and chat template told apart, where that was asked for: over the whole panel first.
        swapped: The items of that panel, each model under the other's template.
        style: How far the student moved towards its teacher, in style and in ability, where a teacher was given.
        taught: The generated items with the teacher's reply in the place of the student's.
        files: What the files of both models say, read before anything was asked; None where that was not wanted.
        drift: What each model thinks of both models' replies, token by token; None where that was not asked for.
    """

    schema_version: int
    created: str
    spec: AuditSpec
    verdict: Verdict
    headline: str
    base: Side
    student: Side
    findings: tuple[Finding, ...]
    capabilities: tuple[CapabilityResult, ...]
    tasks: tuple[TaskResult, ...]
    tokens: tuple[TokenPrice, ...]
    items: tuple[ItemResult, ...]
    environment: Environment
    evidence: str
    seconds: float
    core: Estimate | None = None
    efficiency: Efficiency | None = None
    floor: Floor | None = None
    cuts: tuple[CutReplies, ...] = ()
    budgets: tuple[BudgetPoint, ...] = ()
    tiers: tuple[TierResult, ...] = ()
    behaviours: tuple[BehaviourResult, ...] = ()
    calibration: CalibrationResult | None = None
    diversity: tuple[DiversityResult, ...] = ()
    template_shares: tuple[TemplateShares, ...] = ()
    swapped: tuple[ItemResult, ...] = ()
    style: StyleShift | None = None
    taught: tuple[ItemResult, ...] = ()
    files: FilesFound | None = None
    drift: AuditDrift | None = None

    @property
    def exit_code(self) -> int:
        """Exit status of the command line."""
        return self.verdict.exit_code
