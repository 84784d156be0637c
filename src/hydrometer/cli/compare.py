"""`hydrometer compare`: a verdict from logs or counts that exist already; no model is asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from hydrometer.errors import UsageError

if TYPE_CHECKING:
    from hydrometer.comparison import ComparisonResult
    from hydrometer.logs.base import Choice, Scale

Names = list[str] | None


def compare(  # noqa: PLR0913 - one parameter per documented option
    logs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="LOG_BASE LOG_STUDENT | TABLE",
            help="The logs of the plain model and of the distillation: a file, a folder of one run, or a quoted "
            "pattern. One CSV or JSONL table with a column per model is enough alone.",
        ),
    ] = None,
    table: Annotated[
        tuple[int, int, int, int] | None,
        typer.Option(
            metavar="BOTH STUDENT_ONLY BASE_ONLY NEITHER",
            help="Published counts of right answers in place of logs.",
        ),
    ] = None,
    metric: Annotated[
        Names, typer.Option(help="Metric to compare; may be repeated for several tasks.")
    ] = None,
    filter_: Annotated[Names, typer.Option("--filter", help="Filter of lm-eval, likewise.")] = None,
    scorer: Annotated[Names, typer.Option(help="Scorer of Inspect, likewise.")] = None,
    task: Annotated[Names, typer.Option(help="Only this task; may be repeated.")] = None,
    margin: Annotated[
        float, typer.Option(help="Largest loss that still counts as equivalent, 0.03 = 3 points.")
    ] = 0.03,
    alpha: Annotated[float, typer.Option(help="Error rate of the verdicts.")] = 0.05,
    min_score: Annotated[
        float, typer.Option(help="Score of a failure; the larger one if lower is better.")
    ] = 0.0,
    max_score: Annotated[float, typer.Option(help="Score of a full success.")] = 1.0,
    allow: Annotated[
        str, typer.Option(help="Differences that are meant, comma-separated: few-shots, template, version.")
    ] = "",
    item_column: Annotated[str, typer.Option(help="Column that names the item.")] = "item",
    score_column: Annotated[str, typer.Option(help="Column of the score, in a table per model.")] = "score",
    base_column: Annotated[str, typer.Option(help="Column of the base's score, in one table.")] = "base",
    student_column: Annotated[
        str, typer.Option(help="Column of the student's score, in one table.")
    ] = "student",
    task_column: Annotated[
        str, typer.Option(help="Column of the task or capability.", show_default="capability or task")
    ] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON on standard output.")
    ] = False,
) -> None:
    """Judge logs of lm-eval or Inspect, tables, or published counts, without asking a model anything.

    --json prints one object: verdict, headline, base and student (source, kind, model, items), margin, alpha,
    worst_score, best_score, findings (aspect, base, student, standing, message) and capabilities; each with result
    (verdict, reason, estimate, strict, adjusted_p ...), measure, exact_p, size_resolved, pairs_for_margin, lowest,
    highest, only_base, only_student, missing_base and missing_student.
    """
    from hydrometer.comparison import compare_counts
    from hydrometer.logs.base import Choice, Scale

    given = tuple(logs or ())
    if table is not None:
        if given:
            msg = f"--table and {given[0]}: give counts or logs, not both"
            raise UsageError(msg)
        if metric or filter_ or scorer or task or allow or (min_score, max_score) != (0.0, 1.0):
            msg = "--table holds counts of right and wrong: of the other options only --margin, --alpha and --json fit"
            raise UsageError(msg)
        _finish(compare_counts(*table, margin=margin, alpha=alpha), as_json=as_json)
    choice = Choice(
        metrics=tuple(metric or ()),
        filters=tuple(filter_ or ()),
        scorers=tuple(scorer or ()),
        tasks=tuple(task or ()),
    )
    columns = {"item": item_column, "task": task_column}
    scores = (score_column, score_column) if len(given) == 2 else (base_column, student_column)
    result = _compare_logs(
        given,
        scores,
        columns,
        choice,
        Scale(worst=min_score, best=max_score),
        margin=margin,
        alpha=alpha,
        allow=tuple(name.strip() for name in allow.split(",") if name.strip()),
    )
    _finish(result, as_json=as_json)


def _compare_logs(
    given: tuple[str, ...],
    scores: tuple[str, str],
    columns: dict[str, str],
    choice: Choice,
    scale: Scale,
    *,
    margin: float,
    alpha: float,
    allow: tuple[str, ...],
) -> ComparisonResult:
    from dataclasses import replace

    from hydrometer.comparison import compare_logs
    from hydrometer.logs.base import Columns, LogError
    from hydrometer.logs.reading import read_log

    if len(given) not in (1, 2):
        msg = (
            f"{len(given)} logs given: compare takes two logs, one table with a column per model, or --table"
        )
        raise UsageError(msg)
    base, student = (
        read_log(where, choice=choice, columns=Columns(score=score, **columns), scale=scale)
        for where, score in zip((given[0], given[-1]), scores, strict=True)
    )
    if len(given) == 1:
        if base.kind != "table":
            msg = f"{given[0]}: a log of {base.kind} holds one model: give the log of the other one as well"
            raise LogError(msg)
        base, student = replace(base, model=scores[0]), replace(student, model=scores[1])
    return compare_logs(base, student, margin=margin, alpha=alpha, scale=scale, allow=allow)


def _finish(result: ComparisonResult, *, as_json: bool) -> None:
    from rich.console import Console

    from hydrometer.canon import to_plain
    from hydrometer.report.comparison_text import print_comparison

    if as_json:
        typer.echo(json.dumps(to_plain(result), ensure_ascii=False))
    else:
        print_comparison(result, Console())
    raise typer.Exit(result.exit_code)
