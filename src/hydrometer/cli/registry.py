"""`hydrometer registry`: a site of many audits, or a server that takes them in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

registry = typer.Typer(
    name="registry", help="Many audits together: a static site, or a server.", no_args_is_help=True
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]


@registry.command()
def build(
    folder: Annotated[Path, typer.Argument(help="Holds audits and bundles.", show_default=False)],
    out: Annotated[Path, typer.Option("-o", "--out", help="Where the site goes.")] = Path("hydrometer-site"),
    url: Annotated[str, typer.Option(help="Address it will have, for the feed.")] = "",
    as_json: Json = False,
) -> None:
    """Build a static site of all audits below a folder. Exit status 1 if some could not be taken; they are named."""
    from hydrometer.canon import to_plain
    from hydrometer.cli.progress import TerminalProgress
    from hydrometer.registry.site import build_site

    with TerminalProgress() as progress:
        built = build_site(folder, out, url=url, progress=progress)
    if as_json:
        typer.echo(json.dumps({"site": str(out), **to_plain(built)}))
    else:
        for fault in built.left_out:
            typer.echo(f"left out: {fault.where}: {fault.why}", err=True)
        typer.echo(f"{out / 'index.html'}: {built.audits:,} audits, {len(built.left_out)} left out")
    raise typer.Exit(1 if built.left_out else 0)
