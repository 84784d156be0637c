"""Models in memory with real key names, and everything that can be done to them, so that the truth is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hydrometer.checkpoint.source import Rows, TensorMeta

Floats = NDArray[np.float32]
Tensors = dict[str, Floats]

QWEN3 = {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]}


def bf16(x: NDArray[np.floating]) -> Floats:
    """Round to bfloat16, ties to even."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySource:
    """Arrays as a model; counts what is read of it."""

    arrays: Tensors
    config: Mapping[str, object] = field(default_factory=lambda: dict(QWEN3))
    label: str = "model"
    dtype: str = "BF16"
    blocks: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)
    reads: list[int] = field(default_factory=list)

    @property
    def tensors(self) -> dict[str, TensorMeta]:
        size = {"BF16": 2, "F16": 2, "F32": 4}[self.dtype]
        found = {}
        for name, array in self.arrays.items():
            dtype, nbytes, raw = self.dtype, size * array.size, True
            if name in self.blocks:
                dtype, nbytes, raw = self.blocks[name][0], len(self.blocks[name][1]), False
            found[name] = TensorMeta(name=name, dtype=dtype, shape=array.shape, nbytes=nbytes, raw=raw)
        return found

    def values(self, name: str, start: int, stop: int) -> Rows:
        array = self.arrays[name]
        rows = array.reshape(array.shape[0] if array.ndim else 1, -1)
        found = np.ascontiguousarray(rows[start:stop])
        self.reads.append(found.nbytes)
        return found

    def bits(self, name: str, start: int, stop: int) -> bytes:
        if name in self.blocks:
            raw = self.blocks[name][1]
            row = len(raw) // self.arrays[name].shape[0]
            return raw[start * row : stop * row]
        array = self.values(name, start, stop)
        if self.dtype == "F32":
            return array.tobytes()
        if self.dtype == "F16":
            return array.astype(np.float16).tobytes()
        return (array.view(np.uint32) >> 16).astype(np.uint16).tobytes()

    def close(self) -> None:
        pass


def model(
    rng: np.random.Generator, *, layers: int = 4, hidden: int = 256, inner: int = 512, vocab: int = 320
) -> Tensors:
    """Make a Qwen3 of random numbers: names and shapes are those of the class, norms are not constant."""
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocab, hidden)}
    for i in range(layers):
        at = f"model.layers.{i}."
        shapes |= {
            f"{at}self_attn.q_proj.weight": (hidden, hidden),
            f"{at}self_attn.k_proj.weight": (hidden // 2, hidden),
            f"{at}self_attn.v_proj.weight": (hidden // 2, hidden),
            f"{at}self_attn.o_proj.weight": (hidden, hidden),
            f"{at}mlp.gate_proj.weight": (inner, hidden),
            f"{at}mlp.up_proj.weight": (inner, hidden),
            f"{at}mlp.down_proj.weight": (hidden, inner),
            f"{at}input_layernorm.weight": (hidden,),
            f"{at}post_attention_layernorm.weight": (hidden,),
            f"{at}self_attn.q_norm.weight": (64,),
            f"{at}self_attn.k_norm.weight": (64,),
        }
    shapes |= {"model.norm.weight": (hidden,), "lm_head.weight": (vocab, hidden)}
    return {
        name: bf16(rng.normal(1.0 if len(s) == 1 else 0.0, 0.02, s).astype(np.float32)) for name, s in shapes.items()
    }


def changed(
    tensors: Tensors, step: Callable[[str, Floats], Floats | None], rounding: Callable[[Floats], Floats] = bf16
) -> Tensors:
    """Add something to every matrix for which `step` returns it."""
    found = {}
    for name, array in tensors.items():
        delta = step(name, array)
        found[name] = array if delta is None else rounding(array + delta)
    return found


def lora(rng: np.random.Generator, rank: int, rel: float, modules: tuple[str, ...] = ("q_proj", "v_proj")) -> Callable[[str, Floats], Floats | None]:
    """Make the step of a merged low-rank adapter of a given size relative to the weights."""

    def step(name: str, array: Floats) -> Floats | None:
        if not any(m in name for m in modules):
            return None
        delta = rng.normal(size=(array.shape[0], rank)) @ rng.normal(size=(rank, array.shape[1]))
        return (delta * (rel * np.linalg.norm(array) / np.linalg.norm(delta))).astype(np.float32)

    return step


def dense(rng: np.random.Generator, rel: float, *, share: float = 1.0) -> Callable[[str, Floats], Floats | None]:
    """Make the step of training on everything, or on a random share of the weights."""

    def step(name: str, array: Floats) -> Floats | None:
        if array.ndim < 2:
            return None
        delta = rng.normal(size=array.shape)
        if share < 1.0:
            delta *= rng.random(array.shape) < share
        return (delta * (rel * np.linalg.norm(array) / np.linalg.norm(delta))).astype(np.float32)

    return step


def source(tensors: Tensors, label: str = "model", **settings: object) -> MemorySource:
    """Wrap arrays."""
    return replace(MemorySource(arrays=tensors, label=label), **settings)  # type: ignore[arg-type]
