"""Is this GGUF file a quantisation of the base, or of something trained from it?

The distance between a 4-bit file and the base says nothing: rounding moves weights further than most fine-tunes. But
the file holds the scales of its blocks. The base rounded onto that very grid gives the file's own codes if the file was
made from the base, whatever importance matrix chose the scales; a fine-tune that moved weights by 0.1 % leaves 0.5 % of
the codes of a Q6_K file elsewhere. Where llama.cpp's quantiser is at hand the base is also simply quantised again.

A base that lies on a coarse grid itself (a 4-bit file) sits in the middle of every code, and no small change shows. So
the test is tried on a base moved by 0.1 %: where that gets the same codes too, only bytes that come out again count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hydrometer.checkpoint.ggml import requantise
from hydrometer.checkpoint.inventory import Inventory
from hydrometer.checkpoint.names import Place
from hydrometer.checkpoint.source import Rows

Bytes = NDArray[np.uint8]
Grid = tuple[Rows, Rows, int, int]
"""Step and offset of every value, smallest and largest code: value = step * code + offset."""
Origin = Literal["base", "fine-tune", "unrelated", "insufficient"]

NOISE = {
    "Q8_0": 0.0054, "Q6_K": 0.018, "Q5_K": 0.036, "Q5_1": 0.038, "Q5_0": 0.043, "Q4_K": 0.071, "IQ4_NL": 0.076,
    "IQ4_XS": 0.077, "Q4_1": 0.078, "Q4_0": 0.086, "MXFP4": 0.114, "NVFP4": 0.103, "IQ3_S": 0.137, "Q3_K": 0.151,
    "IQ3_XXS": 0.182, "IQ2_S": 0.249, "Q2_K": 0.297,
}  # fmt: skip
"""Relative distance that rounding to a format alone makes, measured with ggml on normal values; trained weights, with
their heavier tails, lie up to 1.25 times higher."""

_COPY = 0.9998
"""Least share of equal codes in a copy; what is missing are values halfway between two codes."""
_COPY_FEW = 0.99997
"""The same for 16 codes or fewer: there a fine-tune moves few values to another code."""
_STRANGER = 0.35
"""Below this share the file has nothing to do with the base (0.02 with 64 codes, 0.08 with 16)."""
_AGAIN = 0.99
"""Least share of blocks that come out again in a copy; builds of llama.cpp differ in the last bit now and then."""
_NUDGE = 1e-3
_ROWS = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """How many codes of a quantised weight the base explains.

    Attributes:
        place: The weight.
        dtype: Format of the student.
        compared: Values compared.
        equal: Share of them that get the same code from the base.
        relative: Distance from the base as a share of its norm.
        again: Share of blocks that come out the same, byte by byte, when the base is quantised again without a matrix
            of importance; -1 if nothing installed can do it.
        blind: Whether a base moved by 0.1 % would get the same codes.
        plain: Whether the file names no matrix of importance.
    """

    place: Place
    dtype: str
    compared: int
    equal: float
    relative: float
    again: float
    blind: bool
    plain: bool

    @property
    def origin(self) -> Origin:
        """What the file was quantised from, as far as this weight tells."""
        if self.again >= _AGAIN:
            return "base"
        if self.equal < _STRANGER:
            return "unrelated"
        if self.blind:
            return "fine-tune" if self.plain and 0.0 <= self.again < 0.5 else "insufficient"
        return "base" if self.equal >= _least(self.dtype) else "fine-tune"


def compare_codes(
    base: Inventory, student: Inventory, place: Place, other: Place | None = None
) -> Codes | None:
    """Round the base onto the grid of a quantised student.

    Args:
        base: The base, better in a finer format than the student's.
        student: A GGUF model.
        place: The weight in the student.
        other: The weight in the base, of the same shape, if layers or experts moved.

    Returns:
        The share of equal codes; None for formats that are not covered.
    """
    weight = student.weights[place]
    dtype = weight.meta.dtype
    if dtype not in _GRIDS:
        return None
    rows = min(weight.rows, base.weights[other or place].rows, max(1, _ROWS // weight.width))
    raw = np.frombuffer(student.bits(place, 0, rows), np.uint8)
    ours, theirs = base.values(other or place, 0, rows), student.values(place, 0, rows)
    grid = _GRIDS[dtype](raw.reshape(-1, _BYTES[dtype]))
    nudge = np.random.default_rng(0).standard_normal(ours.shape).astype(np.float32) * np.float32(_NUDGE)
    size = float(np.sqrt(np.mean(np.square(ours))))
    norm = float(np.linalg.norm(ours))
    return Codes(
        place=place,
        dtype=dtype,
        compared=ours.size,
        equal=_equal_codes(ours, theirs, grid),
        relative=float(np.linalg.norm(theirs - ours)) / norm if norm else 0.0,
        again=_same_again(dtype, ours, raw),
        blind=_equal_codes(ours, ours + nudge * size, grid) >= _least(dtype),
        plain=not any(key.startswith("quantize.imatrix") for key in student.source.config),
    )


def _least(dtype: str) -> float:
    return _COPY_FEW if dtype in ("Q4_0", "Q4_1", "Q4_K") else _COPY


def _same_again(dtype: str, rows: Rows, raw: Bytes) -> float:
    """Share of blocks that come out the same."""
    again = requantise(rows, dtype)
    if again is None:
        return -1.0
    same = np.frombuffer(again, np.uint8).reshape(-1, _BYTES[dtype]) == raw.reshape(-1, _BYTES[dtype])
    return float(np.mean(same.all(axis=1)))


def _equal_codes(base: Rows, student: Rows, grid: Grid) -> float:
    step, offset, low, high = grid
    live = step != 0
    safe = np.where(live, step, np.float32(1.0))
    ours, theirs = (
        np.clip(np.rint((side.reshape(step.shape) - offset) / safe), low, high) for side in (base, student)
    )
    # A step of zero holds one value only, and every base gives it.
    return float(np.mean((ours == theirs)[live])) if live.any() else 0.0


def _halves(blocks: Bytes, start: int) -> Rows:
    found: Rows = np.ascontiguousarray(blocks[:, start : start + 2]).view(np.float16).astype(np.float32)
    return found


def _spread(scales: Rows, size: int) -> Rows:
    found: Rows = np.repeat(scales, size, axis=1)
    return found


def _plain(low: int, high: int, offset: int) -> Callable[[Bytes], Grid]:
    """Blocks of 32 with one scale, and a smallest value behind it where `offset` is 2."""

    def read(blocks: Bytes) -> Grid:
        step = _spread(_halves(blocks, 0), 32)
        start = _spread(_halves(blocks, offset), 32) if offset else np.zeros_like(step)
        return step, start, low, high

    return read


def _nested(high: int) -> Callable[[Bytes], Grid]:
    """Q4_K and Q5_K: eight parts of 32, each with a scale and a minimum of 6 bits, times two half floats."""

    def read(blocks: Bytes) -> Grid:
        packed = blocks[:, 4:16]
        first, second, third = packed[:, :4], packed[:, 4:8], packed[:, 8:]
        scales = np.concatenate((first & 63, (third & 15) | (first >> 6 << 4)), axis=1)
        least = np.concatenate((second & 63, (third >> 4) | (second >> 6 << 4)), axis=1)
        step = _halves(blocks, 0) * scales.astype(np.float32)
        offset = -_halves(blocks, 2) * least.astype(np.float32)
        return _spread(step, 32), _spread(offset, 32), 0, high

    return read


def _q6_k(blocks: Bytes) -> Grid:
    """Sixteen parts of 16 with a scale of 8 bits, times a half float at the end."""
    scales = np.ascontiguousarray(blocks[:, 192:208]).view(np.int8).astype(np.float32)
    step = _spread(_halves(blocks, 208) * scales, 16)
    return step, np.zeros_like(step), -32, 31


_GRIDS: dict[str, Callable[[Bytes], Grid]] = {
    "Q8_0": _plain(-128, 127, 0), "Q4_0": _plain(-8, 7, 0), "Q5_0": _plain(-16, 15, 0), "Q4_1": _plain(0, 15, 2),
    "Q5_1": _plain(0, 31, 2), "Q4_K": _nested(15), "Q5_K": _nested(31), "Q6_K": _q6_k,
}  # fmt: skip
_BYTES = {"Q8_0": 34, "Q4_0": 18, "Q5_0": 22, "Q4_1": 20, "Q5_1": 24, "Q4_K": 144, "Q5_K": 176, "Q6_K": 210}
