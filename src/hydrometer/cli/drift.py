"""`hydrometer drift`: how far two models' distributions over the next token are apart on the same texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hydrometer.errors import UsageError

if TYPE_CHECKING:
    from hydrometer.drift.replies import StoredReply

TOP_K = 128
"""`drift.cache.TOP_K`, which is not imported for `--help`; a test holds them equal."""


def drift(  # noqa: PLR0913 - one parameter per documented option
    base: Annotated[
        str,
        typer.Argument(
            help="The plain model: .gguf file, checkpoint folder, hub id or bundled:base; +ADAPTER adds a LoRA "
            "adapter. hf: before it reads a .gguf file with transformers."
        ),
    ],
    student: Annotated[str, typer.Argument(help="The distillation made from it, in the same forms.")],
    text: Annotated[
        Path | None,
        typer.Option(help="Texts to read: a text file, or .jsonl with `text` and `group`; else those that come along."),
    ] = None,
    audit: Annotated[
        Path | None,
        typer.Option(help="Folder of an audit: read its stored replies of both models, by capability and by span."),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            help="File of the base's side, written if it is not there: the next student asks the base nothing. "
            "Divergences are lower bounds then, with what they lack."
        ),
    ] = None,
    top_k: Annotated[int, typer.Option(help="Tokens of each place that --cache keeps.")] = TOP_K,
    kld: Annotated[
        Path | None,
        typer.Option(help="A .kld file of llama-perplexity (--kl-divergence-base) in the base's place, for --text."),
    ] = None,
    write_kld: Annotated[
        Path | None, typer.Option(help="Write such a file with the base's side of --text.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for drift.json.")] = Path("hydrometer-out"),
    threads: Annotated[int, typer.Option(help="Processor threads; 0 for all.")] = 0,
    context: Annotated[int, typer.Option(help="Tokens read at once, if more than 512; 0 for 512.")] = 0,
    dtype: Annotated[str, typer.Option(help="Weight dtype of the hf engine: auto, float32, bfloat16.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")] = False,
) -> None:
    """Let both models read the same texts and measure where their next-token distributions part, token by token.

    Over the whole vocabulary, or what --cache keeps of it, beside the base against itself. It is a distance and no
    verdict: exit status 0.
    """
    from rich.console import Console

    from hydrometer.api import environment
    from hydrometer.cli.progress import TerminalProgress
    from hydrometer.drift.result import to_json
    from hydrometer.drift.run import drift as run
    from hydrometer.engines.base import EngineSettings
    from hydrometer.report.drift_text import print_drift
    from hydrometer.report.json_report import write_file

    if text is not None and audit is not None:
        msg = "--text and --audit both say what is read: give one of them"
        raise UsageError(msg)
    replies = _stored(audit) if audit is not None else ()
    settings = EngineSettings(threads=threads, context=context, dtype=dtype)
    with TerminalProgress() as progress:
        result = run(
            base,
            student,
            text=text,
            replies=replies,
            cache=cache,
            top_k=top_k,
            kld=kld,
            write_kld=write_kld,
            settings=settings,
            progress=progress,
            environment=environment(),
        )
    found = json.dumps(to_json(result), ensure_ascii=False, allow_nan=False)
    place = write_file(out / "drift.json", found + "\n")
    if as_json:
        typer.echo(found)
    else:
        print_drift(result, Console(), where=str(place))


def _stored(folder: Path) -> tuple[StoredReply, ...]:
    from hydrometer.drift.replies import stored_replies
    from hydrometer.store import Store
    from hydrometer.verify import evidence_of, find_reports, load_report

    report = find_reports(folder)[0]
    with Store(evidence_of(report), read_only=True) as store:
        return stored_replies(load_report(report), store)
