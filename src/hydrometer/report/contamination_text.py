"""What was found of an audit's items in training data, and the inflation, in a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from hydrometer.contamination.inflation import Inflation
from hydrometer.contamination.overlap import Found, Way
from hydrometer.contamination.training import Tally
from hydrometer.report import words
from hydrometer.report.terminal import in_ascii, is_plain

SHOWN = 10
"""Found items that are listed; `--json` has them all."""


def print_overlap(found: Sequence[Found], items: int, tally: Tally, console: Console) -> None:
    """Print how many items were found, how, and where the first ones stand."""
    counts = Counter(row.way for row in found)
    ways = ", ".join(f"{counts[way]:,} {way.value}" for way in Way if counts[way])
    lead = f"{len(found):,} of {items:,} items stand in {tally.documents:,} documents"
    _show(f"{lead}: {ways}" if ways else lead, console, "bold")
    for row in found[:SHOWN]:
        more = f" and {row.documents - 1:,} more" if row.documents > 1 else ""
        place = f"{row.way.value}, {words.line(row.place, 200)}{more}"
        _show(f"  {words.name(row.task)} {row.item_id[:12]}: {place}", console)
        _show(f"    \u201c{words.line(row.quote, 160)}\u201d", console, "dim")
    if len(found) > SHOWN:
        _show(f"  and {len(found) - SHOWN:,} more: --json lists them", console)
    if tally.bad:
        _show(f"{tally.bad:,} rows could not be read, first {words.line(tally.first_bad, 300)}", console, "yellow")


def print_inflation(rows: Sequence[Inflation], kinds: tuple[str, str], console: Console) -> None:
    """Print the inflation per capability; `kinds` name the two kinds of items, such as `found` and `clean`."""
    for row in rows:
        name = words.name(row.capability) or "all items"
        counts = f"{row.n_seen:,} {kinds[0]} and {row.n_fresh:,} {kinds[1]} items"
        if row.inflation is None or row.low is None or row.high is None or row.p_value is None:
            _show(f"{name}: no inflation can be told from {counts} that both answered", console)
            continue
        shown = "inflated" if row.low > 0 else "no inflation shown"
        _show(
            f"{name}: {shown}: {100 * row.inflation:+.1f} points [{100 * row.low:.1f}, {100 * row.high:.1f}] "
            f"on {counts}: "
            f"student minus base {100 * (row.seen or 0.0):+.1f} against {100 * (row.fresh or 0.0):+.1f}, "
            f"one-sided p = {row.p_value:.2g} ({row.method})",
            console,
            "bold red" if row.low > 0 else "",
        )


def _show(text: str, console: Console, style: str = "") -> None:
    console.print(Text(in_ascii(text) if is_plain(console) else text, style=style))
