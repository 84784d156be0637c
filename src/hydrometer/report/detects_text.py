"""The detection matrix as a table, for the terminal and for the documents."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from hydrometer.detects import ENOUGH, TOLERATED, Matrix
from hydrometer.stats.intervals import wilson_interval


def print_matrix(matrix: Matrix, console: Console) -> None:
    """Print one row per planted fault, then what was not measured."""
    table = Table("#", "detects", "what shows it", "planted fault", "in", "seen", "false alarms")
    for found in matrix.detections:
        table.add_row(
            str(found.row),
            found.detects,
            found.sees,
            found.fault,
            found.planted,
            _styled(share(found.seen, found.pairs), ok=found.seen >= ENOUGH * found.pairs),
            _styled(share(found.alarms, found.clean_pairs), ok=found.alarms <= TOLERATED * found.clean_pairs),
        )
    console.print(table)
    console.print(summary(matrix))
    for gap in matrix.missing:
        console.print(f"{gap.row} {gap.detects}: {gap.why}", markup=False, highlight=False)
    console.print(f"Measured by: {matrix.command}", markup=False, highlight=False)


def markdown(matrix: Matrix) -> str:
    """Return the tables of docs/detects.md."""
    lines = [
        "| # | detects | what shows it | planted fault | in | one audit | seen | clean pair | false alarms |",
        "| ---: | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for found in matrix.detections:
        cells = (
            str(found.row),
            found.detects,
            found.sees,
            found.fault,
            found.planted,
            found.sizes,
            _marked(share(found.seen, found.pairs), ok=found.seen >= ENOUGH * found.pairs),
            found.clean,
            _marked(share(found.alarms, found.clean_pairs), ok=found.alarms <= TOLERATED * found.clean_pairs),
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    lines += ["", summary(matrix), ""]
    lines += [f"- {gap.row}, {gap.detects}: {gap.why}" for gap in matrix.missing]
    return "\n".join(lines) + "\n"


def summary(matrix: Matrix) -> str:
    """Say how many planted faults reach both bounds, and name those that do not."""
    failed = [found.key for found in matrix.detections if not found.shown]
    text = (
        f"{len(matrix.detections) - len(failed)} of {len(matrix.detections)} planted faults are seen in at least "
        f"{ENOUGH:.0%} of the audits, with false alarms on at most {TOLERATED:.0%} of clean pairs."
    )
    return f"{text} Not reached: {', '.join(failed)}." if failed else text


def share(count: int, of: int) -> str:
    """Return a share with its 95 % Wilson interval, such as `39/40 (87 to 100 %)`."""
    low, high = wilson_interval(count, of)
    return f"{count}/{of} ({100 * float(low):.0f} to {100 * float(high):.0f} %)"


def _styled(text: str, *, ok: bool) -> str:
    return text if ok else f"[bold red]{text}[/]"


def _marked(text: str, *, ok: bool) -> str:
    return text if ok else f"**{text} !**"
