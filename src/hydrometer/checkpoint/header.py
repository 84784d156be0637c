"""Safetensors headers, read strictly: names, dtypes and shapes without touching the numbers.

The rules are those of the reference reader and a little narrower: a header in one piece, no name twice, every
shape fits its bytes, and the tensors fill the file to its last byte, so that nothing hides between them.
"""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from hydrometer.errors import ModelError

_MAX_HEADER, _MAX_TENSORS, _MAX_ELEMENTS = 25_000_000, 200_000, 1 << 62
_BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}


class TensorEntry(NamedTuple):
    """What a header says about one tensor."""

    dtype: str
    shape: tuple[int, ...]


def read_header(path: Path) -> dict[str, TensorEntry]:
    """Read the header of a safetensors file and check it against the file's size.

    Raises:
        ModelError: The file is truncated, damaged, or holds bytes that belong to no tensor.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 10 or not 2 <= length <= min(_MAX_HEADER, size - 8):
                raise _DamagedError("the file is too short for its header")  # noqa: TRY301
            raw = file.read(length)
        return _parse_header(raw, size - 8 - length)
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror or error}"
        raise ModelError(msg) from error
    except _DamagedError as error:
        msg = f"{path}: not a sound safetensors file: {error}: download it again"
        raise ModelError(msg) from error


class _DamagedError(Exception):
    """Why a header is refused."""


def _parse_header(raw: bytes, room: int) -> dict[str, TensorEntry]:
    if not raw.startswith(b"{"):
        raise _DamagedError("the header is no JSON object")
    try:
        header = json.loads(raw.decode("utf-8"), object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise _DamagedError("the header is no JSON") from error
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _DamagedError("its metadata is not text")
    if len(header) > _MAX_TENSORS:
        raise _DamagedError(f"it lists more than {_MAX_TENSORS} tensors")
    spans: list[tuple[int, int]] = []
    tensors: dict[str, TensorEntry] = {}
    for name, value in header.items():
        entry, span = _parse_entry(name, value)
        tensors[name] = entry
        spans.append(span)
    spans.sort()
    edges = [(0, 0), *spans, (room, room)]
    if any(left[1] != right[0] for left, right in pairwise(edges)):
        raise _DamagedError(f"its tensors do not fill the {room} bytes behind the header exactly")
    return tensors


def _parse_entry(name: str, value: Any) -> tuple[TensorEntry, tuple[int, int]]:
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise _DamagedError(f"the entry of tensor {show(name)} is incomplete")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise _DamagedError(f"tensor {show(name)} has an unknown dtype")
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise _DamagedError(f"tensor {show(name)} has no valid shape or place")
    bits = math.prod(shape) * _BITS[dtype]
    if bits > _MAX_ELEMENTS or bits % 8 or offsets[1] - offsets[0] != bits // 8:
        raise _DamagedError(f"the shape of tensor {show(name)} does not fit its bytes")
    return TensorEntry(dtype, tuple(shape)), (offsets[0], offsets[1])


def _are_sizes(values: Any) -> bool:
    # bool is an int to Python, and `true` is no size.
    return (
        isinstance(values, list)
        and len(values) <= 16
        and all(type(v) is int and 0 <= v <= _MAX_ELEMENTS for v in values)
    )


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def show(name: str) -> str:
    """A name from a file, safe to print: no control characters, not endless."""
    return repr(name[:120])
