"""Safetensors headers, read strictly: names, dtypes, shapes and places without touching the numbers.

The rules are those of the reference reader and a little narrower: a header in one piece, no name twice, every
shape fits its bytes, and the tensors fill the file to its last byte, so that nothing hides between them.

The header is taken apart entry by entry: a general JSON parser would build millions of objects out of 25 MB of
brackets before anybody could look at them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from hydrometer.checkpoint.storage import LocalFile, Storage
from hydrometer.errors import ModelError

MAX_HEADER = 25_000_000
"""Bytes; what the hub's own reader takes. The reference reader takes four times as much."""

_MAX_TENSORS, _MAX_ELEMENTS, _MAX_DIMENSIONS = 200_000, 1 << 62, 16
_MAX_NAME, _MAX_ENTRY, _MAX_METADATA = 512, 4096, 1_000_000
BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
"""Bits of one number by dtype: all that the format knows."""


class TensorEntry(NamedTuple):
    """What a header says about one tensor; `offset` counts from the first byte of the file."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    nbytes: int


def read_header(path: Path) -> dict[str, TensorEntry]:
    """Read the header of a safetensors file and check it against the file's size.

    Raises:
        ModelError: The file is truncated, damaged, or holds bytes that belong to no tensor.
    """
    with closing(LocalFile(path)) as file:
        return read_table(file)


def read_table(file: Storage) -> dict[str, TensorEntry]:
    """Read the header of an open safetensors file and check it against the file's size.

    Raises:
        ModelError: The file is truncated, damaged, or holds bytes that belong to no tensor.
    """
    try:
        length = int.from_bytes(file.read(0, 8), "little") if file.size >= 10 else 0
        if not 2 <= length <= min(MAX_HEADER, file.size - 8):
            raise _DamagedError("the file is too short for its header")  # noqa: TRY301
        return _parse(file.read(8, length), file.size - 8 - length, 8 + length)
    except _DamagedError as error:
        msg = f"{file.label}: not a sound safetensors file: {error}: download it again"
        raise ModelError(msg) from error


class _DamagedError(Exception):
    """Why a header is refused."""


def _parse(raw: bytes, room: int, start: int) -> dict[str, TensorEntry]:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _DamagedError("the header is no UTF-8") from error
    if not text.startswith("{"):
        raise _DamagedError("the header is no JSON object")
    tensors: dict[str, TensorEntry] = {}
    seen_metadata = False
    for name, value in _members(text):
        if name in tensors or (name == "__metadata__" and seen_metadata):
            raise _DamagedError(f"{show(name)} is there twice")
        if name == "__metadata__":
            seen_metadata = True
            continue
        if len(tensors) == _MAX_TENSORS:
            raise _DamagedError(f"it lists more than {_MAX_TENSORS} tensors")
        tensors[name] = _entry(name, value, start)
    spans = [(entry.offset, entry.offset + entry.nbytes) for entry in tensors.values()]
    edges = [(start, start), *sorted(spans), (start + room, start + room)]
    if any(left[1] != right[0] for left, right in pairwise(edges)):
        raise _DamagedError(f"its tensors do not fill the {room} bytes behind the header exactly")
    return tensors


_Described = tuple[str, list[int], list[int]]
"""Dtype, shape, and first and last-plus-one byte, as a header writes them."""
_NOTHING: _Described = ("", [], [])

_EMPTY = re.compile(r"\{[ \t\n\r]*\}")
_STRING = r'"(?:[^"\\\x00-\x1f]|\\.)*+"'
_KEY = re.compile(rf"[ \t\n\r]*({_STRING})[ \t\n\r]*:[ \t\n\r]*")
# No minus: to the reference reader `-0` is no size.
_ENTRY = re.compile(r"\{[^{}-]*+\}")
_METADATA = re.compile(rf"\{{(?:[ \t\n\r,:]|{_STRING})*+\}}")
_NEXT = re.compile(r"[ \t\n\r]*([,}])")
_SIZE = r"(?:0|[1-9][0-9]{0,17})"
# What every writer writes: no spaces, the three keys in this order. Twice as fast as the general way.
_USUAL = re.compile(
    rf'"([^"\\\x00-\x1f]++)":\{{"dtype":"([A-Z0-9_]++)","shape":\[((?:{_SIZE}(?:,{_SIZE}){{0,15}}+)?)\],'
    rf'"data_offsets":\[({_SIZE}),({_SIZE})\]\}}([,}}])'
)


def _members(text: str) -> Iterator[tuple[str, _Described]]:
    """Yield the members of the outer object one by one; each is small, or the header is refused."""
    at = 1
    if _EMPTY.match(text):
        _end(text, text.index("}") + 1)
        return
    while True:
        usual = _USUAL.match(text, at)
        if usual is not None and usual[1] != "__metadata__":
            name, dtype, sizes, first, last, comma = usual.groups()
            yield name, (dtype, [*map(int, sizes.split(","))] if sizes else [], [int(first), int(last)])
            at = usual.end()
            if comma == "}":
                _end(text, at)
                return
            continue
        key = _KEY.match(text, at)
        if key is None:
            raise _DamagedError("the header is no JSON")
        name = _decode(text, key.start(1))
        is_metadata = name == "__metadata__"
        value = (_METADATA if is_metadata else _ENTRY).match(text, key.end())
        if value is None or value.end() - value.start() > (_MAX_METADATA if is_metadata else _MAX_ENTRY):
            what = (
                "its metadata is not text" if is_metadata else f"the entry of tensor {show(name)} is no entry"
            )
            raise _DamagedError(what)
        found = _decode(text, value.start())
        yield name, (_NOTHING if is_metadata else _described(name, found))
        after = _NEXT.match(text, value.end())
        if after is None:
            raise _DamagedError("the header is no JSON")
        at = after.end()
        if after[1] == "}":
            _end(text, at)
            return


def _end(text: str, at: int) -> None:
    if text[at:].strip(" \t\n\r"):
        raise _DamagedError("the header is no JSON")


def _decode(text: str, at: int) -> Any:
    try:
        return _JSON.raw_decode(text, at)[0]
    except (ValueError, RecursionError) as error:
        raise _DamagedError(str(error) if error.args[:1] == (_TWICE,) else "the header is no JSON") from error


def _described(name: str, value: dict[str, Any]) -> _Described:
    """The three values of an entry that was written in an unusual way."""
    if value.keys() != {"dtype", "shape", "data_offsets"}:
        raise _DamagedError(f"the entry of tensor {show(name)} is incomplete")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str):
        raise _DamagedError(f"tensor {show(name)} has an unknown dtype; it may need a newer hydrometer")
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise _DamagedError(f"tensor {show(name)} has no valid shape or place")
    return dtype, shape, offsets


def _entry(name: str, described: _Described, start: int) -> TensorEntry:
    dtype, shape, offsets = described
    if len(name) > _MAX_NAME or not name.isprintable():
        raise _DamagedError(f"{show(name)} is no name for a tensor")
    if dtype not in BITS:
        raise _DamagedError(f"tensor {show(name)} has an unknown dtype; it may need a newer hydrometer")
    bits = math.prod(shape) * BITS[dtype]
    if bits > _MAX_ELEMENTS or bits % 8 or offsets[1] - offsets[0] != bits // 8:
        raise _DamagedError(f"the shape of tensor {show(name)} does not fit its bytes")
    return TensorEntry(dtype, tuple(shape), start + offsets[0], bits // 8)


def _are_sizes(values: Any) -> bool:
    # bool is an int to Python, and `true` is no size.
    return (
        isinstance(values, list)
        and len(values) <= _MAX_DIMENSIONS
        and all(type(v) is int and 0 <= v <= _MAX_ELEMENTS for v in values)
    )


_TWICE = "a key is there twice"


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError(_TWICE)
    return found


_JSON = json.JSONDecoder(object_pairs_hook=_no_duplicates)


def show(name: str) -> str:
    """A name from a file, safe to print: no control characters, not endless."""
    return repr(name[:120])
