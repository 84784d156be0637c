"""Numbers that a format can hold: rounding to a stored dtype, and the 4- and 8-bit grids that models are trained on.

A LoRA trained on a 4-bit base and merged into it leaves base + rounding error + LoRA. The rounding error is larger than
most fine-tunes, and it is known: these functions compute it from the base alone. Scales follow the usual writers:
bitsandbytes (NF4, blocks of 64), block-wise FP8 (128 x 128), symmetric INT4 in groups of 128, and MXFP4 (blocks of
32, Open Compute Project MX 1.0).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from hydrometer.checkpoint.numbers import decode
from hydrometer.checkpoint.source import Rows

ROUNDED = ("BF16", "F16", "F32")
"""Stored dtypes that values can be rounded to."""

_NF4 = np.array(
    [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
     -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
     0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0],
    np.float32,
)  # fmt: skip


def rounded(values: Rows, dtype: str) -> Rows:
    """Return the nearest numbers that a dtype can store, ties to even.

    Args:
        values: Any shape.
        dtype: One of `ROUNDED`; others leave the values as they are.
    """
    if dtype == "F16":
        with np.errstate(over="ignore"):
            return values.astype(np.float16).astype(np.float32)
    if dtype != "BF16":
        return values
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    half = ((bits >> np.uint32(16)) & np.uint32(1)) + np.uint32(0x7FFF)
    found = ((bits + half) & np.uint32(0xFFFF0000)).view(np.float32)
    result: Rows = np.where(np.isfinite(values), found, values)
    return result


def nf4(rows: Rows) -> Rows | None:
    """Round to NF4 with the largest value of each 64 as scale."""
    return _in_blocks(rows, 64, lambda blocks: on_table(blocks, _NF4, _largest(blocks)))


def int4(rows: Rows) -> Rows | None:
    """Round to 16 even steps, symmetric, with the largest value of each 128 as scale."""

    def quantise(blocks: Rows) -> Rows:
        step = _largest(blocks) / np.float32(7.0)
        safe = np.where(step > 0, step, np.float32(1.0))
        found: Rows = (np.clip(np.rint(blocks / safe), -8, 7) * step).astype(np.float32)
        return found

    return _in_blocks(rows, 128, quantise)


def mxfp4(rows: Rows) -> Rows | None:
    """Round to 4-bit floats with a power of two as scale of each 32."""
    table = np.unique(decode("F4", bytes(a | (a + 1) << 4 for a in range(0, 16, 2))))

    def quantise(blocks: Rows) -> Rows:
        top = _largest(blocks)
        exponent = np.floor(np.log2(np.where(top > 0, top, np.float32(1.0)))) - 2.0
        return on_table(blocks, table, np.exp2(exponent).astype(np.float32))

    return _in_blocks(rows, 32, quantise)


def fp8(rows: Rows) -> Rows | None:
    """Round to 8-bit floats (4 exponent bits) with one scale for 128 rows and 128 columns; rows start at a block."""
    table = eight_bit_values("F8_E4M3")
    height, width = rows.shape
    if width % 128 or height % 128:
        return None
    tiles = rows.reshape(height // 128, 128, width // 128, 128).swapaxes(1, 2)
    scale = np.abs(tiles).max(axis=(2, 3), keepdims=True) / np.float32(448.0)
    found: Rows = on_table(tiles, table, scale).swapaxes(1, 2).reshape(rows.shape)
    return found


def eight_bit_values(dtype: str) -> NDArray[np.float32]:
    """Return all numbers of an 8-bit float, sorted."""
    table = decode(dtype, bytes(range(256)))
    return np.unique(table[np.isfinite(table)])


GRIDS: Mapping[str, Callable[[Rows], Rows | None]] = {"NF4": nf4, "FP8": fp8, "INT4": int4, "MXFP4": mxfp4}
"""Grids by name; each returns None for rows that its blocks do not fit."""


def _in_blocks(rows: Rows, size: int, quantise: Callable[[Rows], Rows]) -> Rows | None:
    if rows.shape[-1] % size:
        return None
    return quantise(rows.reshape(-1, size)).reshape(rows.shape)


def _largest(blocks: Rows) -> Rows:
    found: Rows = np.abs(blocks).max(axis=-1, keepdims=True)
    return found


def on_table(values: Rows, table: NDArray[np.float32], scale: Rows) -> Rows:
    """Return the nearest entries of a sorted table times a scale; halfway goes down.

    Args:
        values: What is rounded.
        table: Sorted entries.
        scale: What entries are multiplied with, in a shape that fits the values.
    """
    safe = np.where(scale > 0, scale, np.float32(1.0))
    middles = (table[1:] + table[:-1]) / np.float32(2.0)
    found: Rows = (table[np.searchsorted(middles, values / safe)] * scale).astype(np.float32)
    return found
