"""The quantiser of llama.cpp itself, out of the library that the llamacpp extra ships, for tests."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

from memory_source import Array


def quantise(rows: Array, type_name: str, importance: Array | None = None) -> bytes:
    """Quantise rows as `llama-quantize` does, skipping the test where the library is missing."""
    xllamacpp = pytest.importorskip("xllamacpp")
    gguf = pytest.importorskip("gguf")
    library = ctypes.CDLL(str(next(Path(xllamacpp.__file__).parent.glob("xllamacpp*.so"))))
    call = library.ggml_quantize_chunk
    call.restype = ctypes.c_size_t
    pointer, big = ctypes.c_void_p, ctypes.c_int64
    call.argtypes = [ctypes.c_int, pointer, pointer, big, big, big, pointer]
    kind = gguf.GGMLQuantizationType[type_name]
    weights, nbytes = gguf.GGML_QUANT_SIZES[kind]
    source = np.ascontiguousarray(rows, np.float32)
    target = np.zeros(source.size // weights * nbytes, np.uint8)
    matrix = None if importance is None else np.ascontiguousarray(importance, np.float32)
    written = call(
        int(kind), source.ctypes.data, target.ctypes.data, 0, *source.shape, None if matrix is None else matrix.ctypes.data
    )
    assert written == target.size
    return target.tobytes()
