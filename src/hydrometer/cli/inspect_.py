"""`hydrometer inspect`: what the files say, without asking a model anything."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from hydrometer.errors import UsageError


def inspect(
    base: Annotated[
        str,
        typer.Argument(
            help="The claimed base: checkpoint folder, .gguf file, hf://OWNER/NAME@REVISION or bundled:base; "
            "+ADAPTER adds a LoRA adapter."
        ),
    ],
    student: Annotated[str, typer.Argument(help="The student, in the same forms.")],
    candidate: Annotated[
        list[str] | None,
        typer.Option(help="Another model it may come from or was merged with; may be repeated."),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Lineage, parts and small files: reads a few megabytes of weights, no tokenizer."),
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Compare every value instead of a sample of each tensor.")
    ] = False,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes for --full; 0 for one per core of a large model, at most four.")
    ] = 0,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with the answers and the map of weights into this file.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON on standard output.")
    ] = False,
) -> None:
    """Read the files of both models: does the student come from the base, what was done to it, is it whole?

    And are tokenizer, chat template and settings still the base's, which risks do card and training files name?

    Needs no inference, no GPU and no torch. Exit status: 0 confirmed, 10 contradicted (another ancestor, parts missing,
    a config that lies, a template or settings that lost something), 11 insufficient, 12 files that are damaged or
    unsafe.
    """
    # Before the library loads: on matrices of this size its threads wait for each other at full load, which takes two
    # to seven times the computing for nothing.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from rich.console import Console

    from hydrometer.cli.progress import TerminalProgress
    from hydrometer.inspection import inspect as run
    from hydrometer.inspection import to_json
    from hydrometer.report.inspection_text import print_inspection

    if quick and full:
        msg = "--quick reads a few rows, --full everything: give one of them"
        raise UsageError(msg)
    with TerminalProgress() as progress:
        result = run(base, student, candidate or (), quick=quick, full=full, workers=workers, progress=progress)
    if html is not None:
        from hydrometer.report.inspection_html import render_inspection
        from hydrometer.report.json_report import write_file

        write_file(html, render_inspection(result))
    if as_json:
        typer.echo(json.dumps(to_json(result), ensure_ascii=False, allow_nan=False))
    else:
        print_inspection(result, Console())
    raise typer.Exit(result.exit_code)
