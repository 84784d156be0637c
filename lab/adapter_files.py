"""The two files of one adapter: PEFT safetensors and llama.cpp GGUF, with the same numbers in both.

llama.cpp stores the query and key rows of this architecture in another order than transformers does (the
rotary halves interleaved), so the output side of their adapters is permuted on the way into GGUF. Leaving
that out loads without an error and answers nonsense.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

Array = NDArray[Any]

PEFT_FILE, CONFIG_FILE, GGUF_FILE = "adapter_model.safetensors", "adapter_config.json", "adapter.gguf"
PREFIX = "base_model.model.model.layers."
GGUF_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
HEADS = {"attn_q": 9, "attn_k": 3}
"""Attention heads of SmolLM2-135M per permuted projection."""


def write_peft(
    folder: Path, tensors: Mapping[str, Array], *, base: str, rank: int, alpha: int, targets: tuple[str, ...]
) -> None:
    """Write the adapter as PEFT reads it, in half precision.

    Args:
        folder: Where the two files go.
        tensors: PEFT names -> values.
        base: Hub id of the base model.
        rank: Rank of the adapter.
        alpha: Its scale times the rank.
        targets: Names of the adapted layers.
    """
    half = {name: np.ascontiguousarray(value, dtype=np.float16) for name, value in sorted(tensors.items())}
    save_file(half, folder / PEFT_FILE, metadata={"format": "pt"})
    (folder / PEFT_FILE).chmod(0o644)  # the library creates it for the owner alone
    config = {
        "base_model_name_or_path": base,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "peft_type": "LORA",
        "r": rank,
        "target_modules": sorted(targets),
        "task_type": "CAUSAL_LM",
    }
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n")


def write_gguf(folder: Path, *, base: str) -> None:
    """Write the folder's PEFT adapter once more as a GGUF file for llama.cpp.

    Args:
        folder: Holds the PEFT adapter; the GGUF file is put beside it.
        base: Name of the base model, for the file's metadata.
    """
    from gguf import GGUFType, GGUFWriter

    alpha = json.loads((folder / CONFIG_FILE).read_text())["lora_alpha"]
    writer = GGUFWriter(folder / GGUF_FILE, "llama")
    writer.add_type(GGUFType.ADAPTER)
    writer.add_string("general.base_model.0.name", base)
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(alpha))
    for name, value in to_gguf(load_file(folder / PEFT_FILE)).items():
        writer.add_tensor(name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def to_gguf(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Return the tensors under llama.cpp's names and in its row order.

    Raises:
        ValueError: A tensor that is no part of such an adapter.
    """
    out: dict[str, Array] = {}
    for name in sorted(tensors):
        layer, _, rest = name.removeprefix(PREFIX).partition(".")
        module, _, side = rest.removesuffix(".weight").rpartition(".")
        short, letter = GGUF_NAMES.get(module), {"lora_A": "a", "lora_B": "b"}.get(side)
        if not name.startswith(PREFIX) or short is None or letter is None:
            msg = f"tensor {name!r} is not a LoRA of a llama layer"
            raise ValueError(msg)
        value = tensors[name]
        if letter == "b" and short in HEADS:
            value = permute(value, HEADS[short])
        out[f"blk.{layer}.{short}.weight.lora_{letter}"] = np.ascontiguousarray(value)
    return out


def permute(rows: Array, heads: int) -> Array:
    """Interleave the two rotary halves of every head, from transformers' row order to llama.cpp's."""
    half = rows.shape[0] // heads // 2
    return rows.reshape(heads, 2, half, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)
