"""Is a checkpoint in 8 or 4 bits with scales the base itself, rounded? Asked on the very scales that it holds."""

from __future__ import annotations

import numpy as np

from hydrometer.checkpoint.grids import eight_bit_values, on_table
from hydrometer.checkpoint.inventory import Inventory
from hydrometer.checkpoint.names import Place
from hydrometer.checkpoint.numbers import decode
from hydrometer.checkpoint.scales import SCALED
from hydrometer.checkpoint.source import Rows

_NOISE = {"NVFP4": 0.103, "MXFP4": 0.114, "INT4": 0.1}
_NOISE_OF_EIGHT = 0.026
_SAME, _SAME_OF_FEW = 0.9999, 0.99997
_ROWS = 512


def is_scaled(side: Inventory, place: Place) -> bool:
    """Whether a weight is in 8 or 4 bits and its scales were found."""
    return side.weights[place].meta.dtype.startswith(SCALED)


def scaled_format(side: Inventory, place: Place) -> str:
    """Return the format of such a weight, as `F8_E4M3` or `NVFP4`."""
    return side.weights[place].meta.dtype.removeprefix(SCALED)


def rounding_noise(form: str) -> float:
    """Return the relative distance that rounding to a format alone makes, measured on normal values."""
    return _NOISE.get(form, _NOISE_OF_EIGHT)


def same_codes(form: str) -> float:
    """Return the share of values as near as can be from which the base explains the student.

    With 16 codes a fine-tune moves few values to another code, so more must be the same.
    """
    return _SAME_OF_FEW if form in _NOISE else _SAME


def equal_on_scales(base: Inventory, student: Inventory, place: Place, origin: Place) -> tuple[int, int]:
    """Round rows of the base onto the student's scales; return how many of its values are as near as can be, of all.

    Args:
        base: The base.
        student: The student, in 8 or 4 bits with scales.
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
    ours = base.values(origin, 0, rows)
    least = np.abs(on_table(ours, _values(scaled_format(student, place)), factor) - ours)
    # Halfway between two numbers, which 16-bit weights often are, either is as near.
    near = np.abs(student.values(place, 0, rows) - ours) <= least * np.float32(1.0 + 1e-4)
    return int(np.count_nonzero(near)), near.size


def _values(form: str) -> Rows:
    if form == "INT4":
        return np.arange(-8, 8, dtype=np.float32)
    return np.unique(decode("F4", bytes(range(256)))) if form in _NOISE else eight_bit_values(form)
