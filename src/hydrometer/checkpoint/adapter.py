"""A base with a LoRA adapter as one model: rows of the base plus scale * B @ A, computed as they are asked for.

The sum is float32, as in an engine that keeps both apart; nothing is rounded to the base's own format. Sums of
products depend in the last bit on how many rows are asked at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hydrometer.checkpoint.source import Rows, TensorMeta, TensorSource, check_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class LowRank:
    """What an adapter adds to one tensor: scale * left @ right.

    Attributes:
        left: Tensor of the adapter, (rows, rank); `left_turned` if stored (rank, rows).
        right: Tensor of the adapter, (rank, width); `right_turned` if stored (width, rank).
        scale: Factor of the product.
        magnitude: Tensor with the length that each row gets in the end (DoRA), `""` for plain LoRA.
        origin: Tensor of the base that it is added to; for a tied head that is the embedding.
    """

    left: str
    right: str
    scale: float
    origin: str
    left_turned: bool = False
    right_turned: bool = False
    magnitude: str = ""


class AdapterSource:
    """A base with its adapter as a `TensorSource`.

    Memory: that of the base's rows, once more for the change, and one factor of the adapter, kept for the next rows
    of the same tensor.

    Args:
        base: The base.
        adapter: The adapter's own tensors.
        changes: Tensor of the model -> what is added to it.
        replaced: Tensor of the model -> tensor of the adapter that stands in its place.
        remarks: What is odd about the adapter and does no harm, one line each.
    """

    def __init__(
        self,
        base: TensorSource,
        adapter: TensorSource,
        changes: Mapping[str, LowRank],
        replaced: Mapping[str, str],
        remarks: tuple[str, ...] = (),
    ) -> None:
        self.base = base
        self.adapter = adapter
        self.changes = changes
        self.replaced = replaced
        self.remarks = remarks
        self.tensors = self._tables()
        self._kept: tuple[str, NDArray[np.float32]] = ("", np.empty((0, 0), np.float32))

    @property
    def label(self) -> str:
        """Base and adapter."""
        return f"{self.base.label}+{self.adapter.label}"

    @property
    def config(self) -> Mapping[str, object]:
        """That of the base."""
        return self.base.config

    def values(self, name: str, start: int, stop: int) -> Rows:
        """Return rows of the base with the adapter in it, float32, shape (stop - start, width).

        Raises:
            ModelError: The bytes cannot be read.
        """
        check_rows(self.tensors[name], start, stop)
        change = self.changes.get(name)
        if name in self.replaced:
            rows = self.adapter.values(self.replaced[name], start, stop)
        else:
            rows = self.base.values(change.origin if change else name, start, stop)
        if change is None:
            return rows
        rows = rows + self.delta(name, start, stop)
        return rows * self._lengths(change.magnitude, rows, start, stop) if change.magnitude else rows

    def delta(self, name: str, start: int, stop: int) -> Rows:
        """Return rows of scale * B @ A alone, zeros where the adapter adds nothing; without DoRA's lengths.

        Raises:
            ModelError: The bytes cannot be read.
        """
        meta = self.tensors[name]
        check_rows(meta, start, stop)
        change = self.changes.get(name)
        if change is None:
            return np.zeros((stop - start, meta.width), np.float32)
        if len(meta.shape) == 3:
            return self._stacked(meta, change, start, stop)
        right = self._factor(change.right, turned=change.right_turned)
        left = (
            self._whole(change.left).T[start:stop]
            if change.left_turned
            else self.adapter.values(change.left, start, stop)
        )
        # Damaged factors hold infinities; what comes of them is counted as such, not warned about.
        with np.errstate(all="ignore"):
            found: Rows = np.float32(change.scale) * (left @ right)
        return found

    def bits(self, name: str, start: int, stop: int) -> bytes:
        """Return the bytes of rows: as stored, or the float32 sum where the adapter changes them."""
        if name in self.changes:
            return self.values(name, start, stop).astype("<f4", copy=False).tobytes()
        if name in self.replaced:
            return self.adapter.bits(self.replaced[name], start, stop)
        return self.base.bits(name, start, stop)

    def close(self) -> None:
        """Close base and adapter; calling it twice is harmless."""
        self.base.close()
        self.adapter.close()

    def _tables(self) -> dict[str, TensorMeta]:
        tensors = dict(self.base.tensors)
        for name, mine in self.replaced.items():
            tensors[name] = replace(self.adapter.tensors[mine], name=name)
        for name, change in self.changes.items():
            meta = tensors.get(name) or tensors[change.origin]
            nbytes = 4 * meta.rows * meta.width
            tensors[name] = replace(meta, name=name, dtype="F32", nbytes=nbytes, raw=False)
        return tensors

    def _stacked(self, meta: TensorMeta, change: LowRank, start: int, stop: int) -> Rows:
        """Rows of a stack of experts: one product for each."""
        _, outputs, inputs = meta.shape
        found = np.empty((stop - start, outputs * inputs), np.float32)
        for i, expert in enumerate(range(start, stop)):
            left = self.adapter.values(change.left, expert, expert + 1).reshape(outputs, -1)
            right = self.adapter.values(change.right, expert, expert + 1).reshape(-1, inputs)
            with np.errstate(all="ignore"):
                found[i] = (np.float32(change.scale) * (left @ right)).reshape(-1)
        return found

    def _factor(self, name: str, *, turned: bool) -> NDArray[np.float32]:
        if self._kept[0] != name:
            whole = self._whole(name)
            self._kept = (name, np.ascontiguousarray(whole.T) if turned else whole)
        return self._kept[1]

    def _whole(self, name: str) -> NDArray[np.float32]:
        return self.adapter.values(name, 0, self.adapter.tensors[name].rows)

    def _lengths(self, magnitude: str, rows: Rows, start: int, stop: int) -> NDArray[np.float32]:
        """Factors that give each row its trained length (Liu et al. 2024, arXiv 2402.09353, equation 5)."""
        with np.errstate(all="ignore"):
            wanted = self._whole(magnitude).reshape(-1)[start:stop]
            factors: NDArray[np.float32] = (wanted / np.linalg.norm(rows, axis=1))[:, None]
        return factors

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": ("", np.empty((0, 0), np.float32))}
