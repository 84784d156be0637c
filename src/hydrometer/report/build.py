"""From a result to the view of it."""

from __future__ import annotations

import shlex
from dataclasses import fields

from hydrometer.items import Thinking
from hydrometer.report import words
from hydrometer.report.advice import advice
from hydrometer.report.drawing import Drawing
from hydrometer.report.drift_view import build_drift, with_surprise
from hydrometer.report.facets_view import (
    build_behaviours,
    build_budgets,
    build_confidences,
    build_cuts,
    build_excesses,
    build_flips,
    build_passes,
    build_tiers,
)
from hydrometer.report.files_view import build_files
from hydrometer.report.forest import ForestRow, describe, forest
from hydrometer.report.items_view import build_items
from hydrometer.report.names import plain
from hydrometer.report.plot import forest_plot
from hydrometer.report.price_view import build_prices
from hydrometer.report.shares_view import build_shares, template_sentence
from hydrometer.report.style_view import build_style
from hydrometer.report.view import (
    Badge,
    CapabilityRow,
    Fact,
    FindingRow,
    ModelView,
    ReportView,
    TaskRow,
    TokenRow,
)
from hydrometer.result import (
    AuditResult,
    CapabilityResult,
    Finding,
    Side,
    Standing,
    TaskResult,
    TokenPrice,
    Verdict,
)
from hydrometer.spec import AuditSpec, ModelRef

BADGES = {
    Verdict.BETTER: Badge(kind="better", label="better", symbol="▲", ascii="+"),
    Verdict.WORSE: Badge(kind="worse", label="worse", symbol="▼", ascii="-"),
    Verdict.EQUIVALENT: Badge(kind="equivalent", label="equivalent", symbol="=", ascii="="),
    Verdict.NOT_ENOUGH: Badge(kind="not-enough", label="not enough evidence", symbol="?", ascii="?"),
    Verdict.INVALID: Badge(kind="invalid", label="not comparable", symbol="✕", ascii="x"),
}

_STANDINGS = {
    Standing.EQUAL: ("equal", "=", "equal"),
    Standing.DECLARED: ("declared", "≠", "declared difference"),
    Standing.UNDECLARED: ("undeclared", "✕", "undeclared difference"),
    Standing.NOTE: ("note", "i", "note"),
}

_THINKING = {Thinking.DEFAULT: "", Thinking.ON: ", thinking on", Thinking.OFF: ", thinking off"}

_DEFAULTS = AuditSpec(
    base=ModelRef(text="", engine="", target=""), student=ModelRef(text="", engine="", target="")
)
_OPTIONS = ("suite", "items", "margin", "max_tokens", "sampling", "template", "thinking", "seed")


def build_view(result: AuditResult) -> ReportView:
    """Return the view of a result: every string and number that a report shows.

    Args:
        result: What an audit found.
    """
    base, student = (words.line(side.identity.label, 80) for side in (result.base, result.student))
    items = build_items(result.items, {task.task: task.method for task in result.tasks})
    items = with_surprise(items, result.items, result.drift)
    command = reproduce_command(result.spec) + (" --drift" if result.drift else "")
    named = plain(base)
    level = result.capabilities[0].estimate.level if result.capabilities else 1.0 - result.spec.alpha
    return ReportView(
        title=f"{student} against {base}{_THINKING[result.spec.thinking]}",
        base_label=base,
        student_label=student,
        badge=BADGES[result.verdict],
        headline=words.line(result.headline, 1000),
        meaning=words.verdict_sentence(result.verdict, result.spec.margin),
        margin=words.margin_words(result.spec.margin),
        level=f"{level * 100:g} %",
        facts=_facts(result),
        figures=_figures(result),
        capabilities=tuple(_capability(row, result.spec.margin, named) for row in result.capabilities),
        advice=advice(
            result.verdict,
            result.capabilities,
            result.tokens[0] if result.tokens else None,
            result.spec.margin,
            base=named,
        ),
        plot=forest_plot([row.estimate for row in result.capabilities], result.spec.margin),
        forest=_forest(result),
        price=words.price_sentence(result.tokens[0]) if result.tokens else "",
        tokens=tuple(_token_row(price, result) for price in result.tokens),
        prices=build_prices(result.capabilities, result.tokens, result.spec.margin),
        cuts=build_cuts(result.cuts),
        flips=build_flips(result.budgets),
        budgets=build_budgets(result.budgets),
        tiers=build_tiers(result.tiers),
        behaviours=build_behaviours(result.behaviours, result.items),
        excesses=build_excesses(result.behaviours),
        calibration=words.calibration_sentence(result.calibration) if result.calibration else "",
        diversity=tuple(words.diversity_sentence(found) for found in result.diversity),
        passes=build_passes(result.diversity),
        confidences=build_confidences(result.calibration) if result.calibration else (),
        template=template_sentence(result.template_shares),
        shares=build_shares(result.template_shares),
        style=build_style(result.style),
        files=build_files(result.files),
        tasks=tuple(_task(task) for task in result.tasks),
        findings=tuple(_finding(finding) for finding in result.findings),
        items=items,
        changes={
            kind: sum(item.change == kind for item in items)
            for kind in ("lost", "gained", "unanswered", "same")
        },
        models=(_model("Base", result.base), _model("Student", result.student)),
        command=command,
        commands=_commands(result, command),
        versions=_versions(result),
        drift=build_drift(result.drift, result.items),
    )


def reproduce_command(spec: AuditSpec) -> str:
    """Return the command line that asks for an audit again, with every option that is not its default."""
    parts = ["hydrometer", "audit", spec.base.text, spec.student.text]
    for option in _OPTIONS:
        value = getattr(spec, option)
        if value != getattr(_DEFAULTS, option):
            parts += [f"--{option.replace('_', '-')}", str(value)]
    if spec.alpha != _DEFAULTS.alpha:
        parts += ["--alpha", f"{spec.alpha:g}"]
    parts += [f"--{flag}" for flag in ("fixed", "floor") if getattr(spec, flag)]
    parts += [] if spec.inspect else ["--no-inspect"]
    if spec.teacher:
        parts += ["--teacher", spec.teacher.text.removeprefix("traces:")]
    if spec.budget:
        parts += ["--budget", f"{spec.budget.amount:g}{spec.budget.unit}"]
    for task in spec.tasks:
        parts += ["--task", task]
    if spec.allow:
        parts += ["--allow", ",".join(spec.allow)]
    return words.line(shlex.join(parts), 4000)


def _forest(result: AuditResult) -> Drawing | None:
    badges = [BADGES[row.verdict] for row in result.capabilities]
    rows = [
        ForestRow(name=words.name(row.capability), verdict=f"{b.symbol} {b.label}", tone=b.kind, found=row.estimate)
        for row, b in zip(result.capabilities, badges, strict=True)
    ]
    if not rows:
        return None
    return Drawing(key="forest", description=describe(rows), spec=forest(rows, result.spec.margin, written=True))


def _facts(result: AuditResult) -> tuple[Fact, ...]:
    spec = result.spec
    asked = f"{len(result.items):,} items, {len(result.tasks)} tasks" if result.items else "nothing asked"
    return (
        Fact(label="Audited", value=words.line(result.created.replace("T", " ").replace("+00:00", " UTC"))),
        Fact(label="Suite", value=f"{words.line(spec.suite)} ({asked})"),
        *([Fact(label="Thinking", value=spec.thinking.value)] if _THINKING[spec.thinking] else []),
        Fact(label="Margin", value=f"{words.margin_words(spec.margin)} points, fixed beforehand"),
        Fact(label="Took", value=words.duration(result.seconds)),
    )


def _figures(result: AuditResult) -> tuple[Fact, ...]:
    figures = []
    if result.core is not None:
        figures.append(Fact(label="Overall", value=words.core_sentence(result.core)))
    if result.efficiency is not None:
        value = words.efficiency_sentence(result.efficiency, result.spec.margin)
        figures.append(Fact(label="Price", value=value))
    if any(row.course for row in result.capabilities):
        figures.append(Fact(label="Asked", value=words.asked_sentence(result.capabilities)))
    if result.floor is not None:
        figures.append(Fact(label="Noise", value=words.floor_sentence(result.floor)))
    return tuple(figures)


def _capability(row: CapabilityResult, margin: float, base: str) -> CapabilityRow:
    found = row.estimate
    return CapabilityRow(
        name=words.name(row.capability),
        key=words.line(row.capability, 60),
        badge=BADGES[row.verdict],
        **words.scores(found),
        pairs=f"{found.n:,}",
        flips=f"+{found.gained}/-{found.lost}",
        unanswered_base=str(found.missing_base + found.missing_both),
        unanswered_student=str(found.missing_student + found.missing_both),
        sentence=words.capability_sentence(row, margin, base),
        reason=words.line(row.reason),
        details=_details(row),
    )


def _details(row: CapabilityResult) -> tuple[Fact, ...]:
    strict = row.strict
    details = [
        Fact(
            label="No difference",
            value=f"{words.p_value(row.estimate.p_value)}; {words.p_value(row.adjusted_p)} after Holm's correction",
        ),
        Fact(
            label="Unanswered as failed",
            value=f"{words.points(strict.difference)} {words.interval(strict.low, strict.high)} over {strict.n:,}",
        ),
        Fact(label="Visible with power 80 %", value=f"{words.points(row.detectable)[1:]} points or more"),
        Fact(label="Guessing reaches", value=f"{words.percent(row.chance)} %"),
        *([Fact(label="Asked", value=words.course(row.course))] if row.course else []),
        Fact(label="Tasks", value=words.line(", ".join(row.tasks))),
        Fact(label="Method", value=words.line(row.estimate.method)),
    ]
    return tuple(details)


def _token_row(price: TokenPrice, result: AuditResult) -> TokenRow:
    found = next((row.estimate for row in result.capabilities if row.capability == price.capability), None)
    scores = words.scores(found)
    return TokenRow(
        name=words.name(price.capability) or "all generated replies",
        overall=not price.capability,
        base_score=scores["base"],
        student_score=scores["student"],
        base_tokens=words.tokens(price.base if price.n else None),
        student_tokens=words.tokens(price.student if price.n else None),
        ratio=words.ratio(price),
        pairs=f"{price.n:,}",
        base_per_point=words.tokens(price.base_per_correct),
        student_per_point=words.tokens(price.student_per_correct),
    )


def _task(task: TaskResult) -> TaskRow:
    return TaskRow(
        name=words.line(task.task, 60),
        capability=words.name(task.capability),
        summary=words.line(task.summary),
        items=f"{task.items:,}",
        **words.scores(task.estimate),
        base_counts=words.counts(task.base_counts),
        student_counts=words.counts(task.student_counts),
        chance=f"{words.percent(task.chance)} %",
        method=words.line(task.method),
        alarms=tuple(words.line(alarm) for alarm in task.alarms),
    )


def _finding(finding: Finding) -> FindingRow:
    kind, symbol, label = _STANDINGS[finding.standing]
    return FindingRow(
        aspect=words.line(finding.aspect, 60),
        base=words.line(words.shortened(finding.base)) or words.NONE,
        student=words.line(words.shortened(finding.student)) or words.NONE,
        kind=kind,
        symbol=symbol,
        label=label,
        message=words.line(finding.message, 600),
    )


def _model(name: str, side: Side) -> ModelView:
    identity = side.identity
    decoding = ", ".join(
        f"{field.name} {getattr(side.decoding, field.name):g}" for field in fields(side.decoding)
    )
    named = {
        "Reference": side.reference,
        "Weights": identity.weights,
        "Adapter": identity.adapter,
        "Tokenizer": identity.tokenizer,
        "Chat template": identity.template,
        "Engine": f"{identity.engine} {identity.engine_version}".strip(),
        "Engine settings": ", ".join(f"{key} {value}" for key, value in identity.settings.items()),
        "Precision": identity.precision,
        "Architecture": identity.architecture,
        "Context": str(identity.context_length) if identity.context_length else "",
        "Sampling": f"{side.sampling_source}: {'greedy' if side.decoding.greedy else decoding}",
        "Requests": f"{side.asked:,} asked, {side.reused:,} reused, in {words.duration(side.seconds)}",
        **identity.details,
    }
    return ModelView(
        side=name,
        label=words.line(identity.label, 80),
        facts=tuple(
            Fact(label=words.line(label.replace("_", " "), 40), value=words.line(value, 400))
            for label, value in named.items()
            if value
        ),
    )


def _commands(result: AuditResult, command: str) -> tuple[Fact, ...]:
    commands = [
        Fact(label="Make this audit again", value=command),
        Fact(label="Check digests, grades and verdicts without a model", value="hydrometer verify DIR"),
        Fact(label="Show it in a terminal", value="hydrometer show DIR"),
    ]
    run = words.line(result.environment.command, 4000)
    if run and run != command:
        commands.insert(1, Fact(label="As it was started", value=run))
    return tuple(commands)


def _versions(result: AuditResult) -> tuple[Fact, ...]:
    environment = result.environment
    named = {
        "hydrometer": environment.hydrometer,
        "Python": environment.python,
        "Platform": environment.platform,
        **environment.packages,
        "Evidence": result.evidence,
        "Schema of report.json": str(result.schema_version),
    }
    return tuple(Fact(label=words.line(k, 60), value=words.line(v)) for k, v in named.items())
