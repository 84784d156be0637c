"""`hydrometer claims`: what a model card claims, and what can be said of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hydrometer.claims.logged import LogFacts
    from hydrometer.logs.base import Choice


def claims(  # noqa: PLR0913 - one parameter per documented option
    card: Annotated[
        str,
        typer.Argument(
            help="A README.md, a folder that holds one, a hub id, a .gguf file, or claims written by hand (.yaml)."
        ),
    ],
    audit: Annotated[
        Path | None,
        typer.Option(help="Folder of a finished audit to answer the claims with."),
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="The base, to answer the claims with the files of both models.")
    ] = None,
    student: Annotated[str | None, typer.Option(help="The student; given together with --base.")] = None,
    log: Annotated[
        list[str] | None,
        typer.Option(help="A log of lm-eval or Inspect, or a table: the student's, or twice, the base's first."),
    ] = None,
    metric: Annotated[list[str] | None, typer.Option(help="Metric of the logs, where they hold several.")] = None,
    filter_: Annotated[list[str] | None, typer.Option("--filter", help="Filter of lm-eval, likewise.")] = None,
    scorer: Annotated[list[str] | None, typer.Option(help="Scorer of Inspect, likewise.")] = None,
    task: Annotated[list[str] | None, typer.Option(help="Only this task of the logs; may be repeated.")] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(help="The training data, as `hydrometer contamination` takes them, to count their rows."),
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="Write the claims as YAML, to be corrected by hand and read again.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the answers as JSON on standard output.")
    ] = False,
) -> None:
    """Read the claims of a model card and answer each: supported, contradicted, unproven, not comparable, impossible.

    Without an audit only arithmetic answers: percentages that no number of right items gives, baselines where guessing
    is, numbers from different settings, differences that so few items cannot show. The files of both models answer what
    is claimed of lineage, method, rank, context, quantisation, licence and parts. Logs of other harnesses answer
    scores, and in pairs differences and words; one that was made in another way than the card says is not comparable.
    Exit status 10 if a claim is contradicted or impossible.
    """
    from rich.console import Console

    from hydrometer.canon import to_plain
    from hydrometer.claims.evidence import answer
    from hydrometer.claims.filed import facts_of_inspection
    from hydrometer.claims.model import Answer
    from hydrometer.claims.opening import dump_claims, open_card
    from hydrometer.errors import UsageError
    from hydrometer.inspection import inspect
    from hydrometer.logs.base import Choice
    from hydrometer.report.claims_text import print_claims
    from hydrometer.report.json_report import write_file
    from hydrometer.verify import load_report

    if bool(base) != bool(student):
        msg = "--base and --student go together: files are compared in pairs"
        raise UsageError(msg)
    read = open_card(card)
    facts = facts_of_inspection(inspect(base, student), base, student) if base and student else None
    choice = Choice(
        metrics=tuple(metric or ()), filters=tuple(filter_ or ()), scorers=tuple(scorer or ()), tasks=tuple(task or ())
    )
    logs = _logs(log or [], choice)
    rows = _rows(data) if data else None
    checked = answer(read, load_report(audit) if audit else None, facts, logs, rows)
    if write:
        write_file(write, dump_claims(read))
    if as_json:
        plain = {"source": read.source, "claims": to_plain(checked), "unread": to_plain(read.unread)}
        typer.echo(json.dumps(plain, ensure_ascii=False))
    else:
        print_claims(read, checked, Console())
    raise typer.Exit(10 if {row.answer for row in checked} & {Answer.CONTRADICTED, Answer.IMPOSSIBLE} else 0)


def _logs(given: list[str], choice: Choice) -> LogFacts | None:
    from hydrometer.claims.logged import facts_of_logs
    from hydrometer.errors import UsageError
    from hydrometer.logs.reading import read_log

    if len(given) > 2:
        msg = f"--log was given {len(given)} times: give the student's log, or the base's and then the student's"
        raise UsageError(msg)
    if not given:
        return None
    read = [read_log(where, choice=choice) for where in given]
    return facts_of_logs(read[-1], read[0] if len(read) == 2 else None)


def _rows(data: list[str]) -> int:
    from hydrometer.contamination.training import Tally, find_files, read_documents

    return sum(1 for _ in read_documents(find_files(data), Tally()))
