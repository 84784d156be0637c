"""A plan in a terminal: items needed per claim, and what the items at hand show, readable at 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hydrometer.planning import AuditPlan, CapabilityPlan
from hydrometer.report import words
from hydrometer.report.terminal import ASCII_HEAD, is_plain


def print_plan(plan: AuditPlan, console: Console) -> None:
    """Print a plan.

    Args:
        plan: What was planned.
        console: Where to; its width, colours and encoding are respected.
    """
    head = ASCII_HEAD if is_plain(console) else box.SIMPLE_HEAD
    for line in setting_lines(plan):
        console.print(Text(line), style="dim")
    console.print()
    console.print(_needs(plan, head))
    if any(row.items for row in plan.capabilities):
        console.print()
        console.print(_reaches(plan, head))
    console.print()
    for line in note_lines(plan):
        console.print(Text(line), style="dim")


def setting_lines(plan: AuditPlan) -> Iterator[str]:
    """Yield what was asked, in words."""
    spec = plan.spec
    number = "1 capability" if spec.capabilities == 1 else f"{spec.capabilities} capabilities"
    yield (
        f"{number}; margin {words.margin_words(spec.margin)} points, power {100 * spec.power:g} %, "
        f"alpha {spec.alpha:g}"
    )
    parts = []
    if not plan.capabilities[0].pilot_items:
        parts.append(f"models assumed to differ on {100 * spec.discordance:g} % of the items")
    if spec.cluster_size > 1:
        parts.append(
            f"clusters of {spec.cluster_size:g} items with correlation {spec.icc:g}, "
            f"design effect {spec.design_effect:.2f}"
        )
    if spec.samples > 1:
        parts.append(f"{spec.samples} samples per item")
    if spec.budget:
        parts.append(f"budget {spec.budget.amount:,.10g} {spec.budget.unit}{_price(plan)}")
    if parts:
        yield "; ".join(parts)


def note_lines(plan: AuditPlan) -> Iterator[str]:
    """Yield how the numbers are to be read."""
    limit = words.margin_words(plan.spec.margin)
    yield (
        "equivalence, non-inferiority: where the models do not differ. difference: one of "
        f"{limit} points, after Holm's correction. early: the audit that stops where its verdict stands."
    )
    if any(row.items for row in plan.capabilities):
        yield "finds: smallest true difference found. equivalent within: smallest margin. - : none up to 100 points."
    if plan.capabilities[0].pilot_items:
        yield (
            "From the pilot: how often the models differ, and what an item costs. Its observed differences are not "
            "planned with: that would only restate its p-values."
        )
    if plan.spec.samples > 1:
        yield "With several samples a tenth of the flips is taken to last through all of them."


def _needs(plan: AuditPlan, head: box.Box) -> Table:
    columns = ("claim", "fixed size", "exact", "early: at most", "on average")
    table = _table(head, "items per capability", *columns)
    for row in plan.capabilities:
        for number, need in enumerate(row.needs):
            exact = f"{need.exact:,}" if need.exact is not None else "-"
            expected = f"{need.expected:,}" if need.expected is not None else "-"
            name = "" if number else _name(row)
            table.add_row(Text(name), need.claim, f"{need.fixed:,}", exact, f"{need.most:,}", expected)
    return table


def _reaches(plan: AuditPlan, head: box.Box) -> Table:
    columns = ("items", "finds: fixed", "early", "equivalent within: fixed", "early")
    table = _table(head, "points", *columns)
    for row in plan.capabilities:
        if row.fixed and row.sequential:
            values = (
                row.fixed.difference,
                row.sequential.difference,
                row.fixed.margin,
                row.sequential.margin,
            )
            shown = (f"{100 * value:.1f}" if value is not None else "-" for value in values)
            table.add_row(Text(_name(row)), f"{row.items:,}", *shown)
    return table


def _table(head: box.Box, first: str, *columns: str) -> Table:
    table = Table(box=head, show_edge=False, pad_edge=False, padding=(0, 0, 0, 1))
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="left" if column == "claim" else "right")
    return table


def _name(row: CapabilityPlan) -> str:
    return f"{words.name(row.name)}, {100 * row.discordance:.1f} % differ" if row.name else "each"


def _price(plan: AuditPlan) -> str:
    spec = plan.spec
    if spec.budget and spec.budget.unit == "tokens":
        return f" at {spec.tokens_per_item:,.0f} tokens per item"
    if spec.budget and spec.budget.unit == "minutes":
        return f" at {spec.seconds_per_item:.3g} s per item"
    return ""
