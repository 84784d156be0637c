"""The change of all weights as a map, layer by role: where training went, not how good or bad it was.

A cell says how many of its weights moved, how far, and of which rank the change is. Experts of a layer share a cell.
No score of damage comes from this: how far weights moved does not say what was forgotten (arXiv 2509.04259).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hydrometer.checkpoint.changes import Change
from hydrometer.checkpoint.edits import Edit
from hydrometer.checkpoint.names import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightCell:
    """The weights of one role in one layer.

    Attributes:
        group: Part of the model, such as `text` or `vision`; `""` for names that no table knows.
        layer: Number of the layer, -1 outside of layers.
        role: What they do, such as `mlp.up_proj`.
        weights: How many there are: one, or the experts that were compared.
        moved: How many differ anywhere in what was compared.
        relative: Median distance of those that moved as a share of the base's norm; None where that norm is 0.
        changed: Share of the compared values that differ.
        share: Share of the whole change, in squares of the distance, as if what was compared stood for the rest.
        size: Share of all values of the model that lie here.
        rank: Rank of the change, 0 if it has no low one, None if that was not looked at.
    """

    group: str
    layer: int
    role: str
    weights: int
    moved: int
    relative: float | None
    changed: float
    share: float
    size: float
    rank: int | None


def weight_map(edit: Edit) -> tuple[WeightCell, ...]:
    """Return the map of what was compared, sorted by part, layer and role."""
    cells: dict[tuple[str, int, str], list[Change]] = {}
    for change in edit.changes:
        place = change.place
        cells.setdefault((place.group, place.layer, place.role), []).append(change)
    energy = sum(map(_energy, edit.changes)) or 1.0
    size = sum(change.elements for change in edit.changes) or 1
    return tuple(_cell(key, changes, edit, energy, size) for key, changes in sorted(cells.items()))


def _energy(change: Change) -> float:
    found = change.distance**2 * change.elements / max(1, change.compared)
    return found if math.isfinite(found) else 0.0


def _cell(
    key: tuple[str, int, str], changes: Sequence[Change], edit: Edit, energy: float, size: int
) -> WeightCell:
    group, layer, role = key
    moved = [change for change in changes if change.changed]
    finite = [change.relative for change in moved if math.isfinite(change.relative)]
    compared = sum(change.compared for change in changes)
    return WeightCell(
        group=group,
        layer=layer,
        role=role,
        weights=len(changes),
        moved=len(moved),
        relative=float(np.median(finite)) if finite else None if moved else 0.0,
        changed=sum(change.changed * change.compared for change in changes) / max(1, compared),
        share=sum(map(_energy, changes)) / energy,
        size=sum(change.elements for change in changes) / size,
        rank=_rank([change.place for change in changes], edit),
    )


def _rank(places: Sequence[Place], edit: Edit) -> int | None:
    looked = [edit.ranks[place].rank for place in places if place in edit.ranks]
    return max(looked) if looked else None
