"""LoRA adapters over a base: PEFT folders and GGUF files, matched with the base's tensors.

What the rows cannot be computed for exactly is refused with the reason: adapters that rewrite the base when they are
loaded (PiSSA and its kin), that act only on some tokens, or whose layers are no matrices.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hydrometer.checkpoint.adapter import AdapterSource, LowRank
from hydrometer.checkpoint.folder import ADAPTER_FILE, AdapterInfo, lora_parts, match_adapter, open_adapter
from hydrometer.checkpoint.gguf_source import GgufSource, open_gguf
from hydrometer.checkpoint.header import show
from hydrometer.checkpoint.places import Folder
from hydrometer.checkpoint.safetensors_source import SafetensorsSource
from hydrometer.checkpoint.shards import Shards
from hydrometer.checkpoint.source import TensorMeta, TensorSource
from hydrometer.checkpoint.storage import Storage
from hydrometer.errors import ModelError

_REFUSED = (
    "fan_in_fan_out", "target_parameters", "layer_replication", "lora_bias", "trainable_token_indices", "use_qalora",
    "use_bdlora", "alora_invocation_tokens", "arrow_config", "kasa_config", "monteclora_config",
)  # fmt: skip
_REWRITES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
_PATTERN = re.compile(r"[\w.^$\\*+?()|\[\]-]{1,200}")
_KINDS = {
    "lora_A.weight": "A", "lora_B.weight": "B", "lora_embedding_A": "embedding_A", "lora_embedding_B": "embedding_B",
    "lora_magnitude_vector": "magnitude", "lora_magnitude_vector.weight": "magnitude", "weight": "replaced",
    "modules_to_save.weight": "replaced", "base_layer.weight": "replaced", "bias": "bias", "base_layer.bias": "bias",
    "modules_to_save.bias": "bias",
}  # fmt: skip


def open_peft(base: TensorSource, folder: Folder) -> AdapterSource:
    """Open a PEFT LoRA adapter over its base.

    Raises:
        ModelError: It is missing, damaged, made for another base, or of a kind whose rows cannot be computed.
    """
    info, file = open_adapter(folder)
    try:
        changes, replaced = _peft_changes(base, info)
    except BaseException:
        file.close()
        raise
    return AdapterSource(base, _peft_tensors(info, file), changes, replaced)


def _peft_changes(base: TensorSource, info: AdapterInfo) -> tuple[dict[str, LowRank], dict[str, str]]:
    """What is added to each tensor of the model, and what stands in the place of one."""
    _check_kind(info)
    shapes = _shapes(base)
    names = match_adapter(info, shapes)
    changes: dict[str, LowRank] = {}
    replaced: dict[str, str] = {}
    for module, parts in _parts(info).items():
        target, name = names[module], f"{names[module]}.weight"
        if name in changes or name in replaced or f"{target}.bias" in replaced:
            msg = f"{info.path}: two layers of the adapter are {show(target)} of the base: save it again"
            raise ModelError(msg)
        if "replaced" in parts:
            replaced[name] = parts["replaced"]
        if "bias" in parts:
            replaced[f"{target}.bias"] = parts["bias"]
        if parts.keys() - {"replaced", "bias"}:
            origin = name if name in base.tensors else _tied_to(base)
            shape = info.tensors[parts["replaced"]].shape if "replaced" in parts else shapes[name]
            changes[name] = replace(_peft_change(info, module, parts, shape), origin=origin)
    return changes, replaced


def open_gguf_lora(base: TensorSource, folder: Folder, name: str) -> AdapterSource:
    """Open a GGUF LoRA adapter over its GGUF base.

    Raises:
        ModelError: It is missing, damaged, no LoRA adapter, or made for another base.
    """
    adapter = open_gguf(folder, name)
    try:
        changes, remarks = _gguf_changes(base, adapter)
    except BaseException:
        adapter.close()
        raise
    return AdapterSource(base, adapter, changes, {}, remarks)


def _gguf_changes(base: TensorSource, adapter: GgufSource) -> tuple[dict[str, LowRank], tuple[str, ...]]:
    """What is added to each tensor of the model, and remarks."""
    path = adapter.label
    says = adapter.header.text
    if says("general.type") != "adapter" or says("adapter.type") != "lora":
        msg = f"{path!r} is not a GGUF LoRA adapter: convert it with convert_lora_to_gguf.py"
        raise ModelError(msg)
    theirs = base.config.get("general.architecture")
    if adapter.header.architecture != theirs:
        msg = f"{path!r} is an adapter for {adapter.header.architecture!r}, the base is {theirs!r}"
        raise ModelError(msg)
    alpha = adapter.header.metadata.get("adapter.lora.alpha", 0.0)
    if not isinstance(alpha, int | float) or not math.isfinite(alpha):
        msg = f"{path!r}: adapter.lora.alpha is {alpha!r}: convert the adapter again"
        raise ModelError(msg)
    changes: dict[str, LowRank] = {}
    norms = []
    for name in adapter.tensors:
        stem, dot, half = name.rpartition(".lora_")
        if not dot and name.endswith("_norm.weight"):
            norms.append(name)
        elif half not in {"a", "b"} or f"{stem}.lora_{'b' if half == 'a' else 'a'}" not in adapter.tensors:
            msg = f"{path!r}: {show(name)} is no half of a pair lora_a, lora_b: convert the adapter again"
            raise ModelError(msg)
        elif half == "b":
            changes[stem] = _gguf_change(base, adapter.tensors, stem, float(alpha), path)
    remarks = (
        (f"{len(norms)} norms in the adapter are not applied, as in llama.cpp, first {show(norms[0])}",)
        if norms
        else ()
    )
    return changes, remarks


def _check_kind(info: AdapterInfo) -> None:
    for key in _REFUSED:
        if info.config.get(key):
            msg = f"{info.path}: {key} is set: the rows of such an adapter cannot be computed: merge it first"
            raise ModelError(msg)
    start = info.config.get("init_lora_weights")
    if isinstance(start, str) and start.lower().startswith(_REWRITES_BASE):
        msg = (
            f"{info.path}: it begins with {start!r}, which rewrites the base when it is loaded: "
            "save it as plain LoRA, or merge it first"
        )
        raise ModelError(msg)


def _shapes(base: TensorSource) -> dict[str, tuple[int, ...]]:
    """Shapes by name; a tied head, which no file holds, has that of the embedding."""
    shapes = {name: meta.shape for name, meta in base.tensors.items()}
    if not any(name.endswith("lm_head.weight") for name in shapes) and (embedding := _tied_to(base)):
        shapes["lm_head.weight"] = shapes[embedding]
    return shapes


def _tied_to(base: TensorSource) -> str:
    return next((name for name in base.tensors if name.endswith("embed_tokens.weight")), "")


def _parts(info: AdapterInfo) -> dict[str, dict[str, str]]:
    """Tensors of each module by what they are."""
    found: dict[str, dict[str, str]] = {}
    for key in info.tensors:
        module, _ = lora_parts(key)
        kind = _KINDS.get(key.removeprefix(f"{module}.").replace(".default", ""))
        if kind is None or kind in found.get(module, {}):
            msg = f"{info.path}: it holds {show(key)}, which no plain LoRA adapter has: merge it first"
            raise ModelError(msg)
        found.setdefault(module, {})[kind] = key
    return found


def _peft_tensors(info: AdapterInfo, file: Storage) -> SafetensorsSource:
    tensors = {name: (ADAPTER_FILE, entry) for name, entry in info.tensors.items()}
    metas = {
        name: TensorMeta(name=name, dtype=entry.dtype, shape=entry.shape, nbytes=entry.nbytes)
        for name, entry in info.tensors.items()
    }
    shards = Shards(files={ADAPTER_FILE: file}, tensors=tensors, remarks=())
    return SafetensorsSource(label=str(info.path), config=info.config, tensors=metas, shards=shards)


def _peft_change(info: AdapterInfo, module: str, parts: Mapping[str, str], shape: tuple[int, ...]) -> LowRank:
    """The change of one layer, with the shapes of its factors checked; `origin` is left to the caller."""
    kind = "embedding_" if "embedding_A" in parts else ""
    a, b, magnitude = parts.get(f"{kind}A", ""), parts.get(f"{kind}B", ""), parts.get("magnitude", "")
    rank, scale = _scaling(info, module.removeprefix("base_model.model."))
    outputs, inputs = shape if len(shape) == 2 else (0, 0)
    given = [info.tensors[name].shape for name in (a, b) if name]
    wanted = [(rank, outputs), (inputs, rank)] if kind else [(rank, inputs), (outputs, rank)]
    if given != wanted:
        msg = (
            f"{info.path}: layer {show(module)} of shape {list(shape)} and rank {rank} needs factors of {wanted}, "
            f"the adapter has {given}: it belongs to another base, or is damaged"
        )
        raise ModelError(msg)
    if bool(magnitude) != bool(info.config.get("use_dora")) or (magnitude and kind):
        msg = (
            f"{info.path}: layer {show(module)} is DoRA by half, or of an embedding: merge the adapter first"
        )
        raise ModelError(msg)
    if magnitude and math.prod(info.tensors[magnitude].shape) != outputs:
        msg = f"{info.path}: the magnitude of {show(module)} does not have {outputs} values: save it again"
        raise ModelError(msg)
    if kind:
        return LowRank(left=a, left_turned=True, right=b, right_turned=True, scale=scale, origin="")
    return LowRank(left=b, right=a, scale=scale, magnitude=magnitude, origin="")


def _scaling(info: AdapterInfo, module: str) -> tuple[int, float]:
    """Rank and factor of a layer: alpha / r, or alpha / sqrt(r) (Kalajdzievski 2023, arXiv 2312.03732)."""
    rank = _patterned(info, "rank_pattern", module, info.config.get("r", 8))
    alpha = _patterned(info, "alpha_pattern", module, info.config.get("lora_alpha", 8))
    numbers = all(isinstance(v, int | float) and math.isfinite(v) for v in (rank, alpha))
    if not numbers or rank != int(rank) or not 1 <= rank <= 1 << 20:
        msg = f"{info.path}: layer {show(module)} has rank {rank!r} and alpha {alpha!r}: correct adapter_config.json"
        raise ModelError(msg)
    return int(rank), alpha / (math.sqrt(rank) if info.config.get("use_rslora") else rank)


def _patterned(info: AdapterInfo, key: str, module: str, otherwise: Any) -> Any:
    """The value of the first pattern that fits the end of a module's name, as PEFT chooses it."""
    patterns = info.config.get(key) or {}
    if not isinstance(patterns, dict):
        msg = f"{info.path}: {key} is no table: correct adapter_config.json"
        raise ModelError(msg)
    for pattern, value in patterns.items():
        if re.match(rf"(.*\.)?({_checked(info, pattern)})$", module):
            return value
    return otherwise


def _checked(info: AdapterInfo, pattern: str) -> str:
    """A pattern from a stranger's file, if it is one that cannot take forever."""
    repeats = sum(pattern.count(sign) for sign in "*+?{")
    if not _PATTERN.fullmatch(pattern) or repeats > 3 or re.search(r"\)[*+?{]|\\[1-9]", pattern):
        msg = f"{info.path}: the pattern {show(pattern)} is too much for a layer's name: merge the adapter first"
        raise ModelError(msg)
    try:
        with warnings.catch_warnings():
            # A bracket within brackets means another thing to later versions of Python.
            warnings.simplefilter("error", FutureWarning)
            re.compile(pattern)
    except (re.error, FutureWarning) as error:
        msg = (
            f"{info.path}: the pattern {show(pattern)} is no regular expression: correct adapter_config.json"
        )
        raise ModelError(msg) from error
    return pattern


def _gguf_change(
    base: TensorSource, tensors: Mapping[str, TensorMeta], stem: str, alpha: float, where: str
) -> LowRank:
    """The change of one tensor; for the embedding, A is looked up by token and so stored the other way round."""
    a, b = tensors[f"{stem}.lora_a"], tensors[f"{stem}.lora_b"]
    meta = base.tensors.get(stem)
    shape = meta.shape if meta else ()
    rank = b.shape[-1]
    lead, (outputs, inputs) = shape[:-2], shape[-2:] if len(shape) in {2, 3} else (0, 0)
    # As llama.cpp scales: no alpha means no scale.
    scale = alpha / rank if alpha else 1.0
    if (a.shape, b.shape) == ((*lead, rank, inputs), (*lead, outputs, rank)):
        return LowRank(left=b.name, right=a.name, scale=scale, origin=stem)
    if (a.shape, b.shape) == ((outputs, rank), (inputs, rank)):
        return LowRank(left=a.name, right=b.name, right_turned=True, scale=scale, origin=stem)
    msg = f"{where!r} is an adapter for another base: {show(stem)} is {list(shape)} there, its halves do not fit"
    raise ModelError(msg)
