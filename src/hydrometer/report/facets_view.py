"""What stands beside the verdicts, as a report shows it: cut replies, budgets, tiers, behaviours."""

from __future__ import annotations

from collections.abc import Sequence

from hydrometer.facets import ranking_flips
from hydrometer.report import words
from hydrometer.report.curves import budget_curves, tier_curves
from hydrometer.report.drawing import Drawing, Spec, common_top
from hydrometer.report.forest import ForestRow, describe, forest
from hydrometer.report.view import BehaviourRow, Chart, ChartRow, CutRow, Fact
from hydrometer.result import (
    BehaviourResult,
    BudgetPoint,
    CalibrationResult,
    CutReplies,
    DiversityResult,
    ItemResult,
    TierResult,
)
from hydrometer.stats.estimate import Estimate

MANY_CUT = 0.05
"""Share of cut replies of one side from which a short report speaks of them."""


def item_anchor(item_id: str) -> str:
    """Return the name of an item for links into the page."""
    return "item-" + "".join(c for c in item_id if c.isalnum())


def sign_key(behaviour: str) -> str:
    """Return the name of a behaviour as one word without spaces, for filters."""
    return words.line(behaviour, 60).replace(" ", "_")


def build_cuts(cuts: Sequence[CutReplies]) -> tuple[CutRow, ...]:
    """Return a row per capability with any cut reply."""
    return tuple(
        CutRow(
            name=words.name(row.capability),
            sentence=words.cut_sentence(row),
            many=max(row.hits.base, row.hits.student) > MANY_CUT,
        )
        for row in cuts
        if row.hits.n and max(row.hits.base, row.hits.student) > 0.0
    )


def build_flips(points: Sequence[BudgetPoint]) -> tuple[str, ...]:
    """Return a sentence per capability whose better model depends on the budget."""
    return tuple(words.flip_sentence(less, more) for less, more in ranking_flips(points))


def build_budgets(points: Sequence[BudgetPoint]) -> tuple[Chart, ...]:
    """Return a chart per capability with at least two budgets."""
    top = common_top([point.estimate for point in points])
    charts: list[Chart] = []
    for name in dict.fromkeys(point.capability for point in points):
        own = sorted((p for p in points if p.capability == name), key=lambda point: point.tokens)
        tokens, found = [point.tokens for point in own], [point.estimate for point in own]
        curves = budget_curves(tokens, found, top)
        if curves:
            labels = [f"{count:,}" for count in tokens]
            charts.append(_chart(words.name(name), f"budget-{len(charts)}", labels, found, curves))
    return tuple(charts)


def build_tiers(tiers: Sequence[TierResult]) -> tuple[Chart, ...]:
    """Return a chart per task with at least two tiers that both models answered."""
    top = common_top([tier.estimate for tier in tiers])
    charts: list[Chart] = []
    for name in dict.fromkeys(tier.task for tier in tiers):
        own = [tier for tier in tiers if tier.task == name]
        labels, found = [words.line(tier.tier, 40) for tier in own], [tier.estimate for tier in own]
        curves = tier_curves(labels, found, top)
        if curves:
            charts.append(_chart(words.line(name, 60), f"tier-{len(charts)}", labels, found, curves))
    return tuple(charts)


def build_behaviours(
    rows: Sequence[BehaviourResult], items: Sequence[ItemResult]
) -> tuple[BehaviourRow, ...]:
    """Return a row per behaviour; only items that the report holds are linked."""
    held = {item.item_id for item in items}
    return tuple(
        BehaviourRow(
            name=words.name(row.behaviour),
            key=sign_key(row.behaviour),
            summary=words.line(row.summary),
            base=words.percent(row.excess.base),
            student=words.percent(row.excess.student),
            excess=words.points(row.excess.difference),
            interval=words.interval(row.excess.low, row.excess.high),
            pairs=f"{row.excess.n:,}",
            p=words.p_value(row.adjusted_p),
            kind="fault" if row.fault else "style",
            shown=not row.excess.low <= 0.0 <= row.excess.high,
            **_change(row),
            sentence=words.behaviour_sentence(row),
            anchors=tuple(item_anchor(item) for item in row.items if item in held),
        )
        for row in rows
    )


def build_excesses(rows: Sequence[BehaviourResult]) -> Drawing | None:
    """Return the excesses as a chart, None without any."""
    if not rows:
        return None
    drawn = []
    for row in rows:
        change = _change(row)
        drawn.append(
            ForestRow(name=words.name(row.behaviour), verdict=change["change"], tone=change["tone"], found=row.excess)
        )
    return Drawing(key="excess", description=describe(drawn), spec=forest(drawn))


def _change(row: BehaviourResult) -> dict[str, str]:
    """How an excess is coloured and named: more of a fault is worse, more of a style is only more."""
    if row.excess.low <= 0.0 <= row.excess.high:
        return {"tone": "quiet", "change": "? no excess shown"}
    more = row.excess.difference > 0
    tone = ("worse" if more else "better") if row.fault else "equivalent"
    return {"tone": tone, "change": "▲ more" if more else "▼ less"}


def build_confidences(found: CalibrationResult) -> tuple[Fact, ...]:
    """Return the figures behind the sentence on calibration."""
    return (
        Fact(
            label="Stated a confidence",
            value=f"base {found.base_stated:,}, student {found.student_stated:,} of {found.asked:,} items",
        ),
        Fact(
            label="Change of level",
            value=f"{words.points(found.level)} points, {words.p_value(found.level_p)} after Holm's correction",
        ),
        Fact(
            label="Change of slope",
            value=f"{found.slope:+.3f}, {words.p_value(found.slope_p)} after Holm's correction",
        ),
        Fact(label="Change of squared error", value=f"{found.brier:+.3f}, {words.p_value(found.brier_p)}"),
    )


def build_passes(results: Sequence[DiversityResult]) -> tuple[ChartRow, ...]:
    """Return the scores with one sample, two and so on, then what further ones add and how distinct they are."""
    return tuple(
        ChartRow(label=f"{words.line(row.task, 60)}: {label}", **words.scores(found), pairs=f"{found.n:,}")
        for row in results
        for label, found in (
            *((f"any of {k} right" if k > 1 else "one sample right", each) for k, each in enumerate(row.passes, 1)),
            (f"added by {row.samples} samples", row.added),
            ("distinct answers", row.distinct),
        )
    )


def _chart(title: str, key: str, labels: Sequence[str], estimates: Sequence[Estimate], spec: Spec) -> Chart:
    rows = tuple(
        ChartRow(label=label, **words.scores(found), pairs=f"{found.n:,}")
        for label, found in zip(labels, estimates, strict=True)
    )
    last = next(row for row, found in zip(reversed(rows), reversed(estimates), strict=True) if found.n)
    what = key.partition("-")[0]
    description = (
        f"Score of base and student by {what}. At {last.label}: base {last.base} %, student {last.student} %. "
        "The table below holds every number."
    )
    return Chart(title=title, drawing=Drawing(key=key, description=description, spec=spec), rows=rows)
