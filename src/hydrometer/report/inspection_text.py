"""An inspection in a terminal: the answers first, then what moved, part by part."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hydrometer.inspection import Inspection, Side, lineage_words
from hydrometer.report import words
from hydrometer.report.files_view import TITLES
from hydrometer.report.terminal import ASCII_HEAD, STYLES, in_ascii, is_plain

_COLOURS = {
    "unsafe": STYLES["worse"],
    "confirmed": STYLES["better"],
    "contradicted": STYLES["worse"],
    "insufficient": STYLES["not-enough"],
    "not testable from files": "dim",
}


def print_inspection(result: Inspection, console: Console) -> None:
    """Print an inspection.

    Args:
        result: What was found.
        console: Where to; its width, colours and encoding are respected.
    """
    plain = is_plain(console)
    head = ASCII_HEAD if plain else box.SIMPLE_HEAD
    _line(console, f"base     {side_line(result.base)}", "dim", plain=plain)
    _line(console, f"student  {side_line(result.student)}", "dim", plain=plain)
    for question in result.questions:
        console.print()
        title = Text(f"{TITLES.get(question.name, question.name)}: ", style="bold")
        console.print(title.append(question.answer.upper(), style=_COLOURS[question.answer]))
        _line(console, f"  {question.text}", "", plain=plain)
        for line in beside_lines(result, question.name):
            _line(console, f"    - {line}", "", plain=plain)
    for line in more_lines(result):
        _line(console, line, "", plain=plain)
    if result.edit is not None and result.edit.touched:
        console.print()
        console.print(_moved(result, head))


def beside_lines(result: Inspection, name: str) -> Iterator[str]:
    """What stands under an answer: the values of what was contradicted, and the lines of risks."""
    for topic in result.surface.topics:
        for finding in topic.findings if topic.name == name else ():
            if finding.answer in ("contradicted", "insufficient") and (finding.base or finding.student):
                values = (finding.base or "nothing", finding.student or "nothing")
                yield f"{finding.name}: {values[0]} in the base, {values[1]} in the student"
    if name == "recipe":
        yield from (f"{risk.file}:{risk.line}: {risk.text}" for risk in result.surface.risks)


def _line(console: Console, text: str, style: str, *, plain: bool) -> None:
    # What stands in a stranger's files must not reach the terminal as a command.
    safe = words.block(text).replace("\n", " ")
    shown = in_ascii(safe) if plain else safe
    indent = len(shown) - len(shown.lstrip())
    for part in Text(shown.lstrip(), style=style).wrap(console, max(20, console.width - indent)):
        part.rstrip()
        console.print(Text(" " * indent).append_text(part), soft_wrap=True)


def side_line(side: Side) -> str:
    """Return one model in a line: tensors, layers, format, size."""
    size = f"{side.nbytes / 1e9:.2f} GB" if side.nbytes >= 1e9 else f"{side.nbytes / 1e6:.1f} MB"
    return f"{side.reference}: {side.tensors} tensors, {side.layers} layers, mostly {side.dtype}, {size}"


def more_lines(result: Inspection) -> Iterator[str]:
    """Faults behind the first, notes, candidates, remarks."""
    if result.candidates:
        yield ""
        yield "candidates, the nearest first:"
        for found in result.candidates:
            yield f"  {found.base}: {found.word}; {lineage_words(found)}"
    if result.readings:
        yield ""
        yield "where it moved; these numbers localise, and say nothing of what was lost:"
        yield from (f"  - {reading.text}" for reading in result.readings)
    rest = [*result.ledger.faults[1:], *result.ledger.notes, *result.remarks]
    if rest:
        yield ""
    yield from (f"- {line}" for line in rest)


def _moved(result: Inspection, head: box.Box) -> Table:
    table = Table(box=head, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name, justify in (("weights", "left"), ("moved", "right"), ("distance", "right"), ("rank", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    edit = result.edit
    if edit is None:
        return table
    low = edit.low_rank_roles()
    looked = {str(place.role) for place in edit.ranks}
    for role, (moved, count) in edit.roles().items():
        mine = [
            c.relative for c in edit.touched if c.place.role == role.split(".", 1)[-1] or c.place.role == role
        ]
        distance = f"{np.median(mine):.2g}" if mine else "0"
        rank = str(low[role]) if role in low else "none" if role in looked and edit.kind != "merge" else ""
        table.add_row(Text(role), f"{moved}/{count}", distance, rank)
    return table
