"""Is a checkpoint in 8-bit floats with scales the base itself, rounded? Asked on the very scales that it holds."""

from __future__ import annotations

import numpy as np

from hydrometer.checkpoint.grids import eight_bit_values, on_table
from hydrometer.checkpoint.inventory import Inventory
from hydrometer.checkpoint.names import Place
from hydrometer.checkpoint.scales import SCALED

EIGHT_BIT_NOISE = 0.026
"""Relative distance that rounding to FP8 with scales alone makes, measured on normal values."""
SAME_CODES = 0.9999
"""Share of values as near as can be from which the base explains the student."""
_ROWS = 512


def is_scaled(side: Inventory, place: Place) -> bool:
    """Whether a weight is in 8 bits and its scales were found."""
    return side.weights[place].meta.dtype.startswith(SCALED)


def equal_on_scales(base: Inventory, student: Inventory, place: Place, origin: Place) -> tuple[int, int]:
    """Round rows of the base onto the student's scales; return how many of its values are as near as can be, of all.

    Args:
        base: The base.
        student: The student, in 8 bits with scales.
        place: The weight in the student.
        origin: The weight in the base that it comes from.
    """
    weight = student.weights[place]
    scales = getattr(student.source, "scales", None)
    rows = min(_ROWS, weight.rows, base.weights[origin].rows)
    factor = scales(weight.cut.name, 0, rows) if scales and weight.cut.expert < 0 else None
    if factor is None:
        return 0, 0
    # Beyond the largest number writers clip, and so does the nearest entry of the table.
    table = eight_bit_values(weight.meta.dtype.removeprefix(SCALED))
    ours = base.values(origin, 0, rows)
    least = np.abs(on_table(ours, table, factor) - ours)
    # Halfway between two numbers, which 16-bit weights often are, either is as near.
    near = np.abs(student.values(place, 0, rows) - ours) <= least * np.float32(1.0 + 1e-4)
    return int(np.count_nonzero(near)), near.size
