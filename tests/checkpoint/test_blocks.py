"""Quantised by llama.cpp's own code: a file made from the base is told from one made from a fine-tune."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from hydrometer.checkpoint import blocks, ggml
from hydrometer.checkpoint.blocks import NOISE, Codes, compare_codes
from hydrometer.checkpoint.inventory import take_inventory
from hydrometer.checkpoint.names import Place
from hydrometer.checkpoint.source import Rows, TensorMeta
from memory_source import Array, MemorySource, bf16

gguf = pytest.importorskip("gguf")
PLACE = Place("text", 0, "mlp.down_proj")
TYPES = ["Q8_0", "Q6_K", "Q5_K", "Q4_K", "Q5_0", "Q5_1", "Q4_0", "Q4_1"]
BASE = bf16((np.random.default_rng(0).standard_normal((256, 512)) * 0.02).astype(np.float32))


@dataclass
class Quantised:
    """One quantised matrix as a source."""

    raw: bytes
    dtype: str
    config: dict[str, object] = field(default_factory=lambda: {"general.architecture": "llama"})
    label: str = "quantised"

    @property
    def tensors(self) -> dict[str, TensorMeta]:
        name = "blk.0.ffn_down.weight"
        return {name: TensorMeta(name=name, dtype=self.dtype, shape=BASE.shape, nbytes=len(self.raw), raw=False)}

    def values(self, name: str, start: int, stop: int) -> Rows:
        raw = np.frombuffer(self.bits(name, start, stop), np.uint8).reshape(stop - start, -1)
        found: Rows = gguf.dequantize(raw, gguf.GGMLQuantizationType[self.dtype])
        return found

    def bits(self, name: str, start: int, stop: int) -> bytes:
        size = len(self.raw) // len(BASE)
        return self.raw[start * size : stop * size]

    def close(self) -> None:
        pass


def quantise(rows: Array, dtype: str, importance: Any = None) -> bytes:
    found = ggml.requantise(rows, dtype, importance)
    if found is None:
        pytest.skip("needs the library of the llamacpp extra")
    return found


def judge(original: Array, dtype: str, importance: Any = None, base: Array = BASE) -> Codes:
    student = take_inventory(Quantised(quantise(original, dtype, importance), dtype))
    ours = take_inventory(MemorySource({"model.layers.0.mlp.down_proj.weight": base}, dtype="F32"))
    found = compare_codes(ours, student, PLACE)
    assert found is not None
    return found


def tuned(relative: float) -> Array:
    noise = np.random.default_rng(1).standard_normal(BASE.shape).astype(np.float32)
    return bf16(BASE + noise * np.float32(relative * np.linalg.norm(BASE) / np.linalg.norm(noise)))


@pytest.mark.parametrize("dtype", TYPES)
def test_a_copy_of_the_base(dtype: str) -> None:
    found = judge(BASE, dtype)
    assert (found.origin, found.compared) == ("base", BASE.size)
    assert found.relative == pytest.approx(NOISE[dtype], rel=0.15)


@pytest.mark.parametrize("dtype", ["Q6_K", "Q5_K", "Q4_K"])
def test_an_importance_matrix_changes_nothing(dtype: str) -> None:
    importance = np.exp(np.random.default_rng(2).standard_normal(BASE.shape[1])).astype(np.float32)
    assert quantise(BASE, dtype, importance) != quantise(BASE, dtype)
    assert judge(BASE, dtype, importance).origin == "base"


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("relative", [1e-3, 1e-2])
def test_a_copy_of_a_fine_tune(dtype: str, relative: float) -> None:
    found = judge(tuned(relative), dtype)
    assert found.origin == "fine-tune"
    assert found.equal < 0.9995


@pytest.mark.parametrize("dtype", TYPES)
def test_a_copy_of_a_stranger(dtype: str) -> None:
    stranger = bf16((np.random.default_rng(9).standard_normal(BASE.shape) * 0.02).astype(np.float32))
    assert judge(stranger, dtype).origin == "unrelated"


@pytest.mark.parametrize("dtype", TYPES)
def test_grids_are_those_of_the_reference(dtype: str) -> None:
    """Value = step times a whole number within the range, plus offset, for random bytes."""
    rng = np.random.default_rng(3)
    size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[dtype]][1]
    raw = rng.integers(0, 256, (64, size), np.uint8)
    half = np.float16(0.01).tobytes()
    for start in {"Q6_K": (208,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q4_1": (0, 2), "Q5_1": (0, 2)}.get(dtype, (0,)):
        raw[:, start : start + 2] = np.frombuffer(half, np.uint8)
    values = gguf.dequantize(raw, gguf.GGMLQuantizationType[dtype])
    step, offset, low, high = blocks._GRIDS[dtype](raw)
    codes = (values - offset) / np.where(step == 0, 1, step)
    assert np.abs(codes - np.rint(codes)).max() < 1e-2
    assert (np.rint(codes).min(), np.rint(codes).max()) == (low, high)


def test_other_formats_are_left_out() -> None:
    student = take_inventory(MemorySource({"model.layers.0.mlp.down_proj.weight": BASE}))
    assert compare_codes(student, student, PLACE) is None


@pytest.mark.parametrize("dtype", ["Q8_0", "Q6_K", "Q4_K", "Q4_1"])
def test_a_base_of_four_bits(dtype: str) -> None:
    """It sits in the middle of every code of a 4-bit file: only bytes that come out again tell."""
    coarse = Quantised(quantise(BASE, "Q4_1"), "Q4_1").values("", 0, len(BASE))
    noise = np.random.default_rng(1).standard_normal(BASE.shape).astype(np.float32)
    trained = coarse + noise * np.float32(3e-3 * coarse.std())
    copy, other = judge(coarse, dtype, base=coarse), judge(trained, dtype, base=coarse)
    assert (copy.origin, other.origin) == ("base", "fine-tune")
    assert (copy.again, copy.plain) == (1.0, True)
    assert other.blind == (dtype in ("Q4_K", "Q4_1"))


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gguf package gives the same bytes for simple formats; searched scales need the file's own."""
    theirs = {dtype: quantise(BASE, dtype) for dtype in ggml.SIMPLE}
    mine = quantise(BASE, "Q6_K")
    monkeypatch.setattr(ggml, "_library", lambda: None)
    assert {dtype: ggml.requantise(BASE, dtype) for dtype in ggml.SIMPLE} == theirs
    assert ggml.requantise(BASE, "Q6_K") is None
    ours = take_inventory(MemorySource({"model.layers.0.mlp.down_proj.weight": BASE}))
    found = compare_codes(ours, take_inventory(Quantised(mine, "Q6_K")), PLACE)
    assert found is not None
    assert (found.origin, found.again) == ("base", -1.0)
