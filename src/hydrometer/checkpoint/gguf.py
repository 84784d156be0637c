"""Headers of GGUF files: metadata and tensor table, read without touching the weights.

The files come from anybody, so every length is checked against what is left of the file before anything is
allocated, and a damaged file is one `ModelError`, never a crash or a full memory.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from hydrometer.canon import digest
from hydrometer.checkpoint.header import show
from hydrometer.checkpoint.storage import Cursor, LocalFile, Storage
from hydrometer.errors import ModelError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
"""Readable versions; version 1, of the summer of 2023, had other length fields."""

# The largest vocabularies, with types, scores and merges, have 1.3 million values and 15 MB.
_MAX_HEADER = 48_000_000
_MAX_TEXT = 1 << 22
_MAX_VALUES = 3_000_000
_MAX_TENSORS = 200_000
_MAX_NAME = 512
_BUFFER = 1 << 22
_MAX_KEYS = 1 << 16
_MAX_DIMENSIONS = 4
_MAX_ALIGNMENT = 1 << 16

_SCALARS = {0: "<u1", 1: "<i1", 2: "<u2", 3: "<i2", 4: "<u4", 5: "<i4", 6: "<f4", 7: "|b1", 10: "<u8",
            11: "<i8", 12: "<f8"}  # fmt: skip
_TEXT, _ARRAY = 8, 9

TYPES: dict[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 40), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36), 41: ("Q1_0", 128, 18),
}  # fmt: skip
"""Tensor types by number: name, weights per block, bytes per block."""

Value = bool | int | float | str | list[Any]
"""A metadata value; lists hold values of one scalar type or texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorInfo:
    """One line of the tensor table.

    Attributes:
        name: Name, such as `blk.0.attn_q.weight`.
        shape: Sizes in the file's order, fastest-running dimension first: (inputs, outputs) of a matrix.
        type_name: Format of the weights, such as `Q4_1`.
        offset: First byte, counted from the start of the data.
        nbytes: Size in bytes.
    """

    name: str
    shape: tuple[int, ...]
    type_name: str
    offset: int
    nbytes: int

    @property
    def elements(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufHeader:
    """Everything a GGUF file says about itself.

    Attributes:
        version: Version of the format.
        architecture: Architecture name, such as `llama`; `""` if the file does not say.
        metadata: All keys with their values.
        tensors: The tensor table, in the file's order.
        data_offset: Where the tensors' data starts.
        file_size: Size of the whole file.
    """

    version: int
    architecture: str
    metadata: Mapping[str, Value]
    tensors: tuple[TensorInfo, ...]
    data_offset: int
    file_size: int

    @property
    def precision(self) -> str:
        """Format that holds most of the weights, `""` without tensors."""
        weights: Counter[str] = Counter()
        for tensor in self.tensors:
            weights[tensor.type_name] += tensor.elements
        return weights.most_common(1)[0][0] if weights else ""

    @property
    def parameters(self) -> int:
        """Number of weights in the file."""
        return sum(tensor.elements for tensor in self.tensors)

    @property
    def context_length(self) -> int:
        """Window the model was trained for, 0 if the file does not say."""
        value = self.metadata.get(f"{self.architecture}.context_length")
        return value if isinstance(value, int) and value > 0 else 0

    @property
    def chat_template(self) -> str:
        """Source of the chat template, `""` without one."""
        return self.text("tokenizer.chat_template")

    @property
    def bos_token(self) -> str:
        """Text of the beginning-of-sequence token, `""` without one."""
        return self._token("bos")

    @property
    def eos_token(self) -> str:
        """Text of the end-of-sequence token, `""` without one."""
        return self._token("eos")

    @property
    def tokenizer_digest(self) -> str:
        """Digest of all tokenizer metadata except chat templates, `""` without a tokenizer."""
        parts = {
            key: _finite(value)
            for key, value in self.metadata.items()
            if key.startswith("tokenizer.") and not key.startswith("tokenizer.chat_template")
        }
        return digest(parts) if parts else ""

    def text(self, key: str) -> str:
        """Return a text value, `""` if the key is missing or holds something else."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else ""

    def _token(self, name: str) -> str:
        index = self.metadata.get(f"tokenizer.ggml.{name}_token_id")
        tokens = self.metadata.get("tokenizer.ggml.tokens")
        if isinstance(index, int) and isinstance(tokens, list) and 0 <= index < len(tokens):
            return str(tokens[index])
        return ""


def read_header(path: Path) -> GgufHeader:
    """Read the header of a GGUF file and check it against the file's size.

    Raises:
        ModelError: The file is missing, not GGUF, damaged, cut off, or of a version that cannot be read.
    """
    with closing(LocalFile(path)) as file:
        return read_table(file)


def read_table(file: Storage) -> GgufHeader:
    """Read the header of an open GGUF file and check it against the file's size.

    Raises:
        ModelError: The file is not GGUF, damaged, cut off, or of a version that cannot be read.
    """
    return _Reader(file).header()


class _Reader:
    """Cursor over a file that never reads, and never allocates, beyond its end."""

    def __init__(self, file: Storage) -> None:
        self._label = file.label
        # Far files answer one request for each filling of the buffer.
        self._file = BufferedReader(Cursor(file), max(1, min(_BUFFER, file.size)))
        self._size = file.size
        self._left = file.size
        self._values = 0

    def header(self) -> GgufHeader:
        version = self._version()
        tensor_count = self._count("tensors", _MAX_TENSORS, smallest=24)
        key_count = self._count("metadata keys", _MAX_KEYS, smallest=13)
        metadata = self._metadata(key_count)
        table = [self._tensor() for _ in range(tensor_count)]
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 0 < alignment <= _MAX_ALIGNMENT or alignment & (alignment - 1):
            raise self._damaged(f"general.alignment is {alignment!r}, not a power of two")
        data_offset = -(-(self._size - self._left) // alignment) * alignment
        self._check_table(table, data_offset, alignment)
        architecture = metadata.get("general.architecture", "")
        return GgufHeader(
            version=version,
            architecture=architecture if isinstance(architecture, str) else "",
            metadata=metadata,
            tensors=tuple(table),
            data_offset=data_offset,
            file_size=self._size,
        )

    def _version(self) -> int:
        if self._size == 0:
            msg = f"{self._label!r} is empty: download it again"
            raise ModelError(msg)
        if self._size < len(MAGIC) or self._take(len(MAGIC)) != MAGIC:
            msg = f"{self._label!r} is not a GGUF file: it does not begin with 'GGUF'"
            raise ModelError(msg)
        version = self._u32()
        if version not in VERSIONS:
            swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
            kind = "big-endian GGUF" if swapped in VERSIONS else f"GGUF version {version}"
            msg = f"{self._label!r} is {kind}, which cannot be read: convert it to GGUF version 3"
            raise ModelError(msg)
        return version

    def _metadata(self, count: int) -> dict[str, Value]:
        metadata: dict[str, Value] = {}
        for _ in range(count):
            key = self._name("metadata key")
            if key in metadata:
                raise self._damaged(f"metadata key {show(key)} occurs twice")
            metadata[key] = self._value(key, self._u32())
        return metadata

    def _value(self, key: str, kind: int) -> Value:
        if kind in _SCALARS:
            return self._numbers(_SCALARS[kind], 1)[0]  # type: ignore[no-any-return]
        if kind == _TEXT:
            return self._text()
        if kind != _ARRAY:
            raise self._damaged(f"metadata key {show(key)} has the unknown type {kind}")
        item = self._u32()
        # Arrays of arrays are refused, as llama.cpp does: nothing writes them, and they could nest without end.
        if item not in _SCALARS and item != _TEXT:
            raise self._damaged(f"metadata key {show(key)} is an array of the unknown or nested type {item}")
        dtype = _SCALARS.get(item)
        smallest = np.dtype(dtype).itemsize if dtype else 8
        count = self._count(f"values of {show(key)}", _MAX_VALUES, smallest=smallest)
        # The sum counts too: many arrays, each below the limit, would otherwise fill the memory.
        self._values += count
        if self._values > _MAX_VALUES:
            raise self._damaged(f"more than {_MAX_VALUES} metadata values")
        return self._numbers(dtype, count) if dtype else [self._text() for _ in range(count)]

    def _numbers(self, dtype: str, count: int) -> list[Any]:
        kind = np.dtype(dtype)
        raw = self._take(kind.itemsize * count)
        if dtype == "|b1":
            return [byte != 0 for byte in raw]
        return list(np.frombuffer(raw, dtype=kind).tolist())

    def _tensor(self) -> TensorInfo:
        name = self._name("tensor name")
        if len(name) > _MAX_NAME or not name.isprintable():
            raise self._damaged(f"{show(name)} is no name for a tensor")
        dimensions = self._u32()
        if not 1 <= dimensions <= _MAX_DIMENSIONS:
            raise self._damaged(f"tensor {show(name)} has {dimensions} dimensions")
        shape = tuple(self._u64() for _ in range(dimensions))
        kind = self._u32()
        offset = self._u64()
        if kind not in TYPES:
            raise self._damaged(f"tensor {show(name)} has the unknown type {kind}; it may need a newer hydrometer")
        type_name, block, block_bytes = TYPES[kind]
        if min(shape) == 0 or shape[0] % block:
            raise self._damaged(f"tensor {show(name)} of shape {shape} cannot be stored as {type_name}")
        nbytes = math.prod(shape) // block * block_bytes
        return TensorInfo(name=name, shape=shape, type_name=type_name, offset=offset, nbytes=nbytes)

    def _check_table(self, table: Sequence[TensorInfo], data_offset: int, alignment: int) -> None:
        if len({tensor.name for tensor in table}) != len(table):
            raise self._damaged("two tensors have the same name")
        end = 0
        for tensor in sorted(table, key=lambda t: t.offset):
            if tensor.offset % alignment or tensor.offset < end:
                raise self._damaged(f"the data of tensor {show(tensor.name)} overlaps another's or is not aligned")
            end = tensor.offset + tensor.nbytes
        if data_offset + end > self._size and table:
            msg = (
                f"{self._label!r} is cut off or damaged: its tensors need {data_offset + end} bytes "
                f"and it has {self._size}: download it again"
            )
            raise ModelError(msg)

    def _take(self, n: int) -> bytes:
        if self._size - self._left + n > _MAX_HEADER:
            raise self._damaged(f"its header has more than {_MAX_HEADER} bytes")
        raw = self._file.read(n) if n <= self._left else b""
        if len(raw) != n:
            raise self._damaged("its header ends too early")
        self._left -= n
        return raw

    def _u32(self) -> int:
        return int(struct.unpack("<I", self._take(4))[0])

    def _u64(self) -> int:
        return int(struct.unpack("<Q", self._take(8))[0])

    def _count(self, what: str, most: int, *, smallest: int) -> int:
        count = self._u64()
        if count > most or count * smallest > self._left:
            raise self._damaged(f"it claims {count} {what}")
        return count

    def _text(self) -> str:
        length = self._u64()
        if length > _MAX_TEXT:
            raise self._damaged(f"it claims a text of {length} bytes")
        # Vocabularies may hold single bytes of a longer character; escapes keep different tokens different.
        return self._take(length).decode("utf-8", errors="backslashreplace")

    def _name(self, what: str) -> str:
        length = self._u64()
        if length > 65535:
            raise self._damaged(f"it claims a {what} of {length} bytes")
        try:
            return self._take(length).decode("utf-8")
        except UnicodeDecodeError:
            raise self._damaged(f"a {what} is not UTF-8") from None

    def _damaged(self, what: str) -> ModelError:
        return ModelError(f"{self._label!r} is cut off or damaged: {what}: download it again")


def _finite(value: Value) -> Value:
    """Write NaN and infinities as text, which canonical JSON can hold."""
    if isinstance(value, list):
        return [_finite(v) for v in value] if value and isinstance(value[0], float) else value
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
