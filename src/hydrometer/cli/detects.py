"""`hydrometer detects`: which planted faults audits were shown to see, and how often clean pairs raised them."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def detects(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON on standard output.")
    ] = False,
) -> None:
    """Show what audits were shown to detect: planted faults, detection rates and false alarms.

    The numbers are shipped with the package; the command that measures them stands below the table.
    """
    from rich.console import Console

    from hydrometer.canon import to_plain
    from hydrometer.detects import load_matrix
    from hydrometer.report.detects_text import print_matrix

    matrix = load_matrix()
    if as_json:
        typer.echo(json.dumps(to_plain(matrix), ensure_ascii=False))
    else:
        print_matrix(matrix, Console())
