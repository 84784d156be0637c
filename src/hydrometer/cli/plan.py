"""`hydrometer plan`: items needed for a claim, and what items or a budget can show; no model is asked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hydrometer.planning import Pilot, PlanSpec


def plan(  # noqa: PLR0913 - one parameter per documented option
    margin: Annotated[
        float, typer.Option(help="Margin of equivalence, and difference to be shown; 0.03 = 3 points.")
    ] = 0.03,
    discordance: Annotated[
        float | None,
        typer.Option(help="Share of items on which the models differ.", show_default="0.1, or the pilot's"),
    ] = None,
    power: Annotated[float, typer.Option(help="Chance to show what is true.")] = 0.8,
    alpha: Annotated[float, typer.Option(help="Error rate of the verdicts.")] = 0.05,
    capabilities: Annotated[
        int | None,
        typer.Option(help="Capabilities, for Holm's correction.", show_default="8, or the pilot's"),
    ] = None,
    cluster_size: Annotated[float, typer.Option(help="Items per cluster (passage, template).")] = 1.0,
    icc: Annotated[float, typer.Option(help="Correlation of differences within a cluster.")] = 0.0,
    samples: Annotated[int, typer.Option(help="Samples per item; their mean is its score.")] = 1,
    items: Annotated[int | None, typer.Option(help="Ask what this many items per capability show.")] = None,
    budget: Annotated[str, typer.Option(help="Ask what 600items, 2Mtokens or 30min show.")] = "",
    tokens_per_item: Annotated[
        float | None, typer.Option(help="Tokens of both models' replies to one item.")
    ] = None,
    seconds_per_item: Annotated[
        float | None, typer.Option(help="Seconds of both models for one item.")
    ] = None,
    pilot: Annotated[
        Path | None,
        typer.Option(help="Folder of a finished audit: its discordances and costs, never its differences."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the plan as JSON on standard output.")
    ] = False,
) -> None:
    """Work out how many items an audit needs, or what a number of items or a budget can show.

    Needed per capability: to call equal models equivalent, to show that nothing of the margin is lost, and to find a
    difference as large as the margin. What an audit observed is never planned with: that only restates its p-value.
    """
    from rich.console import Console

    from hydrometer.canon import to_plain
    from hydrometer.errors import UsageError
    from hydrometer.planning import PlanSpec, make_audit_plan, read_pilot
    from hydrometer.report.plan_text import print_plan
    from hydrometer.spec import Budget
    from hydrometer.verify import load_report

    if pilot and (discordance is not None or capabilities is not None):
        msg = "--pilot brings discordances and capabilities of its own: leave --discordance and --capabilities out"
        raise UsageError(msg)
    if items is not None and (budget or items < 1):
        msg = f"--items {items}: give 1 or more, and either --items or --budget"
        raise UsageError(msg)
    for name, price in (("tokens", tokens_per_item), ("seconds", seconds_per_item)):
        if price is not None and not price > 0.0:
            msg = f"--{name}-per-item {price:g}: must be above 0"
            raise UsageError(msg)
    found = read_pilot(load_report(pilot)) if pilot else None
    spec = PlanSpec(
        margin=margin,
        discordance=0.1 if discordance is None else discordance,
        power=power,
        alpha=alpha,
        capabilities=8 if capabilities is None else capabilities,
        cluster_size=cluster_size,
        icc=icc,
        samples=samples,
        items=items or 0,
        budget=Budget.parse(budget) if budget else None,
        tokens_per_item=tokens_per_item or 0.0,
        seconds_per_item=seconds_per_item or 0.0,
    )
    made = make_audit_plan(_with_pilot(spec, found) if found else spec, found)
    if as_json:
        typer.echo(json.dumps(to_plain(made), ensure_ascii=False))
    else:
        print_plan(made, Console())


def _with_pilot(spec: PlanSpec, pilot: Pilot) -> PlanSpec:
    """Take number and prices from the pilot; a price that was given stays."""
    return replace(
        spec,
        capabilities=len(pilot.discordance),
        discordance=max(pilot.discordance.values()),
        tokens_per_item=spec.tokens_per_item or pilot.tokens_per_item or 0.0,
        seconds_per_item=spec.seconds_per_item or pilot.seconds_per_item or 0.0,
    )
