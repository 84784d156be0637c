"""From bytes to float32, for the number formats that stand alone; blocks with shared scales are in `gguf_source`.

Formats of 8 and 4 bits go through a table of all their values, built from their definitions: sign, exponent bits with
a bias, mantissa bits, and which codes are no numbers (Open Compute Project, OFP8 and MX formats 1.0; the `FNUZ`
kinds have one zero and one NaN).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_PLAIN = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U64": "<u8",
          "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "u1"}  # fmt: skip
_CHUNK = 1 << 17
"""Numbers widened at a time: both halves stay in the cache of one core."""


def can_decode(dtype: str) -> bool:
    """Say whether a format has a meaning as real numbers here; complex and 6-bit ones have none."""
    return dtype in _PLAIN or dtype == "BF16" or dtype in _TABLES


def decode(dtype: str, raw: bytes) -> Floats:
    """Return the numbers that bytes stand for, as float32 in one dimension.

    Args:
        dtype: A format that `can_decode` names.
        raw: Their bytes, little-endian. Two 4-bit numbers share a byte, the first in its lower half.
    """
    if dtype == "BF16":
        return _widen(np.frombuffer(raw, "<u2"))
    if dtype in _PLAIN:
        numbers = np.frombuffer(raw, _PLAIN[dtype])
        # A double beyond the range becomes an infinity, which is counted as such.
        with np.errstate(over="ignore"):
            return numbers.astype(np.float32)
    codes = np.frombuffer(raw, np.uint8)
    if dtype == "F4":
        codes = np.stack((codes & 15, codes >> 4), axis=-1).reshape(-1)
    found: Floats = _TABLES[dtype]()[codes]
    return found


def _widen(halves: NDArray[np.uint16]) -> Floats:
    """A bfloat16 is the upper half of a float32."""
    found = np.empty(halves.size, np.uint32)
    for start in range(0, halves.size, _CHUNK):
        part = found[start : start + _CHUNK]
        np.left_shift(halves[start : start + _CHUNK], 16, out=part, dtype=np.uint32)
    return found.view(np.float32)


def _table(
    exponent: int, mantissa: int, bias: int, nans: tuple[int, ...] = (), infinities: tuple[int, ...] = ()
) -> Floats:
    """All values of a small float by code."""
    codes = np.arange(1 << (1 + exponent + mantissa))
    e = codes >> mantissa & ((1 << exponent) - 1)
    m = codes & ((1 << mantissa) - 1)
    # Below the smallest exponent numbers lose their leading one.
    size = np.ldexp(m / (1 << mantissa) + (e > 0), np.maximum(e, 1) - bias)
    found: Floats = np.where(codes >> (exponent + mantissa), -size, size).astype(np.float32)
    for code in infinities:
        found[code] = np.copysign(np.inf, found[code])
    found[list(nans)] = np.nan
    return found


def _e8m0() -> Floats:
    powers = np.ldexp(np.ones(255, np.float32), np.arange(255) - 127)
    found: Floats = np.concatenate((powers, np.full(1, np.nan, np.float32)))
    return found


_TABLES: dict[str, Callable[[], Floats]] = {
    "F8_E4M3": lambda: _table(4, 3, 7, nans=(0x7F, 0xFF)),
    "F8_E4M3FNUZ": lambda: _table(4, 3, 8, nans=(0x80,)),
    "F8_E5M2": lambda: _table(5, 2, 15, nans=(0x7D, 0x7E, 0x7F, 0xFD, 0xFE, 0xFF), infinities=(0x7C, 0xFC)),
    "F8_E5M2FNUZ": lambda: _table(5, 2, 16, nans=(0x80,)),
    "F8_E8M0": _e8m0,
    "F4": lambda: _table(2, 1, 1),
}
