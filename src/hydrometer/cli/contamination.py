"""`hydrometer contamination`: is what an audit shows inflated by what the student was trained on?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from hydrometer.errors import UsageError


def contamination(
    audit: Annotated[Path, typer.Argument(help="Folder of a finished audit, of public items where twins are given.")],
    data: Annotated[
        list[str] | None,
        typer.Option(help="Training data: .jsonl, .parquet, .json, folder, or hub id of a data set; may be repeated."),
    ] = None,
    fresh: Annotated[
        list[Path] | None,
        typer.Option(help="Audit of the same pair and tasks with another --seed: fresh twins; may be repeated."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print everything as JSON on standard output.")
    ] = False,
) -> None:
    """Look for an audit's items in training data, and compare public items with twins drawn afresh.

    Both are answered as inflation with an interval: how much more the student gains over its base on items that it may
    have seen. Exit status 10 if some inflation is shown, 0 else: items found are no harm by themselves.
    """
    from rich.console import Console

    from hydrometer.canon import to_plain
    from hydrometer.contamination.inflation import by_overlap, by_twins
    from hydrometer.contamination.overlap import Question, question_text, search
    from hydrometer.contamination.training import Tally, find_files, read_documents
    from hydrometer.report.contamination_text import print_inflation, print_overlap
    from hydrometer.verify import load_report

    if data and not all(map(str.strip, map(str, data))):
        msg = "--data is empty: give a file, a folder ('.' for this one) or the hub id of a data set"
        raise UsageError(msg)
    if not data and not fresh:
        msg = "nothing to compare with: give --data FILE (training data), --fresh AUDIT (another seed), or both"
        raise UsageError(msg)
    result, tally, console = load_report(audit), Tally(), Console()
    # What is wrong with them is said before the training data is read, which may take long.
    others = [load_report(path) for path in fresh or ()]
    for other in others:
        if (other.base.identity, other.student.identity) != (result.base.identity, result.student.identity):
            msg = "an audit given with --fresh is of other models than the first: twins must be asked of the same pair"
            raise UsageError(msg)
    twins = by_twins(result, others)
    if others and not twins:
        msg = "the audits given with --fresh hold no twin of any item: give the same tasks with another --seed"
        raise UsageError(msg)
    questions = [Question(item_id=i.item_id, task=i.task, text=question_text(i.messages)) for i in result.items]
    found = search(questions, read_documents(find_files(data), tally)) if data else ()
    overlap = by_overlap(result, {row.item_id for row in found}) if data else ()
    if as_json:
        plain = {"tally": to_plain(tally), "items": len(questions), "found": to_plain(found)}
        typer.echo(json.dumps({**plain, "overlap": to_plain(overlap), "twins": to_plain(twins)}, ensure_ascii=False))
    else:
        if data:
            print_overlap(found, len(questions), tally, console)
            print_inflation(overlap, ("found", "clean"), console)
        if others:
            print_inflation(twins, ("public", "twin"), console)
    raise typer.Exit(10 if any(row.low is not None and row.low > 0 for row in (*overlap, *twins)) else 0)


def twins(
    file: Annotated[
        Path,
        typer.Argument(help="Published word problems, .jsonl as GSM8K has them: question, and answer with <<marks>>."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the public items and their twins, one folder per set.")],
    copies: Annotated[int, typer.Option(help="Twins per item; four show more than one.", min=1, max=20)] = 1,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the new numbers.", show_default="drawn, so that the twins are fresh")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON on standard output.")] = False,
) -> None:
    """Make fresh twins of published word problems: other numbers in the same text, the answer worked out again.

    An item whose computation cannot be traced to the numbers of its question without doubt is left out and counted.
    Audit the folders with --task, and give the audits to `hydrometer contamination`.
    """
    import secrets

    from hydrometer.contamination.exchanged import make_twins, read_rows
    from hydrometer.report.json_report import write_file

    rows = read_rows(file)
    made = make_twins(rows, copies, secrets.randbits(48) if seed is None else seed)
    if not made.public:
        reasons = "; ".join(f"{count:,} {why}" for why, count in made.left_out.most_common(3)) or "it holds no rows"
        msg = f"{file}: no item can be given a twin ({reasons})"
        raise UsageError(msg)
    sets = {"public": made.public, **{f"fresh-{i}": one for i, one in enumerate(made.twins, start=1)}}
    for name, items in sets.items():
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        write_file(folder / f"{file.stem}.jsonl", "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in items))
    if as_json:
        typer.echo(json.dumps({"items": len(rows), "with_twins": len(made.public), "left_out": dict(made.left_out)}))
        return
    typer.echo(f"{len(made.public):,} of {len(rows):,} items have {copies} twin{'s' if copies > 1 else ''} in {out}")
    for why, count in made.left_out.most_common():
        typer.echo(f"  left out, {why}: {count:,}")
    for name in sets:
        asked = f"--task {out / name / file.stem}.jsonl --fixed --items {len(made.public)}"
        typer.echo(f"hydrometer audit BASE STUDENT {asked} --out {name}")
    typer.echo("hydrometer contamination public " + " ".join(f"--fresh {name}" for name in list(sets)[1:]))
