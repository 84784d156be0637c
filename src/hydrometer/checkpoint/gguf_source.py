"""Tensors of a GGUF model, in one file or split over several, read row by row and dequantised.

A stack of experts is one tensor of three dimensions (experts, outputs, inputs), as in the file: its rows are experts.
Blocks that share a scale are turned into numbers by the `gguf` package, a piece at a time.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from hydrometer.checkpoint.gguf import TYPES, GgufHeader, TensorInfo, read_table
from hydrometer.checkpoint.header import show
from hydrometer.checkpoint.numbers import can_decode, decode
from hydrometer.checkpoint.places import Folder
from hydrometer.checkpoint.source import Rows, TensorMeta, Wanted, check_rows
from hydrometer.checkpoint.storage import Span, Storage
from hydrometer.errors import MissingPackageError, ModelError

_BLOCKS = {name: (weights, nbytes) for name, weights, nbytes in TYPES.values()}
_PIECE = 1 << 20
"""Weights dequantised at a time: the package needs several times their size on the way."""

_SPLIT = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.gguf", re.DOTALL)
_MAX_PARTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a tensor lies: part, format and first byte in that file."""

    part: int
    type_name: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufSource:
    """A GGUF model as a `TensorSource`.

    Memory: the metadata with the vocabulary, and what a call returns; dequantising adds the blocks and about 30 MB.

    Attributes:
        label: Short name for tables.
        header: Header of the first file.
        tensors: All tensors by raw name; shapes are (outputs, inputs), the reverse of the file's order.
        parts: The open files.
    """

    label: str
    header: GgufHeader = field(repr=False)
    tensors: Mapping[str, TensorMeta] = field(repr=False)
    parts: tuple[Storage, ...]
    places: Mapping[str, _Place] = field(repr=False)

    @property
    def config(self) -> Mapping[str, object]:
        """Metadata of the first file, which has that of the model."""
        return self.header.metadata

    def values(self, name: str, start: int, stop: int) -> Rows:
        """Return rows as float32, shape (stop - start, width), dequantised where needed.

        Raises:
            ModelError: The bytes cannot be read, or the format cannot be dequantised.
            MissingPackageError: The format needs the `gguf` package.
        """
        meta = self.tensors[name]
        check_rows(meta, start, stop)
        first, last = start * meta.width, stop * meta.width
        # Only a vector can have rows of less than a block: whole blocks are read, and their ends cut off.
        block = _BLOCKS[meta.dtype][0]
        low, high = first // block * block, -(-last // block) * block
        place = self.places[name]
        raw = self.parts[place.part].read(*_span(place, low, high))
        found = _numbers(meta.dtype, raw, f"{self.label}: {show(name)}")
        return found[first - low : last - low].reshape(stop - start, meta.width)

    def bits(self, name: str, start: int, stop: int) -> bytes:
        """Return the bytes of rows as stored.

        Raises:
            ModelError: They cannot be read, or do not begin and end with a block.
        """
        part, span = self._rows(name, start, stop)
        return self.parts[part].read(*span)

    def prefetch(self, wanted: Sequence[Wanted]) -> None:
        """Say which rows will be read soon."""
        spans: dict[int, list[Span]] = {}
        for name, start, stop in wanted:
            part, span = self._rows(name, start, stop)
            spans.setdefault(part, []).append(span)
        for part, places in spans.items():
            self.parts[part].prefetch(places)

    def close(self) -> None:
        """Close the files; calling it twice is harmless."""
        for part in self.parts:
            part.close()

    def _rows(self, name: str, start: int, stop: int) -> tuple[int, Span]:
        meta = self.tensors[name]
        check_rows(meta, start, stop)
        block = _BLOCKS[meta.dtype][0]
        if start * meta.width % block or stop * meta.width % block:
            msg = f"{self.label}: rows {start} to {stop} of {show(name)} ({meta.dtype}) are no whole blocks"
            raise ModelError(msg)
        place = self.places[name]
        return place.part, _span(place, start * meta.width, stop * meta.width)


def open_gguf(folder: Folder, name: str) -> GgufSource:
    """Open a GGUF file, with all its parts if it is split; reads the headers, no weights.

    Args:
        folder: Where it lies.
        name: The file, or any part of it.

    Raises:
        ModelError: A file is missing or damaged, or the parts do not belong together.
    """
    parts: list[Storage] = []
    headers: list[GgufHeader] = []
    try:
        for part in _part_names(folder, name):
            file = _open(folder, part)
            parts.append(file)
            headers.append(read_table(file))
        _check_split(parts, headers)
        tensors, places = _tables(parts, headers)
    except BaseException:
        for file in parts:
            file.close()
        raise
    return GgufSource(
        label=parts[0].label, header=headers[0], tensors=tensors, parts=tuple(parts), places=places
    )


def _open(folder: Folder, part: str) -> Storage:
    file = folder.open(part)
    if file is None:
        msg = f"{folder.label} has no {part}: finish the download, or check the path"
        raise ModelError(msg)
    return file


def _part_names(folder: Folder, name: str) -> list[str]:
    found = _SPLIT.fullmatch(name)
    if found is None:
        return [name]
    stem, number, count = found[1], int(found[2]), int(found[3])
    if not 1 <= number <= count <= _MAX_PARTS:
        msg = f"{folder.label}/{name}: no part {number} of {count}: give a file as the converter named it"
        raise ModelError(msg)
    return [f"{stem}-{part:05d}-of-{count:05d}.gguf" for part in range(1, count + 1)]


def _check_split(parts: Sequence[Storage], headers: Sequence[GgufHeader]) -> None:
    for number, (part, header) in enumerate(zip(parts, headers, strict=True)):
        count, claimed = header.metadata.get("split.count", 1), header.metadata.get("split.no", 0)
        if (count, claimed) != (len(parts), number):
            msg = (
                f"{part.label!r} says that it is part {claimed} of {count}, counted from 0, and is here part {number} "
                f"of {len(parts)}: give the files the names that the converter gave them, or download them again"
            )
            raise ModelError(msg)
    total = headers[0].metadata.get("split.tensors.count")
    here = sum(len(header.tensors) for header in headers)
    if len(parts) > 1 and total != here:
        msg = f"{parts[0].label!r} promises {total} tensors and its parts hold {here}: download them again"
        raise ModelError(msg)


def _tables(
    parts: Sequence[Storage], headers: Sequence[GgufHeader]
) -> tuple[dict[str, TensorMeta], dict[str, _Place]]:
    tensors: dict[str, TensorMeta] = {}
    places: dict[str, _Place] = {}
    for number, header in enumerate(headers):
        for info in header.tensors:
            if info.name in tensors:
                msg = (
                    f"{parts[number].label!r}: tensor {show(info.name)} is in two parts: download them again"
                )
                raise ModelError(msg)
            tensors[info.name] = _meta(info)
            offset = header.data_offset + info.offset
            places[info.name] = _Place(part=number, type_name=info.type_name, offset=offset)
    if not tensors:
        msg = f"{parts[0].label!r} holds no tensor: it is a vocabulary alone, give the model"
        raise ModelError(msg)
    return tensors, places


def _meta(info: TensorInfo) -> TensorMeta:
    return TensorMeta(
        name=info.name,
        dtype=info.type_name,
        shape=tuple(reversed(info.shape)),
        nbytes=info.nbytes,
        raw=can_decode(info.type_name),
    )


def _span(place: _Place, first: int, last: int) -> Span:
    """Bytes of the weights `first` to `last`, both at the edge of a block."""
    weights, nbytes = _BLOCKS[place.type_name]
    return place.offset + first // weights * nbytes, (last - first) // weights * nbytes


def _numbers(type_name: str, raw: bytes, where: str) -> Rows:
    if can_decode(type_name):
        return decode(type_name, raw)
    weights, nbytes = _BLOCKS[type_name]
    package = gguf_package()
    blocks = np.frombuffer(raw, np.uint8).reshape(-1, nbytes)
    found = np.empty(len(blocks) * weights, np.float32)
    step = max(1, _PIECE // weights)
    # Damaged blocks hold scales that are no numbers; what comes of them is counted as such, not warned about.
    with np.errstate(all="ignore"):
        for first in range(0, len(blocks), step):
            # As one row: the package calls its code once for every sixteen rows, whatever their length.
            try:
                part = package.dequantize(
                    blocks[first : first + step].reshape(1, -1),
                    getattr(package.GGMLQuantizationType, type_name),
                )
            except (AttributeError, NotImplementedError) as error:
                msg = f"{where} is {type_name}, which the installed gguf package cannot dequantise: use another file"
                raise ModelError(msg) from error
            found[first * weights : first * weights + part.size] = part.reshape(-1)
    return found


@cache
def gguf_package() -> Any:
    """The `gguf` package, loaded when blocks are read: headers and plain numbers do not need it."""
    try:
        return importlib.import_module("gguf")
    except ImportError as error:
        msg = "the gguf package, which dequantises, is not installed: pip install 'hydrometer[llamacpp]'"
        raise MissingPackageError(msg) from error
