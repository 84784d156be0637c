"""A drift run in a terminal: the distance first, beside the base against itself, then where it lies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hydrometer.distances import Distance, Mean
from hydrometer.drift.result import DriftResult, Kept
from hydrometer.provenance import ModelIdentity
from hydrometer.report import words
from hydrometer.report.terminal import ASCII_HEAD, in_ascii, is_plain


def print_drift(result: DriftResult, console: Console, *, where: str = "") -> None:
    """Print a result.

    Args:
        result: What was found.
        console: Where to; its width, colours and encoding are respected.
        where: Where the JSON lies, `""` if nowhere.
    """
    plain = is_plain(console)

    def line(text: str, style: str = "") -> None:
        console.print(Text(in_ascii(text) if plain else text, style=style))

    line(f"base     {_who(result.base)}", "dim")
    line(f"student  {_who(result.student)}", "dim")
    console.print()
    for text in _words(result):
        line(text)
    head = ASCII_HEAD if plain else box.SIMPLE_HEAD
    if result.whole is not None:
        console.print()
        parts = [row for rows in (result.groups, result.sources, result.spans) for row in _several(rows)]
        rows = [result.whole, *parts, *([result.floor] if result.floor else [])]
        console.print(_table(rows, head))
        console.print()
        line("where they part most:", "bold")
        for place in result.places[:5]:
            shown = f"{_one_line(place.before)}[{_one_line(place.token)}]"
            shown = f"...{shown} ({words.line(place.document)})"
            line(f"  KL {place.kl:.2f}, {place.change:+.2f} nats for the text's token: {shown}")
    if where:
        console.print()
        line(f"numbers: {where}", "dim")


def _words(result: DriftResult) -> Iterator[str]:
    base, student = result.bits
    if result.whole is None:
        yield (
            "The two tokenizers differ, so tokens cannot be compared one by one; bits per byte of the same text can. "
            f"Base {base:.4f}, student {student:.4f} (lower: the text is less of a surprise)."
        )
    else:
        whole = result.whole
        yield (
            f"KL {'at least ' if result.kept else ''}{whole.kl.value:.4g} nats a token over {whole.tokens} tokens of "
            f"{whole.documents} documents; both find the same token most probable at {100 * whole.same.value:.1f} % "
            "of places."
        )
        if result.kept is not None:
            yield _kept(result.kept, whole)
        yield f"Bits per byte: base {base:.4f}, student {student:.4f}."
    if result.heat is not None:
        heat = result.heat
        yield (
            f"One temperature ({heat.temperature:.2f}) explains {100 * heat.explained:.0f} % of it: {heat.words}."
        )
    if result.cut:
        yield f"{result.cut} texts are longer than {result.window} tokens and were read in parts."


def _kept(kept: Kept, whole: Distance) -> str:
    asked = "The base was not asked again" if kept.reused else "The base's side is kept for the next student"
    where = f"{asked} ({kept.bytes / 1e6:.1f} MB)" if kept.bytes else "A server gives no whole distributions"
    text = (
        f"{where}: a lower bound, from the {kept.top_k} most probable tokens of each place; "
        f"{100 * (1 - kept.rest):.1f} % of the base's mass is told apart"
    )
    if whole.gap is None:
        return f"{text}."
    gap = whole.gap
    if gap.low is None or gap.high is None:
        return f"{text}; it lacks about {words.nats(gap.value)}, estimated from draws of the rest."
    interval = f"{words.nats(gap.low)}..{words.nats(gap.high)}"
    return (
        f"{text}. By draws from the rest it lacks {words.nats(gap.value)} (95 % {interval}), "
        f"which puts KL at {whole.kl.value + gap.value:.4g}."
    )


def _table(rows: Sequence[Distance], head: box.Box) -> Table:
    table = Table(box=head, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("texts", min_width=10)
    for name in ("tokens", "KL", "95 %", "same top", "KL > 1", "p99", "largest"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            Text(words.line(row.name)),
            str(row.tokens),
            words.nats(row.kl.value),
            _interval(row.kl),
            f"{100 * row.same.value:.1f} %",
            f"{100 * row.large.value:.1f} %",
            words.nats(row.quantiles[2]),
            words.nats(row.quantiles[4]),
        )
    return table


def _several(rows: Sequence[Distance]) -> Sequence[Distance]:
    return rows if len(rows) > 1 else ()


def _interval(mean: Mean) -> str:
    if mean.low is None or mean.high is None:
        return "one text"
    return f"{words.nats(max(mean.low, 0.0))}..{words.nats(mean.high)}"


def _one_line(text: str) -> str:
    return words.line(text) or repr(text)


def _who(identity: ModelIdentity) -> str:
    return words.line(f"{identity.label}: {identity.precision}, {identity.engine_version}")
