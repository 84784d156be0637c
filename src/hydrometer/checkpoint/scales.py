"""Weights of 8 bits with their scales: what turns the codes of an FP8 checkpoint into numbers.

Two ways are in use: `X.weight_scale_inv`, one for each block of rows and columns, whose size the config says, and
`X.weight_scale`, one for all or one for each row. Both multiply, whatever their name. Not covered: formats of 4 bits,
see `packed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hydrometer.checkpoint.header import TensorEntry
from hydrometer.checkpoint.source import Rows

SCALED = "scaled "
"""In front of the dtype of a weight whose scales are applied."""

_CODES = ("F8_E4M3", "F8_E5M2")
_SUFFIXES = ("_scale_inv", "_scale")
_NUMBERS = ("F32", "BF16", "F16", "F8_E8M0")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleTable:
    """The scales of one weight.

    Attributes:
        name: Their tensor.
        shape: Blocks in rows and in columns.
        block: Rows and columns of a block.
    """

    name: str
    shape: tuple[int, int]
    block: tuple[int, int]

    def rows(self, start: int, stop: int) -> tuple[int, int]:
        """Return the first row of the table that some rows of codes need, and the row behind the last.

        Args:
            start: First row of codes.
            stop: Row behind the last.
        """
        return start // self.block[0], -(-stop // self.block[0])

    def spread(self, values: Rows, start: int, stop: int, width: int) -> Rows:
        """Return the scale of every code of some rows; of one column where a row has one scale.

        Args:
            values: The scales of the table's rows that they need, in one dimension.
            start: First row.
            stop: Row behind the last.
            width: Codes per row.
        """
        first = start // self.block[0]
        table = values.reshape(-1, self.shape[1])[np.arange(start, stop) // self.block[0] - first]
        found: Rows = table if self.shape[1] == 1 else np.repeat(table, self.block[1], axis=1)[:, :width]
        return found


def find_scales(entries: Mapping[str, TensorEntry], config: Mapping[str, object]) -> dict[str, ScaleTable]:
    """Return the scales of every weight that has some which fit it.

    Args:
        entries: All tensors of a checkpoint.
        config: Its `config.json`.
    """
    found = {}
    for name, entry in entries.items():
        if entry.dtype in _CODES and len(entry.shape) == 2:
            tables = (_table(f"{name}{suffix}", entry, entries, _block(config)) for suffix in _SUFFIXES)
            table = next((one for one in tables if one is not None), None)
            if table is not None:
                found[name] = table
    return found


def _table(
    name: str, weight: TensorEntry, entries: Mapping[str, TensorEntry], block: tuple[int, int] | None
) -> ScaleTable | None:
    scale = entries.get(name)
    if scale is None or scale.dtype not in _NUMBERS:
        return None
    rows, width = weight.shape
    if not rows or not width:
        return None
    if scale.shape in ((), (1,), (1, 1)):
        return ScaleTable(name=name, shape=(1, 1), block=(rows, width))
    if scale.shape in ((rows,), (rows, 1)):
        return ScaleTable(name=name, shape=(rows, 1), block=(1, width))
    if block is not None and scale.shape == (-(-rows // block[0]), -(-width // block[1])):
        return ScaleTable(name=name, shape=(scale.shape[0], scale.shape[1]), block=block)
    return None


def _block(config: Mapping[str, object]) -> tuple[int, int] | None:
    quantised = config.get("quantization_config")
    size = quantised.get("weight_block_size") if isinstance(quantised, Mapping) else None
    if isinstance(size, list) and len(size) == 2 and all(type(n) is int and 0 < n <= 1 << 20 for n in size):
        return size[0], size[1]
    return None
