"""Where tensors come from: one protocol over safetensors folders, GGUF files, adapters and repositories on a hub.

Readers hand out rows, never whole models: a comparison of two 27B checkpoints must run in a few hundred megabytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
Wanted = tuple[str, int, int]
"""Rows that will be read: name of the tensor, first row, row behind the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorMeta:
    """One tensor as its file describes it.

    Attributes:
        name: Raw name in the file.
        dtype: Format, such as `BF16` or `Q4_K`.
        shape: Sizes, slowest-running dimension first (outputs, inputs of a matrix), in every format.
        nbytes: Bytes of its data.
        raw: Whether rows can be compared bit by bit: false for blocks that only dequantise.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    raw: bool = True

    @property
    def rows(self) -> int:
        """Number of rows: the first dimension, 1 for a scalar."""
        return self.shape[0] if self.shape else 1

    @property
    def width(self) -> int:
        """Values per row."""
        size = 1
        for extent in self.shape[1:]:
            size *= extent
        return size


class TensorSource(Protocol):
    """Tensors of one model that can be read row by row. Safe to use from several processes after pickling."""

    @property
    def label(self) -> str:
        """Short name for tables."""
        ...

    @property
    def config(self) -> Mapping[str, object]:
        """`config.json`, or the metadata of a GGUF file."""
        ...

    @property
    def tensors(self) -> Mapping[str, TensorMeta]:
        """All tensors by raw name."""
        ...

    def values(self, name: str, start: int, stop: int) -> Rows:
        """Return rows as float32, shape (stop - start, width), dequantised where needed."""
        ...

    def bits(self, name: str, start: int, stop: int) -> bytes:
        """Return the bytes of rows as stored."""
        ...

    def close(self) -> None:
        """Close the files; calling it twice is harmless."""
        ...


@runtime_checkable
class Prefetching(Protocol):
    """A source that reads faster when it knows beforehand what will be asked, such as one at the end of a network."""

    def prefetch(self, wanted: Sequence[Wanted]) -> None:
        """Say which rows will be read soon."""
        ...


def prefetch(source: TensorSource, wanted: Sequence[Wanted]) -> None:
    """Tell a source which rows will be read soon, if it cares; nothing is returned and nothing changes.

    A repository on a hub then fetches them in few requests. Ask for at most 64 MB at a time, which it keeps.
    """
    if isinstance(source, Prefetching):
        source.prefetch(wanted)


@runtime_checkable
class Far(Protocol):
    """A source that may lie at the end of a network, where every request counts."""

    @property
    def far(self) -> bool:
        """Whether it does."""
        ...

    @property
    def requests(self) -> int:
        """Requests so far, redirects included."""
        ...

    def held(self, name: str) -> int:
        """Return how many rows from the first one on came along with what was asked before.

        Args:
            name: Raw name.
        """
        ...

    def stretches(self, names: Sequence[str]) -> list[list[str]]:
        """Return which of some tensors one request brings together, the most first; empty for files at hand.

        Args:
            names: Raw names.
        """
        ...


def stretches(source: TensorSource, names: Sequence[str]) -> list[list[str]]:
    """Return which of some tensors one request brings together, the most first; empty where that does not matter."""
    return source.stretches(names) if isinstance(source, Far) else []


def far_source(source: TensorSource) -> Far | None:
    """Return a source that lies at the end of a network, None for one at hand."""
    return source if isinstance(source, Far) and source.far else None


def check_rows(meta: TensorMeta, start: int, stop: int) -> None:
    """Raise IndexError unless a tensor has these rows."""
    if not 0 <= start <= stop <= meta.rows:
        msg = f"rows {start} to {stop} of {meta.name!r}, which has {meta.rows}"
        raise IndexError(msg)
