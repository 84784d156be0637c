"""The one view behind every face of a report: all strings and numbers as they are shown, in their order.

A face chooses which of them it shows and how they look; it formats nothing itself, so the terminal and the page
cannot disagree. `report.build.build_view` makes it.
"""

from __future__ import annotations

from dataclasses import dataclass

from hydrometer.report.claims_view import ClaimsView
from hydrometer.report.drawing import Drawing
from hydrometer.report.drift_pieces import DriftView, ItemSurprise
from hydrometer.report.files_view import FilesView
from hydrometer.report.plot import Plot
from hydrometer.report.price_view import PriceChart


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """A verdict as a word with a symbol, so that it reads without colour.

    Attributes:
        kind: Name for style sheets: `better`, `worse`, `equivalent`, `not-enough`, `invalid`.
        label: The word.
        symbol: A symbol of one column.
        ascii: The same for terminals without Unicode.
    """

    kind: str
    label: str
    symbol: str
    ascii: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A labelled value."""

    label: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilityRow:
    """One capability.

    Attributes:
        name: Its name, as shown.
        key: Its name, as data.
        base: Score of the base in percent.
        student: Score of the student in percent.
        difference: Student minus base in points.
        interval: Interval of the difference.
        pairs: Number of pairs.
        flips: Pairs gained and lost, such as `+4/-11`.
        unanswered_base: Items the base left unanswered.
        unanswered_student: The same for the student.
        sentence: The finding in plain words.
        reason: Why this verdict.
        details: Further figures: p-value, strict estimate, detectable difference, chance, tasks, method.
    """

    name: str
    key: str
    badge: Badge
    base: str
    student: str
    difference: str
    interval: str
    pairs: str
    flips: str
    unanswered_base: str
    unanswered_student: str
    sentence: str
    reason: str
    details: tuple[Fact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """Accuracy and token price of one capability, or of all together."""

    name: str
    overall: bool
    base_score: str
    student_score: str
    base_tokens: str
    student_tokens: str
    ratio: str
    pairs: str
    base_per_point: str
    student_per_point: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CutRow:
    """What the token cap did to one capability; `many` where a short report should say so."""

    name: str
    sentence: str
    many: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartRow:
    """One budget or tier in numbers."""

    label: str
    base: str
    student: str
    difference: str
    interval: str
    pairs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Scores of both models over budgets or tiers.

    Attributes:
        title: Capability or task.
        rows: The same in numbers, points that cannot be drawn among them.
    """

    title: str
    drawing: Drawing
    rows: tuple[ChartRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviourRow:
    """One behaviour.

    Attributes:
        name: Its name, as shown.
        key: Its name as one word, as items carry it.
        base: Percent of the base's replies that show it.
        student: The same for the student.
        excess: Student minus base in points.
        p: Adjusted p-value.
        kind: `fault` or `style`.
        shown: Whether the interval excludes zero.
        tone: How the excess is coloured: `worse` or `better` for a fault, `equivalent` for style, `quiet` if not shown.
        change: The same in words with a symbol.
        sentence: The finding in one line.
        anchors: Items that show it on the student's side only.
    """

    name: str
    key: str
    summary: str
    base: str
    student: str
    excess: str
    interval: str
    pairs: str
    p: str
    kind: str
    shown: bool
    tone: str
    change: str
    sentence: str
    anchors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareRow:
    """Weights and chat template told apart, on one capability or all.

    Attributes:
        counted: Which items count: answered in all four cells, or all with unanswered ones as failed.
        cells: Scores of base and student, each under the base's and the student's template, in that order.
        shares: The whole difference, then the shares of weights, template and interaction: label, size, interval and
            whether it is shown.
    """

    name: str
    counted: str
    items: str
    cells: tuple[str, ...]
    shares: tuple[tuple[str, str, str, bool], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleView:
    """How far the student moved towards its teacher.

    Attributes:
        sentence: Style against ability, in words.
        trap: Whether the trap of distillation is named.
        facts: The numbers behind it.
        drawing: The picture, None where either way cannot be said.
    """

    sentence: str
    trap: bool
    facts: tuple[Fact, ...]
    drawing: Drawing | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """One task with what became of its items on each side, such as `36 answered, 4 refused`."""

    name: str
    capability: str
    summary: str
    items: str
    base: str
    student: str
    difference: str
    interval: str
    base_counts: str
    student_counts: str
    chance: str
    method: str
    alarms: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    """One aspect of the two setups.

    Attributes:
        kind: `equal`, `declared`, `undeclared` or `note`.
        symbol: A symbol for it.
        label: Its words.
    """

    aspect: str
    base: str
    student: str
    kind: str
    symbol: str
    label: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some words of a reply; `own` where the other model's reply does not have them at that place."""

    text: str
    own: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyView:
    """One model's reply to one item.

    Attributes:
        side: `Base` or `Student`.
        mark: Right, wrong or why there is no score, with a symbol.
        kind: The same for style sheets: `right`, `wrong`, `partly`, `none`.
        pieces: The answer again, with the words of its own marked; empty where no word is marked.
        facts: What the grader took as the answer, its reason, tokens, think state.
        options: Choices with their log-probabilities, the taken and the right one marked; empty for generated replies.
        signs: Behaviours that show in it, each with what was seen.
    """

    side: str
    mark: str
    kind: str
    answer: str
    pieces: tuple[Piece, ...]
    thinking: str
    thinking_note: str
    facts: tuple[Fact, ...]
    options: tuple[Fact, ...]
    signs: tuple[Fact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemView:
    """One item with both replies.

    Attributes:
        anchor: Name for links into the page.
        change: `lost`, `gained`, `unanswered` or `same`.
        cut: Whether the token cap ended either reply.
        symbol: A symbol for the change.
        turns: The conversation, role and text.
        note: That it counts only together with others; `""` where it counts by itself.
        sign_keys: Behaviours that show on either side, as `BehaviourRow.key`.
        surprise: Both replies token by token, None where they were not read so.
    """

    anchor: str
    item_id: str
    task: str
    capability: str
    capability_key: str
    tier: str
    change: str
    change_label: str
    cut: bool
    symbol: str
    title: str
    turns: tuple[Fact, ...]
    expected: str
    note: str
    base: ReplyView
    student: ReplyView
    sign_keys: tuple[str, ...]
    surprise: ItemSurprise | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelView:
    """One model: who it is and how it was asked."""

    side: str
    label: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportView:
    """Everything a report shows.

    Attributes:
        title: The pair in a few words.
        badge: The overall verdict.
        headline: The verdict in one sentence.
        meaning: What such a verdict means, in one sentence.
        advice: What to do with it, accuracy and tokens weighed.
        facts: Date, suite, number of items, margin.
        figures: What holds over all capabilities: the overall difference, how much was asked, the noise floor.
        plot: The picture of the first screen, None without capabilities.
        forest: The same at length, with every number.
        price: What the replies cost, in one sentence; `""` where nothing was generated.
        prices: Accuracy against length, a chart per capability.
        cuts: What the token cap did, per capability with cut replies.
        flips: Sentences on capabilities whose better model depends on the token budget.
        budgets: A chart per capability over token budgets.
        tiers: A chart per task over difficulty tiers.
        behaviours: Behaviours that show on either side, largest excess first.
        excesses: Their excesses as a chart, None without any.
        template: What the chat template did and what the weights did, in words; `""` where that was not asked.
        shares: The same in numbers.
        calibration: How stated confidences fit the answers, in one sentence; `""` where none were asked for.
        confidences: The same in numbers.
        diversity: What several samples of a question are worth, a sentence per task.
        passes: The same as rows, one per number of samples.
        style: How far the student moved towards its teacher, None where none was given.
        files: What the files of both models say, None where that was not wanted.
        differences: Rows of `findings` that are not equal.
        items: Every item, changed ones first.
        changes: Number of items by change.
        command: The command that makes this audit again.
        commands: That, and the ones that show and verify it.
        versions: Packages and machine.
        claims: The claims of the model card with their answers, None where no card was given.
        drift: How far both models' token distributions are apart on the replies, None where that was not asked for.
    """

    title: str
    base_label: str
    student_label: str
    badge: Badge
    headline: str
    meaning: str
    advice: str
    margin: str
    level: str
    facts: tuple[Fact, ...]
    figures: tuple[Fact, ...]
    capabilities: tuple[CapabilityRow, ...]
    plot: Plot | None
    forest: Drawing | None
    price: str
    tokens: tuple[TokenRow, ...]
    prices: tuple[PriceChart, ...]
    cuts: tuple[CutRow, ...]
    flips: tuple[str, ...]
    budgets: tuple[Chart, ...]
    tiers: tuple[Chart, ...]
    behaviours: tuple[BehaviourRow, ...]
    excesses: Drawing | None
    calibration: str
    confidences: tuple[Fact, ...]
    diversity: tuple[str, ...]
    passes: tuple[ChartRow, ...]
    template: str
    shares: tuple[ShareRow, ...]
    style: StyleView | None
    files: FilesView | None
    tasks: tuple[TaskRow, ...]
    findings: tuple[FindingRow, ...]
    items: tuple[ItemView, ...]
    changes: dict[str, int]
    models: tuple[ModelView, ModelView]
    command: str
    commands: tuple[Fact, ...]
    versions: tuple[Fact, ...]
    claims: ClaimsView | None = None
    drift: DriftView | None = None

    @property
    def differences(self) -> tuple[FindingRow, ...]:
        """Findings that are not equal, or that say something."""
        return tuple(row for row in self.findings if row.kind != "equal")

    @property
    def alarms(self) -> tuple[Fact, ...]:
        """Alarms of all tasks, labelled with the task."""
        return tuple(Fact(label=row.name, value=alarm) for row in self.tasks for alarm in row.alarms)

    @property
    def charts(self) -> bool:
        """Whether there is anything that the chart library draws."""
        style, drift = self.style and self.style.drawing, self.drift and self.drift.drawing
        return any((self.forest, self.prices, self.budgets, self.tiers, self.excesses, style, drift))
