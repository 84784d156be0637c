"""Weights of 4 bits, two codes in a byte or eight in an integer, and which format they are packed in.

Read as numbers: NVFP4 as `compressed-tensors` writes it (a second factor that divides) and as ModelOpt does (one that
multiplies), MXFP4, and symmetric INT4 of `compressed-tensors`. Recognised only: AWQ, GPTQ, bitsandbytes, blocks of
gpt-oss, integers with zero points. Their codes run in another order, or need a table of their own; of them the answer
is that files cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hydrometer.checkpoint.header import TensorEntry
from hydrometer.checkpoint.numbers import decode
from hydrometer.checkpoint.source import Rows

_GROUPS = (16, 32, 64, 128, 256)
_RECOGNISED = {
    "_blocks": "MXFP4 in blocks of gpt-oss", ".weight_packed": "compressed-tensors", ".qweight": "AWQ or GPTQ",
    ".weight.absmax": "bitsandbytes",
}  # fmt: skip
_METHODS = {"awq": "AWQ", "gptq": "GPTQ", "auto-round": "AutoRound"}
_BESIDE = ("_scale", "_scale_2", "_global_scale", "_shape")
_INPUTS = ("input_scale", "input_global_scale")


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """How the codes of one weight become numbers.

    Attributes:
        format: `NVFP4`, `MXFP4` or `INT4`.
        codes: Tensor of the codes, (rows, bytes or integers).
        scales: Tensor of the scales, (rows, groups).
        overall: Tensor with one more factor for all, `""` without one.
        divides: Whether that factor divides.
        shape: Rows and width of the weight.
        beside: Further tensors that belong to it and are no weights.
    """

    format: str
    codes: str
    scales: str
    overall: str = ""
    divides: bool = False
    shape: tuple[int, int]
    beside: tuple[str, ...] = ()


def find_packed(entries: Mapping[str, TensorEntry], config: Mapping[str, object]) -> dict[str, Packed]:
    """Return the weights of 4 bits that can be read, under the names that they have unpacked.

    Args:
        entries: All tensors of a checkpoint.
        config: Its `config.json`.
    """
    found = {}
    for codes, entry in entries.items():
        name = codes.removesuffix("_packed")
        if name.endswith(".weight") and len(entry.shape) == 2 and (codes == name or name not in entries):
            packed = _floats(name, codes, entries) if entry.dtype == "U8" else _integers(name, codes, entries, config)
            if packed is not None:
                found[name] = packed
    return found


def unpack(packed: Packed, codes: bytes, scales: Rows, overall: float) -> Rows:
    """Return rows as float32, shape (rows, width).

    Args:
        packed: The weight.
        codes: The bytes of their codes.
        scales: Their scales, (rows, groups).
        overall: The factor for all, 1 without one.
    """
    numbers = decode("F4", codes) if packed.format != "INT4" else _nibbles(codes)
    rows: Rows = numbers.reshape(len(scales), packed.shape[1]) * spread(packed, scales, overall)
    return rows


def spread(packed: Packed, scales: Rows, overall: float) -> Rows:
    """Return the factor of every code.

    Args:
        packed: The weight.
        scales: Scales of some rows, (rows, groups).
        overall: The factor for all, 1 without one.
    """
    with np.errstate(all="ignore"):
        factors = scales / np.float32(overall) if packed.divides else scales * np.float32(overall)
    found: Rows = np.repeat(factors, packed.shape[1] // factors.shape[1], axis=1)
    return found


def packing(names: Iterable[str], config: Mapping[str, object]) -> str:
    """Return in words in which way weights are packed that cannot be read here, `""` if none are.

    Args:
        names: Raw names of tensors.
        config: The model's `config.json`.
    """
    found = {words for name in names for end, words in _RECOGNISED.items() if name.endswith(end)}
    quantised = config.get("quantization_config")
    method = quantised.get("quant_method") if isinstance(quantised, Mapping) else None
    if "AWQ or GPTQ" in found and str(method) in _METHODS:
        found = found - {"AWQ or GPTQ"} | {_METHODS[str(method)]}
    return ", ".join(sorted(found))


def _floats(name: str, codes: str, entries: Mapping[str, TensorEntry]) -> Packed | None:
    """NVFP4 and MXFP4: what scales it has says which."""
    rows, width = entries[codes].shape[0], 2 * entries[codes].shape[1]
    scales = entries.get(f"{name}_scale")
    if scales is None or not rows or not width:
        return None
    if scales.dtype in ("U8", "F8_E8M0") and scales.shape == (rows, width // 32) and width % 32 == 0:
        return _packed("MXFP4", name, codes, entries)
    if scales.dtype == "F8_E4M3" and scales.shape == (rows, width // 16) and width % 16 == 0:
        for end, divides in (("_global_scale", True), ("_scale_2", False)):
            one = entries.get(f"{name}{end}")
            if one is not None and one.dtype == "F32" and one.shape in ((), (1,)):
                return _packed("NVFP4", name, codes, entries, overall=f"{name}{end}", divides=divides)
    return None


def _integers(
    name: str, codes: str, entries: Mapping[str, TensorEntry], config: Mapping[str, object]
) -> Packed | None:
    """Eight codes of 4 bits in a 32-bit integer, the first in its lowest bits, each with 8 added."""
    entry, scales = entries[codes], entries.get(f"{name}_scale")
    rows, width = entry.shape[0], 8 * entry.shape[1]
    if codes == name or entry.dtype != "I32" or scales is None or f"{name}_zero_point" in entries or not rows:
        return None
    groups = scales.shape[1] if len(scales.shape) == 2 and scales.shape[0] == rows else 0
    fits = groups and width and width % groups == 0 and (groups == 1 or width // groups in _GROUPS)
    if not fits or scales.dtype not in ("BF16", "F16", "F32") or _bits(config) != {4}:
        return None
    return _packed("INT4", name, codes, entries)


def _packed(
    form: str, name: str, codes: str, entries: Mapping[str, TensorEntry], overall: str = "", *, divides: bool = False
) -> Packed:
    stem = name.removesuffix("weight")
    beside = [f"{name}{end}" for end in _BESIDE] + [f"{stem}{end}" for end in _INPUTS]
    rows, width = entries[codes].shape
    return Packed(
        format=form,
        codes=codes,
        scales=f"{name}_scale",
        overall=overall,
        divides=divides,
        shape=(rows, width * (8 if form == "INT4" else 2)),
        beside=tuple(one for one in beside if one in entries),
    )


def _bits(config: Mapping[str, object]) -> set[object]:
    """Bits of weights that the config names; every group must say the same."""
    quantised = config.get("quantization_config")
    groups = quantised.get("config_groups") if isinstance(quantised, Mapping) else None
    rows = groups.values() if isinstance(groups, Mapping) else ()
    weights = [row.get("weights") for row in rows if isinstance(row, Mapping)]
    return {w.get("num_bits") for w in weights if isinstance(w, Mapping) and isinstance(w.get("num_bits"), int)}


def _nibbles(codes: bytes) -> NDArray[np.float32]:
    raw = np.frombuffer(codes, np.uint8)
    found: NDArray[np.float32] = np.stack((raw & 15, raw >> 4), axis=-1).reshape(-1).astype(np.float32)
    return found - np.float32(8.0)
