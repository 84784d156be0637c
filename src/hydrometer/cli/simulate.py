"""`hydrometer simulate`: error rates of the verdicts, from audits whose truth is known; no model is asked."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def simulate(  # noqa: PLR0913 - one parameter per documented option
    worlds: Annotated[int, typer.Option(help="Audits to simulate.")] = 1000,
    items: Annotated[int, typer.Option(help="Items planned per capability.")] = 300,
    capabilities: Annotated[int, typer.Option(help="Capabilities per audit.")] = 8,
    discordance: Annotated[float, typer.Option(help="Share of items on which the models differ.")] = 0.1,
    difference: Annotated[
        float, typer.Option(help="True difference of the damaged capabilities, -0.05 = 5 points lost.")
    ] = 0.0,
    damaged: Annotated[
        int | None,
        typer.Option(
            help="Capabilities with that difference.", show_default="1 where a difference is given, else 0"
        ),
    ] = None,
    margin: Annotated[float, typer.Option(help="Largest loss that still counts as equivalent.")] = 0.03,
    alpha: Annotated[float, typer.Option(help="Error rate of the verdicts.")] = 0.05,
    fixed: Annotated[
        bool, typer.Option("--fixed", help="Only audits that ask every item; without the other two rows.")
    ] = False,
    clusters: Annotated[int, typer.Option(help="Items per cluster (passage, template).")] = 1,
    icc: Annotated[float, typer.Option(help="Correlation of differences within a cluster.")] = 0.0,
    samples: Annotated[int, typer.Option(help="Samples per item; their mean is its score.")] = 1,
    missing: Annotated[float, typer.Option(help="Chance of a reply without a score, on each side.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed; the same one gives the same digits.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON on standard output.")
    ] = False,
) -> None:
    """Simulate audits whose truth is known, and count false alarms, power and items asked.

    Scores are drawn; pairing, tests, stopping and verdicts are those of an audit. Beside it stand the audit of fixed
    size and, as a warning, uncorrected tests at every look (peeking), all on the same scores.
    """
    from rich.console import Console

    from hydrometer.canon import to_plain
    from hydrometer.cli.progress import TerminalProgress
    from hydrometer.report.simulation_text import print_simulation
    from hydrometer.simulate import World
    from hydrometer.simulate import simulate as run

    world = World(
        worlds=worlds,
        items=items,
        capabilities=capabilities,
        discordance=discordance,
        difference=difference,
        damaged=int(difference != 0.0) if damaged is None else damaged,
        margin=margin,
        alpha=alpha,
        fixed=fixed,
        cluster_size=clusters,
        icc=icc,
        samples=samples,
        missing=missing,
        seed=seed,
    )
    with TerminalProgress() as progress:
        result = run(world, progress)
    if as_json:
        typer.echo(json.dumps(to_plain(result), ensure_ascii=False))
    else:
        print_simulation(result, Console())
