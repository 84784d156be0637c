"""Models in memory, for tests: tensors with names and a config, stored as bfloat16 unless said otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hydrometer.checkpoint.source import Rows, TensorMeta, check_rows

Array = NDArray[np.float32]
_ITEM = {"BF16": 2, "F16": 2, "F32": 4, "F8_E4M3": 1}


def bf16(values: Array) -> Array:
    """Round to the nearest bfloat16, ties to even: the slow obvious way through integers."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32).astype(np.uint64)
    kept = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16
    return kept.astype(np.uint32).view(np.float32).reshape(values.shape)


@dataclass
class MemorySource:
    """A `TensorSource` over arrays."""

    arrays: Mapping[str, Array]
    config: Mapping[str, object] = field(default_factory=dict)
    label: str = "memory"
    dtype: str = "BF16"
    read: int = 0
    requests: int = 0

    def __post_init__(self) -> None:
        rounding = {"BF16": bf16, "F16": lambda a: a.astype(np.float16).astype(np.float32)}
        self.arrays = {
            name: rounding.get(self.dtype, lambda a: a)(np.asarray(array, np.float32))
            for name, array in self.arrays.items()
        }

    @property
    def tensors(self) -> Mapping[str, TensorMeta]:
        return {
            name: TensorMeta(name=name, dtype=self.dtype, shape=a.shape, nbytes=a.size * _ITEM[self.dtype])
            for name, a in self.arrays.items()
        }

    def values(self, name: str, start: int, stop: int) -> Rows:
        meta = self.tensors[name]
        check_rows(meta, start, stop)
        self.read += (stop - start) * meta.width * _ITEM[self.dtype]
        self.requests += 1
        return self.arrays[name].reshape(meta.rows, meta.width)[start:stop].copy()

    def bits(self, name: str, start: int, stop: int) -> bytes:
        rows = self.values(name, start, stop)
        if self.dtype == "BF16":
            return (rows.view(np.uint32) >> 16).astype(np.uint16).tobytes()
        return rows.astype(np.float16 if self.dtype == "F16" else np.float32).tobytes()

    def close(self) -> None:
        pass


def llama(seed: int, *, width: int = 64, ffn: int = 96, layers: int = 4, vocab: int = 80) -> dict[str, Array]:
    """Random tensors of a small Llama; norms at 1, as training starts with, and some that have moved."""
    rng = np.random.default_rng(seed)

    def matrix(rows: int, columns: int) -> Array:
        return bf16((rng.standard_normal((rows, columns)) * 0.05).astype(np.float32))

    found = {"model.embed_tokens.weight": matrix(vocab, width), "model.norm.weight": np.ones(width, np.float32)}
    for layer in range(layers):
        prefix = f"model.layers.{layer}."
        for part, rows in (("q", width), ("k", width // 2), ("v", width // 2), ("o", width)):
            found[f"{prefix}self_attn.{part}_proj.weight"] = matrix(rows, width)
        for part in ("gate", "up"):
            found[f"{prefix}mlp.{part}_proj.weight"] = matrix(ffn, width)
        found[f"{prefix}mlp.down_proj.weight"] = matrix(width, ffn)
        found[f"{prefix}input_layernorm.weight"] = np.ones(width, np.float32)
        found[f"{prefix}post_attention_layernorm.weight"] = bf16(1.0 + matrix(width, 1)[:, 0])
    return found


def moved(tensors: Mapping[str, Array], relative: float, seed: int = 1) -> dict[str, Array]:
    """Add noise of a relative size to every matrix."""
    rng = np.random.default_rng(seed)
    return {
        name: a + relative * np.linalg.norm(a) / np.sqrt(a.size) * rng.standard_normal(a.shape).astype(np.float32)
        if a.ndim > 1
        else a
        for name, a in tensors.items()
    }
