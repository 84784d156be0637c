"""The files of a GGUF model, before anything is loaded: checks, window, memory of a window, digests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from hydrometer.canon import digest_file
from hydrometer.checkpoint.gguf import GgufHeader, TensorInfo, read_header
from hydrometer.engines.base import EngineSettings
from hydrometer.errors import ModelError
from hydrometer.spec import ModelRef

CONTEXT = 2048
"""Smallest window that is opened, unless the user or the model's training says less."""

_SAMPLING = {"temp": "temperature", "top_p": "top_p", "top_k": "top_k", "min_p": "min_p"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """The files of a model, checked: base, adapter if there is one, and their headers."""

    base: Path
    header: GgufHeader
    adapter: Path | None = None

    @property
    def label(self) -> str:
        """Short name for tables."""
        return self.base.stem + (f"+{self.adapter.stem}" if self.adapter else "")


def open_files(ref: ModelRef, settings: EngineSettings) -> ModelFiles:
    """Check the files that a reference names, and that there is a chat template.

    Raises:
        ModelError: A file is missing or damaged, the adapter belongs to another base, or there is no chat template.
    """
    if "hf://" in {ref.target[:5], ref.adapter[:5]}:
        msg = f"{ref.text!r}: llama.cpp needs files here: download them with `hf download`, then give their paths"
        raise ModelError(msg)
    base = Path(ref.target)
    header = read_header(base)
    _check_base(base, header)
    adapter = Path(ref.adapter) if ref.adapter else None
    if adapter is not None:
        check_adapter(adapter, read_header(adapter), header)
    if not (settings.chat_template or header.chat_template).strip():
        msg = (
            f"{ref.target!r} has no chat template, so it is a plain base model or a bad conversion: "
            "give one with --chat-template FILE"
        )
        raise ModelError(msg)
    return ModelFiles(base=base, header=header, adapter=adapter)


def check_adapter(path: Path, adapter: GgufHeader, base: GgufHeader) -> None:
    """Check that a GGUF LoRA adapter was made for a base.

    Raises:
        ModelError: It is no LoRA adapter, or a tensor does not fit the base.
    """
    if adapter.text("general.type") != "adapter" or adapter.text("adapter.type") != "lora":
        msg = f"{str(path)!r} is not a GGUF LoRA adapter: convert it with convert_lora_to_gguf.py"
        raise ModelError(msg)
    another = f"{str(path)!r} is an adapter for another base: "
    if adapter.architecture != base.architecture:
        msg = f"{another}its architecture is {adapter.architecture!r}, the base's {base.architecture!r}"
        raise ModelError(msg)
    mine = {tensor.name: tensor for tensor in adapter.tensors}
    theirs = {tensor.name: tensor for tensor in base.tensors}
    for name in mine:
        stem, _, half = name.rpartition(".lora_")
        if half in {"a", "b"}:
            fault = _misfit(stem, mine, theirs)
            if fault:
                raise ModelError(another + fault)


def window(header: GgufHeader, settings: EngineSettings) -> int:
    """Return the window to open in tokens: the one asked for or needed, up to what the model was trained for."""
    trained = header.context_length
    wanted = settings.context or max(CONTEXT, settings.window)
    return min(wanted, trained) if trained else wanted


def cell_bytes(header: GgufHeader) -> int:
    """Return the memory that one token of a window takes, with keys and values of 16 bits."""
    meta, arch = header.metadata, header.architecture

    def size(key: str, default: int) -> int:
        value = meta.get(f"{arch}.{key}")
        value = max(value) if isinstance(value, list) and value else value
        return value if isinstance(value, int) else default

    heads = size("attention.head_count", 1)
    width = size("embedding_length", 0) // max(heads, 1)
    per_head = size("attention.key_length", width) + size("attention.value_length", width)
    return size("block_count", 0) * size("attention.head_count_kv", heads) * per_head * 2


def memory() -> int:
    """Return the memory of this machine in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def file_digest(path: Path) -> str:
    """Return the digest of a file; an audit opens the same files three times, and large ones take long to hash."""
    found = path.stat()
    return _digest_once(path, (found.st_size, found.st_mtime_ns))


@lru_cache(maxsize=64)
def _digest_once(path: Path, _state: tuple[int, int]) -> str:
    """Hash once per state of a file: another size or time of change is another entry."""
    return digest_file(path)


def _check_base(path: Path, header: GgufHeader) -> None:
    kind = header.text("general.type") or "model"
    parts = header.metadata.get("split.count", 1)
    if kind == "adapter":
        msg = f"{str(path)!r} is an adapter, not a model: write BASE.gguf+{path.name}"
        raise ModelError(msg)
    if kind != "model" or not header.architecture or not header.tensors:
        msg = f"{str(path)!r} holds no language model (type {kind!r}, {len(header.tensors)} tensors)"
        raise ModelError(msg)
    if isinstance(parts, int) and parts > 1:
        # The digest of one part would not be the identity of the weights.
        msg = f"{str(path)!r} is one of {parts} parts: join them with llama-gguf-split --merge"
        raise ModelError(msg)


def _misfit(stem: str, mine: Mapping[str, TensorInfo], theirs: Mapping[str, TensorInfo]) -> str:
    """Say why the two halves behind `stem` do not fit the base, `""` if they do."""
    a, b, target = mine.get(f"{stem}.lora_a"), mine.get(f"{stem}.lora_b"), theirs.get(stem)
    if target is None:
        return f"the base has no tensor {stem!r}"
    if a is None or b is None:
        return f"tensor {stem!r} has only one of its two halves"
    # Embeddings are looked up, not multiplied: the two halves swap roles and the adapter stores `a` turned.
    lookup = stem.startswith("token_embd")
    left, right = (b.shape[1:2], a.shape[1:2]) if lookup else (a.shape[:1], b.shape[1:2])
    if left + right != target.shape[:2]:
        return f"tensor {stem!r} is {target.shape} in the base, its adapter makes {left + right}"
    if b.shape[:1] != (a.shape[:1] if lookup else a.shape[1:2]):
        return f"the two halves of tensor {stem!r} do not fit each other"
    return ""


def own_sampling(metadata: Mapping[str, Any]) -> dict[str, float]:
    """Return the sampling settings that a file recommends, under our names."""
    found = {ours: metadata.get(f"general.sampling.{theirs}") for theirs, ours in _SAMPLING.items()}
    return {name: float(value) for name, value in found.items() if isinstance(value, int | float)}
