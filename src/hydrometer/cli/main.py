"""The command line: parse, call one function, print. Errors are one line; exit statuses are documented.

0   equivalent or better           1   the run could not go on
10  worse                          2   the command is wrong
11  not enough evidence            12  the setup was not comparable
130 stopped by Ctrl-C
"""

from __future__ import annotations

import errno
import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from hydrometer.cli.bundle import bundle, unbundle
from hydrometer.cli.claims import claims
from hydrometer.cli.compare import compare
from hydrometer.cli.contamination import contamination, twins
from hydrometer.cli.detects import detects
from hydrometer.cli.drift import drift
from hydrometer.cli.inspect_ import inspect
from hydrometer.cli.plan import plan
from hydrometer.cli.registry import registry
from hydrometer.cli.simulate import simulate
from hydrometer.errors import HydrometerError, UnknownNameError, UsageError
from hydrometer.version import __version__

app = typer.Typer(
    name="hydrometer",
    help="Audit a distilled language model against the base it came from.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    epilog="Exit status: 0 equivalent or better, 10 worse, 11 not enough evidence, 12 setup not comparable, "
    "2 wrong command, 1 the run could not go on.",
)

Model = Annotated[str, typer.Argument(show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Folder = Annotated[
    Path, typer.Argument(show_default=True, help="Folder of one audit, or the --out folder of several.")
]
Out = Annotated[Path, typer.Option("--out", help="Folder of the evidence and the reports.")]


def main() -> None:
    """Run the command line; every known error becomes one line and its exit status."""
    try:
        # Outside of standalone mode an Exit comes back as its status, and errors come through as they are.
        sys.exit(app(prog_name="hydrometer", standalone_mode=False) or 0)
    except HydrometerError as error:
        _fail(str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        _fail("stopped; every answer so far is kept: rerun the same command to go on", 130)
    except OSError as error:
        # A name that no file can have, a place that may not be read: for the reader to mend, wherever it came up.
        if error.errno not in {errno.ENAMETOOLONG, errno.EACCES}:
            raise
        _fail(f"cannot open {str(error.filename)[:200]}: {error.strerror}", 1)
    except Exception as error:
        # Usage errors of the parser carry their own message and status; anything else is a defect and keeps its trace.
        show, code = getattr(error, "show", None), getattr(error, "exit_code", None)
        if show is None or code is None:
            raise
        show()
        sys.exit(code)


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Audit a distilled language model against the base it came from."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


@app.command()
def audit(  # noqa: PLR0913 - one parameter per documented option
    base: Annotated[
        str,
        typer.Argument(
            help="The plain model: .gguf file, checkpoint folder, hub id, "
            "http(s)://host/v1#name, bundled:base; +ADAPTER adds a LoRA adapter."
        ),
    ],
    student: Annotated[str, typer.Argument(help="The distillation made from it, in the same forms.")],
    suite: Annotated[str, typer.Option(help="Size of the audit: quick, standard or full.")] = "quick",
    task: Annotated[
        list[str] | None,
        typer.Option(help="Only this task, a .jsonl file of own questions, or lm_eval:NAME[@FOLDER]; may be repeated."),
    ] = None,
    items: Annotated[int, typer.Option(help="Items per task; 0 for the suite's own numbers.")] = 0,
    margin: Annotated[
        float, typer.Option(help="Largest loss that still counts as equivalent, 0.03 = 3 points.")
    ] = 0.03,
    alpha: Annotated[
        float, typer.Option(help="Error rate: two-sided of better and worse, one-sided of equivalent.")
    ] = 0.05,
    fixed: Annotated[
        bool, typer.Option("--fixed", help="Ask every item; do not stop where the verdict stands.")
    ] = False,
    budget: Annotated[
        str, typer.Option(help="Most it may cost: 600items, 2Mtokens (of replies) or 30min.")
    ] = "",
    floor: Annotated[
        bool, typer.Option("--floor", help="First ask the base twice, to measure the noise of decoding.")
    ] = False,
    teacher: Annotated[
        str,
        typer.Option(help="The model it was distilled from, or a .jsonl file of its replies: style against ability."),
    ] = "",
    drift_too: Annotated[
        bool,
        typer.Option("--drift", help="Then let both models read all replies: where their distributions part."),
    ] = False,
    card: Annotated[
        str, typer.Option(help="Card of the student (README.md, folder, hub id, claims.yaml): its claims are answered.")
    ] = "",
    max_tokens: Annotated[int, typer.Option(help="Cap of reply tokens; 0 for each task's own.")] = 0,
    sampling: Annotated[str, typer.Option(help="auto, greedy or vendor.")] = "auto",
    template: Annotated[
        str,
        typer.Option(
            help="Chat template: own; base or student to render both with one; 2x2 to tell its share from the weights'."
        ),
    ] = "own",
    thinking: Annotated[
        str,
        typer.Option(help="default, on, off, or both: an audit of each, with the vendor's sampling for it."),
    ] = "default",
    allow: Annotated[
        str,
        typer.Option(
            help="Differences that are meant, comma-separated: template, precision, "
            "engine, tokenizer, context, identity, lineage."
        ),
    ] = "",
    inspect_files: Annotated[
        bool, typer.Option("--inspect/--no-inspect", help="First read the files of both models, where they have any.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Seed of items and of sampled replies.")] = 0,
    out: Out = Path("hydrometer-out"),
    threads: Annotated[int, typer.Option(help="Processor threads; 0 for all.")] = 0,
    slots: Annotated[int, typer.Option(help="Requests decoded together; 0 for the engine's choice.")] = 0,
    context: Annotated[
        int, typer.Option(help="Window per request in tokens; 0 for what the plan needs.")
    ] = 0,
    dtype: Annotated[
        str, typer.Option(help="Weight dtype of the hf engine: auto, float32, bfloat16.")
    ] = "auto",
    concurrency: Annotated[int, typer.Option(help="Largest number of requests in flight to a server.")] = 32,
    timeout: Annotated[float, typer.Option(help="Seconds a server may take for one reply.")] = 600.0,
    batch: Annotated[
        bool, typer.Option("--batch", help="Ask a provider's batch API: within a day, at a lower price; resumable.")
    ] = False,
    cluster: Annotated[
        str, typer.Option(help="Ask on all nodes of a Ray cluster: auto, ray://HOST:10001 or HOST:6379.")
    ] = "",
    fail_on: Annotated[
        str,
        typer.Option(
            help="Exit with 0 except on worse, on not-enough (or worse), or on changed (a capability better or worse). "
            "Without it every verdict has its own status."
        ),
    ] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Show the replies as they come, below the intervals.")] = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="Show the run on a page of this machine, too; its address is printed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Ask both models the same items and judge every capability."""
    from hydrometer.engines.base import EngineSettings

    settings = EngineSettings(
        threads=threads,
        slots=slots,
        context=context,
        dtype=dtype,
        concurrency=concurrency,
        timeout=timeout,
        cluster=cluster,
        batch=batch,
    )
    options: dict[str, Any] = {
        "suite": suite,
        "tasks": task or (),
        "items": items,
        "margin": margin,
        "alpha": alpha,
        "fixed": fixed,
        "budget": budget,
        "floor": floor,
        "teacher": teacher,
        "max_tokens": max_tokens,
        "sampling": sampling,
        "template": template,
        "thinking": thinking,
        "seed": seed,
        "inspect": inspect_files,
        "drift": drift_too,
        "allow": [name.strip() for name in allow.split(",") if name.strip()],
        "settings": settings,
    }
    _run_audit(base, student, out, options, as_json=as_json, fail_on=fail_on, card=card, sight=(watch, serve))


@app.command()
def demo(out: Out = Path("hydrometer-demo"), as_json: Json = False) -> None:
    """Audit the bundled distillation against its base: a real audit, about two minutes on two cores."""
    from hydrometer.refs import bundled_adapter

    _run_audit("bundled:base", "bundled:student", out, {}, as_json=as_json, card=str(bundled_adapter()))


@app.command()
def show(folder: Folder = Path("hydrometer-out"), as_json: Json = False) -> None:
    """Show the newest audit of a folder again; asks no model anything."""
    from hydrometer.verify import find_reports, load_report

    path = find_reports(folder)[0]
    _print_result(load_report(path), path.parent, as_json=as_json)


@app.command()
def report(
    folder: Folder = Path("hydrometer-out"),
    face: Annotated[
        str, typer.Option("--format", help="html, markdown (model card), junit, badge, model-index or eval-results.")
    ] = "html",
    as_json: Json = False,
) -> None:
    """Write a report of the newest audit again, or another face of it, and print where it is."""
    from hydrometer.report.faces import FACES
    from hydrometer.report.json_report import write, write_file
    from hydrometer.verify import find_reports, load_report

    path = find_reports(folder)[0]
    result = load_report(path)
    if face == "html":
        write(result, path.parent)
        page = path.parent / "report.html"
    elif face in FACES:
        name, make = FACES[face]
        page = write_file(path.parent / name, make(result))
    else:
        raise UnknownNameError.among("format", face, ["html", *FACES])
    typer.echo(json.dumps({face: str(page), "json": str(path)}) if as_json else str(page))


@app.command()
def verify(folder: Folder = Path("hydrometer-out"), as_json: Json = False) -> None:
    """Derive digests, grades and verdicts again from the raw replies, without a model."""
    from hydrometer.canon import to_plain
    from hydrometer.verify import verify_folder

    found = verify_folder(folder)
    if as_json:
        typer.echo(json.dumps(to_plain(found)))
    else:
        for problem in found.problems:
            typer.echo(problem, err=True)
        typer.echo(
            f"{found.completions} replies, {found.grades} grades and {found.reports} reports derived again: "
            + ("all match" if not found.problems else f"{len(found.problems)} problems")
        )
    raise typer.Exit(1 if found.problems else 0)


@app.command()
def tasks(as_json: Json = False) -> None:
    """List the tasks with their capability, and the suites."""
    from hydrometer.cli.listing import list_tasks

    list_tasks(as_json=as_json)


app.command()(bundle)
app.command()(claims)
app.command()(compare)
app.command()(contamination)
app.command()(twins)
app.command()(detects)
app.command()(drift)
app.command()(inspect)
app.command()(plan)
app.command()(simulate)
app.command()(unbundle)
app.add_typer(registry)


def _run_audit(
    base: str,
    student: str,
    out: Path,
    options: dict[str, Any],
    *,
    as_json: bool,
    fail_on: str = "",
    card: str = "",
    sight: tuple[bool, bool] = (False, False),
) -> None:
    from hydrometer.api import audit as run
    from hydrometer.api import audit_folder, worst_code
    from hydrometer.claims.opening import open_card
    from hydrometer.cli.live import watching
    from hydrometer.verdict import GATES, gate

    for name, known in (
        ("sampling", "auto greedy vendor"),
        ("template", "own base student 2x2"),
        ("thinking", "default on off both"),
    ):
        if options.get(name, known.split()[0]) not in known.split():
            msg = f"--{name} {options[name]!r}: must be one of {', '.join(known.split())}"
            raise UsageError(msg)
    if fail_on not in ("", *GATES):
        raise UnknownNameError.among("--fail-on", fail_on, GATES)
    # A card that cannot be read is said before hours of asking, not after.
    read = open_card(card) if card else None
    thinking = options.pop("thinking", "default")
    results = []
    for leg in ("on", "off") if thinking == "both" else (thinking,):
        with watching(*sight) as progress:
            result = run(
                base, student, thinking=leg, out=out, progress=progress, command=_command(), card=read, **options
            )
        results.append(result)
        if not as_json:
            _print_result(result, audit_folder(out, result), as_json=False)
    if as_json:
        _print_json(results)
    elif read:
        _print_claims(read, results[0])
    raise typer.Exit(worst_code([gate(r, fail_on) if fail_on else r.exit_code for r in results]))


def _print_result(result: Any, folder: Path, *, as_json: bool) -> None:
    from rich.console import Console

    from hydrometer.report.text import print_report

    if as_json:
        _print_json([result])
        return
    print_report(result, Console(), where=str(folder / "report.html"))


def _print_json(results: list[Any]) -> None:
    """Print one result as an object; the legs of several under the thinking they were asked with."""
    from hydrometer.report.json_report import to_json

    legs = {result.spec.thinking.value: to_json(result) for result in results}
    typer.echo(json.dumps(legs if len(legs) > 1 else next(iter(legs.values())), ensure_ascii=False))


def _print_claims(card: Any, result: Any) -> None:
    from rich.console import Console

    from hydrometer.claims.evidence import answer
    from hydrometer.report.claims_text import print_claims

    print_claims(card, answer(card, result), Console(), brief=True)


def _command() -> str:
    return shlex.join(["hydrometer", *sys.argv[1:]])


def _fail(message: str, code: int) -> None:
    from rich.console import Console

    Console(stderr=True, highlight=False).print(f"[bold red]error:[/] {_escape(message)}", soft_wrap=True)
    sys.exit(code)


def _escape(text: str) -> str:
    return text.replace("[", r"\[")
