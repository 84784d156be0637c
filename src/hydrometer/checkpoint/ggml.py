"""Quantising as llama.cpp does, to see whether a file comes out again.

The library that the `llamacpp` extra ships holds llama.cpp's own quantiser; it is called directly, since its Python
package does not offer it. Without it the `gguf` package quantises the simple formats, bit for bit the same.
"""

from __future__ import annotations

import ctypes
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from hydrometer.checkpoint.gguf_source import gguf_package
from hydrometer.checkpoint.source import Rows

SIMPLE = ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1")
"""Formats without a search for scales."""


def requantise(rows: Rows, dtype: str, importance: Rows | None = None) -> bytes | None:
    """Quantise rows as `llama-quantize` does.

    Args:
        rows: Shape (n, width); the width is a multiple of the format's block.
        dtype: Format, such as `Q4_K`.
        importance: Weight of every column, shape (width,), None for the plain way.

    Returns:
        The bytes, None if nothing installed can do it.
    """
    package = gguf_package()
    kind = package.GGMLQuantizationType[dtype]
    call = _library()
    if call is None:
        if dtype not in SIMPLE or importance is not None:
            return None
        found: bytes = package.quants.quantize(rows, kind).tobytes()
        return found
    weights, nbytes = package.GGML_QUANT_SIZES[kind]
    source = np.ascontiguousarray(rows, np.float32)
    target = np.zeros(source.size // weights * nbytes, np.uint8)
    matrix = None if importance is None else np.ascontiguousarray(importance, np.float32)
    pointer = None if matrix is None else matrix.ctypes.data
    written = call(int(kind), source.ctypes.data, target.ctypes.data, 0, *source.shape, pointer)
    return target.tobytes() if written == target.size else None


@cache
def _library() -> Any:
    """`ggml_quantize_chunk(type, source, target, start, rows, columns, importance)`, None if it is not there."""
    found = find_spec("xllamacpp")
    folder = Path(found.origin).parent if found is not None and found.origin else None
    files = sorted(folder.glob("xllamacpp*.so")) if folder is not None else []
    try:
        call = ctypes.CDLL(str(files[0])).ggml_quantize_chunk if files else None
    except (OSError, AttributeError):
        return None
    if call is not None:
        pointer, big = ctypes.c_void_p, ctypes.c_int64
        call.restype = ctypes.c_size_t
        call.argtypes = [ctypes.c_int, pointer, pointer, big, big, big, pointer]
    return call
