"""A simulation in a terminal: one row per rate, one column per way to audit, readable at 80 columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hydrometer.report import words
from hydrometer.report.terminal import ASCII_HEAD, is_plain
from hydrometer.result import Verdict
from hydrometer.simulate import Rates, Share, Simulation, World

_HEADS = {"sequential": "stops early", "fixed": "fixed size", "peeking": "peeking"}

_NOTES = (
    "! marks errors. [95 % Monte-Carlo interval, Wilson]. The first row counts audits, the others capabilities.",
    "Peeking is no way to audit: uncorrected tests at every look, stopped at the first that rejects.",
)


def print_simulation(result: Simulation, console: Console) -> None:
    """Print a simulation.

    Args:
        result: What was simulated.
        console: Where to; its width, colours and encoding are respected.
    """
    plain = is_plain(console)
    for line in setting_lines(result.world):
        console.print(Text(line), style="dim")
    console.print()
    table = Table(
        box=ASCII_HEAD if plain else box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0, 0, 1)
    )
    table.add_column("percent of cases", no_wrap=True)
    for rates in result.audits:
        table.add_column(_HEADS[rates.name], justify="right", no_wrap=True)
    for label, cell in _rows(result.world):
        table.add_row(Text(label), *(Text(cell(rates)) for rates in result.audits))
    console.print(table)
    console.print()
    for line in _NOTES[: 1 if len(result.audits) == 1 else 2]:
        console.print(Text(line), style="dim")


def setting_lines(world: World) -> Iterator[str]:
    """Yield what was simulated, in words."""
    capability = "capability" if world.capabilities == 1 else "capabilities"
    yield (
        f"{world.worlds:,} audits of {world.capabilities} {capability} with {world.items:,} items; "
        f"margin {words.margin_words(world.margin)} points, alpha {world.alpha:g}, seed {world.seed}"
    )
    parts = [f"models differ on {100 * world.discordance:g} % of the items"]
    if world.damaged:
        parts.append(
            f"{world.damaged} damaged by truly {words.points(world.difference)} points, the others sound"
        )
    else:
        parts.append("all sound: no true difference")
    if world.cluster_size > 1:
        parts.append(f"clusters of {world.cluster_size} items with correlation {world.icc:g}")
    if world.samples > 1:
        parts.append(f"{world.samples} samples per item")
    if world.missing:
        parts.append(f"{100 * world.missing:g} % of the replies without a score on each side")
    yield "; ".join(parts)


def _rows(world: World) -> Iterator[tuple[str, Callable[[Rates], str]]]:
    yield "any false better/worse", lambda r: _share(r.false_difference)
    if world.damaged:
        false = abs(world.difference) >= world.margin
        yield "damaged: found (power)", lambda r: _share(r.power)
        yield (
            f"damaged: equivalent{' !' if false else ''}",
            lambda r: _share(r.damaged[Verdict.EQUIVALENT]),
        )
        yield "damaged: left open", lambda r: _share(r.damaged[Verdict.NOT_ENOUGH])
    if world.damaged < world.capabilities:
        yield "sound: equivalent", _sound(Verdict.EQUIVALENT)
        yield "sound: better !", _sound(Verdict.BETTER)
        yield "sound: worse !", _sound(Verdict.WORSE)
        yield "sound: left open", _sound(Verdict.NOT_ENOUGH)
    yield "given up as hopeless", lambda r: _share(r.unlikely)
    yield "items asked", lambda r: f"{100 * r.items:.1f} +/- {196 * r.items_error:.1f}"


def _sound(verdict: Verdict) -> Callable[[Rates], str]:
    return lambda rates: _share(rates.sound[verdict])


def _share(share: Share | None) -> str:
    if share is None:
        return "-"
    value, low, high = (
        f"{100 * part:.1f}".replace("100.0", "100") for part in (share.value, share.low, share.high)
    )
    return f"{value} [{low}, {high}]"
