"""The map of weights as reports draw it: a row per role, a column per layer, a digit and a shade per cell.

The digit says the same as the shade, so the map reads without colour vision, in print, and aloud. It localises; it is
no score of damage, for how far weights moved does not say what was lost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from hydrometer.checkpoint.weightmap import WeightCell
from hydrometer.report import words

LEVELS = (1e-4, 1e-3, 1e-2, 1e-1)
"""Distances from which a cell has the next digit; below the first it is 1, identical weights are 0."""

_MOST_ROWS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class MapCell:
    """One role in one layer.

    Attributes:
        level: 0 for identical, 1 to 5 for how far it moved, -1 where there is no such weight.
        symbol: The same as one character.
        title: Distance and rank in words.
    """

    level: int
    symbol: str
    title: str


_EMPTY = MapCell(level=-1, symbol="", title="")


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRow:
    """One role: its cells and what holds over all of them."""

    name: str
    cells: tuple[MapCell, ...]
    moved: str
    distance: str
    rank: str
    share: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MapView:
    """The map.

    Attributes:
        sentence: What it shows, in words.
        layers: Heads of the columns; the first stands for weights outside of layers.
        rows: One per role.
        legend: Level, digit and meaning.
        note: What is left out, `""` for nothing.
    """

    sentence: str
    layers: tuple[str, ...]
    rows: tuple[MapRow, ...]
    legend: tuple[MapCell, ...]
    note: str


def build_map(cells: Sequence[WeightCell]) -> MapView | None:
    """Return the map of what was compared, None where nothing was."""
    known = [cell for cell in cells if cell.group]
    if not known:
        return None
    layers = (-1, *range(1 + max(cell.layer for cell in known)))
    roles: dict[tuple[str, str], dict[int, WeightCell]] = {}
    for cell in sorted(known, key=lambda cell: (cell.group != "text", cell.group, cell.role)):
        roles.setdefault((cell.group, cell.role), {})[cell.layer] = cell
    shown = list(roles.items())[:_MOST_ROWS]
    return MapView(
        sentence=map_sentence(known),
        layers=tuple("" if layer < 0 else str(layer) for layer in layers),
        rows=tuple(_row(group, role, found, layers) for (group, role), found in shown),
        legend=_legend(),
        note=_note(len(roles) - len(shown), sum(not cell.group for cell in cells)),
    )


def map_sentence(cells: Sequence[WeightCell]) -> str:
    """Say in words what the map shows: how much moved, where most of the change lies."""
    total, moved = sum(cell.weights for cell in cells), sum(cell.moved for cell in cells)
    if not moved:
        return f"None of {total:,} weights that were compared moved."
    text = f"{moved:,} of {total:,} weights that were compared moved."
    inner = [cell for cell in cells if cell.group == "text" and cell.layer >= 0]
    depth = 1 + max((cell.layer for cell in inner), default=-1)
    if depth < 3:
        return text
    thirds = [[c for c in inner if c.layer * 3 // depth == third] for third in range(3)]
    parts = [
        f"the {name} {_percent(sum(c.share for c in part))} of the change and {_percent(sum(c.size for c in part))} "
        "of all values"
        for name, part in zip(("first third of the layers has", "middle", "last"), thirds, strict=True)
    ]
    return f"{text} In squares {parts[0]}, {parts[1]}, {parts[2]}."


def _row(group: str, role: str, found: dict[int, WeightCell], layers: Sequence[int]) -> MapRow:
    mine = list(found.values())
    relatives = [cell.relative for cell in mine if cell.moved and cell.relative is not None]
    ranks = [cell.rank for cell in mine if cell.rank is not None]
    low = sorted({rank for rank in ranks if rank})
    return MapRow(
        name=words.line(role if group == "text" else f"{group}: {role}", 60),
        cells=tuple(_cell(found[layer]) if layer in found else _EMPTY for layer in layers),
        moved=f"{sum(cell.moved for cell in mine)}/{sum(cell.weights for cell in mine)}",
        distance=f"{median(relatives):.2g}" if relatives else "0",
        rank=", ".join(map(str, low)) if low else "none low" if ranks else words.NONE,
        share=_percent(sum(cell.share for cell in mine)),
    )


def _cell(cell: WeightCell) -> MapCell:
    if not cell.moved:
        return MapCell(level=0, symbol="·", title="identical")
    if cell.relative is None:
        return MapCell(level=5, symbol="5", title="moved from zero")
    level = 1 + sum(cell.relative >= edge for edge in LEVELS)
    rank = "" if cell.rank is None else f", rank {cell.rank}" if cell.rank else ", no low rank"
    several = f", {cell.moved} of {cell.weights} experts" if cell.weights > 1 else ""
    return MapCell(level=level, symbol=str(level), title=f"distance {cell.relative:.2g}{rank}{several}")


def _legend() -> tuple[MapCell, ...]:
    edges = [f"{edge:g}" for edge in LEVELS]
    texts = ["identical", f"below {edges[0]}"]
    texts += [f"{low} to {high}" for low, high in pairwise(edges)]
    texts += [f"{edges[-1]} or more"]
    return tuple(MapCell(level=n, symbol=str(n) if n else "·", title=text) for n, text in enumerate(texts))


def _note(rows: int, unknown: int) -> str:
    parts = [f"{rows} further roles are in the JSON"] if rows else []
    parts += [f"{unknown} tensors of unknown meaning are left out"] if unknown else []
    return "; ".join(parts)


def _percent(share: float) -> str:
    return f"{share:.0%}" if math.isfinite(share) else words.NONE
