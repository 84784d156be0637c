"""What a tensor is: from its raw name to part, layer, role and expert, the same for every way to save a model.

The same weight is `model.layers.0.mlp.gate_proj.weight` in one folder, `model.language_model.layers.0...` in the next
(the class that saved it differs, the model does not) and `blk.0.ffn_gate.weight` in a GGUF file. Names are therefore
read from their end, prefixes that only say which class holds the model are dropped, and a stack of experts is taken
apart. A name that no table knows stays unknown: two models can still be compared where their raw names agree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_PREFIXES = ("base_model.model.", "language_model.", "model.")
_ATTENTION = tuple(f"self_attn.{part}_proj" for part in "qkvo")
_MLP = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
_SHARED = tuple(f"mlp.shared_expert.{part}_proj" for part in ("gate", "up", "down"))
_EXPERT = ("experts.gate_proj", "experts.up_proj", "experts.down_proj")

TABLES: Mapping[str, tuple[str, ...]] = {
    "llama": (*_ATTENTION, *_MLP, "input_layernorm", "post_attention_layernorm"),
    "qwen3": ("self_attn.q_norm", "self_attn.k_norm"),
    "qwen3_moe": ("mlp.gate", *_SHARED, "mlp.shared_expert_gate"),
    "qwen3_5": (
        *(f"linear_attn.in_proj_{part}" for part in ("qkv", "z", "b", "a")),
        *(f"linear_attn.{part}" for part in ("conv1d", "A_log", "dt_bias", "norm", "out_proj")),
    ),
    "qwen3_next": ("linear_attn.in_proj_qkvz", "linear_attn.in_proj_ba"),
    "gemma3": ("pre_feedforward_layernorm", "post_feedforward_layernorm"),
    "gemma4": (
        "layer_scalar",
        *(f"{side}_feedforward_layernorm_{number}" for side in ("pre", "post") for number in (1, 2)),
        *("per_layer_input_gate", "per_layer_projection", "post_per_layer_input_norm"),
        *("router.proj", "router.scale", "router.per_expert_scale"),
    ),
}
"""Roles within a layer that each architecture adds to those before it; Mistral, Qwen2 and SmolLM are `llama`."""

_LAYER_ROLES = frozenset(role for roles in TABLES.values() for role in roles)
_TOP_ROLES = frozenset(
    ("embed_tokens", "norm", "lm_head", "embed_tokens_per_layer", "per_layer_model_projection",
     "per_layer_projection_norm")
)  # fmt: skip
_MTP_ROLES = frozenset(
    ("fc", "norm", "pre_fc_norm_embedding", "pre_fc_norm_hidden", "embed_tokens", "lm_head")
)
_TOWERS = {
    "visual": "vision", "vision_tower": "vision", "vision_model": "vision", "embed_vision": "vision",
    "multi_modal_projector": "vision", "vision_embedder": "vision", "audio_tower": "audio", "embed_audio": "audio",
}  # fmt: skip

_GGUF_TOP = {
    "token_embd": "embed_tokens", "output": "lm_head", "output_norm": "norm",
    "per_layer_token_embd": "embed_tokens_per_layer", "per_layer_model_proj": "per_layer_model_projection",
    "per_layer_proj_norm": "per_layer_projection_norm",
}  # fmt: skip
_GGUF_LAYER = {
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    "post_attention_norm": "post_attention_layernorm", "attn_output": "self_attn.o_proj",
    **{f"attn_{part}": f"self_attn.{part}_proj" for part in "qkv"},
    **{f"attn_{part}_norm": f"self_attn.{part}_norm" for part in "qk"},
    **{f"ffn_{part}": f"mlp.{part}_proj" for part in ("gate", "up", "down")},
    **{f"ffn_{part}_shexp": f"mlp.shared_expert.{part}_proj" for part in ("gate", "up", "down")},
    "ffn_gate_inp": "mlp.gate", "ffn_gate_inp_shexp": "mlp.shared_expert_gate",
}  # fmt: skip
_GGUF_GEMMA = {
    "ffn_norm": "pre_feedforward_layernorm", "post_ffw_norm": "post_feedforward_layernorm",
    "ffn_gate_inp": "router.proj", "pre_ffw_norm_2": "pre_feedforward_layernorm_2",
    "post_ffw_norm_1": "post_feedforward_layernorm_1", "post_ffw_norm_2": "post_feedforward_layernorm_2",
    "layer_output_scale": "layer_scalar", "inp_gate": "per_layer_input_gate", "proj": "per_layer_projection",
    "post_norm": "post_per_layer_input_norm",
}  # fmt: skip
_GGUF_NEXTN = {
    "eh_proj": "fc", "enorm": "pre_fc_norm_embedding", "hnorm": "pre_fc_norm_hidden", "shared_head_norm": "norm",
    "embed_tokens": "embed_tokens", "shared_head_head": "lm_head",
}  # fmt: skip
# Converters to GGUF reorder heads, take logarithms or drop dimensions here: comparable with another GGUF file only.
_GGUF_ONLY = frozenset(
    ("attn_qkv", "attn_gate", "ssm_a", "ssm_conv1d", "ssm_dt", "ssm_norm", "ssm_beta", "ssm_alpha", "ssm_out",
     "ssm_in", "ssm_ba")
)  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """What a tensor is.

    Attributes:
        group: `text`, `mtp`, `vision` or `audio`; `""` for a name that no table knows.
        layer: Number of its layer, -1 outside of layers.
        role: What it does there, such as `self_attn.q_proj`; the raw name if no table knows it.
        expert: Number of its expert, -1 outside of experts.
    """

    group: str
    layer: int
    role: str
    expert: int = -1

    @property
    def known(self) -> bool:
        """Whether a table knows the name."""
        return self.group != ""

    def __str__(self) -> str:
        layer = f"layers.{self.layer}." if self.layer >= 0 else ""
        expert = f".{self.expert}" if self.expert >= 0 else ""
        group = "" if self.group in ("", "text") else f"{self.group}."
        return f"{group}{layer}{self.role}{expert}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One weight within a tensor: all of it, or an expert's share of a stack.

    Attributes:
        place: What it is.
        name: Raw name of the tensor that holds it.
        expert: Index along the stack's first dimension, -1 if the tensor is no stack.
        half: 0 or 1 for the first or second half of an expert's rows (gate and up in one tensor), -1 for all.
    """

    place: Place
    name: str
    expert: int = -1
    half: int = -1


def cuts(name: str, shape: tuple[int, ...], architecture: str = "") -> Iterator[Cut]:
    """Yield the weights that a tensor holds: one, or several for a stack of experts.

    Args:
        name: Raw name.
        shape: Sizes, (experts, outputs, inputs) for a stack.
        architecture: `general.architecture` of a GGUF file, `""` for names of safetensors files.
    """
    place = read_gguf_name(name, architecture) if architecture else read_name(name)
    stack = re.fullmatch(r"experts\.(gate_up_proj|gate_proj|up_proj|down_proj)", place.role)
    if stack is None or place.expert >= 0 or len(shape) != 3:
        yield Cut(place=place, name=name)
        return
    roles = ("gate_proj", "up_proj") if stack[1] == "gate_up_proj" else (stack[1],)
    for expert in range(shape[0]):
        for half, role in enumerate(roles):
            yield Cut(
                place=Place(place.group, place.layer, f"experts.{role}", expert),
                name=name,
                expert=expert,
                half=half if len(roles) == 2 else -1,
            )


def read_name(name: str) -> Place:
    """Return what a tensor of a safetensors file is.

    Args:
        name: Raw name, such as `model.language_model.layers.3.self_attn.q_proj.weight`.
    """
    short = name
    while short.startswith(_PREFIXES):
        short = short.split(".", 2)[2] if short.startswith("base_model.") else short.split(".", 1)[1]
    short = short.replace(".base_layer.", ".")
    head, _, rest = short.partition(".")
    if head in _TOWERS:
        return _tower(_TOWERS[head], short)
    group = "mtp" if head == "mtp" else "text"
    inner = rest if group == "mtp" else short
    place = _in_layer(group, inner)
    if place is None:
        role, tail = _split(inner)
        if role in (_MTP_ROLES if group == "mtp" else _TOP_ROLES):
            place = Place(group, -1, role + tail)
    return place or Place("", -1, name)


def read_gguf_name(name: str, architecture: str) -> Place:
    """Return what a tensor of a GGUF file is.

    Args:
        name: Raw name, such as `blk.3.attn_q.weight`.
        architecture: `general.architecture` of the file: what `ffn_norm` means depends on it.
    """
    if name.startswith(("v.", "mm.", "a.")):
        return Place("audio" if name.startswith("a.") else "vision", -1, name)
    short, tail = _split(name)
    if short in _GGUF_TOP:
        return Place("text", -1, _GGUF_TOP[short] + tail)
    found = re.fullmatch(r"blk\.(\d+)\.(.+)", short)
    if found is None:
        return Place("", -1, name)
    layer, leaf = int(found[1]), found[2]
    if leaf.startswith("nextn."):
        role = _GGUF_NEXTN.get(leaf.removeprefix("nextn."))
        return Place("mtp", -1, role + tail) if role else Place("", -1, name)
    experts = re.fullmatch(r"ffn_(gate_up|gate|up|down)_exps", leaf)
    if experts:
        return Place("text", layer, f"experts.{experts[1]}_proj" + tail)
    if leaf in _GGUF_ONLY:
        return Place("text", layer, f"gguf.{leaf}{tail}")
    gemma = _GGUF_GEMMA.get(leaf) if architecture.startswith("gemma") else None
    role = gemma or _GGUF_LAYER.get(leaf)
    return Place("text", layer, role + tail) if role else Place("", -1, name)


def added_to_norm(place: Place, architecture: str) -> float:
    """Return what the converter to GGUF added to a norm: 1 where the model multiplies by (1 + weight).

    Gemma up to 3 and Qwen3-Next, 3.5 and 3.6 keep their norms around zero in safetensors; Gemma 4 does not.
    """
    centred = architecture in ("gemma", "gemma2", "gemma3", "qwen3next", "qwen35", "qwen35moe")
    norm = place.group == "text" and place.role.endswith("norm") and not place.role.startswith("gguf.")
    return 1.0 if centred and norm else 0.0


def centred_norm(place: Place, config: Mapping[str, object]) -> bool:
    """Whether a norm multiplies by 1 + weight, its weight as safetensors files hold it.

    Args:
        place: The norm.
        config: `config.json`, or the metadata of a GGUF file.
    """
    inner = config.get("text_config")
    named = config.get("general.architecture") or config.get("model_type")
    family = str(named or (inner.get("model_type") if isinstance(inner, Mapping) else "")).replace("_", "")
    centred = family in ("gemma", "gemmatext") or family.startswith(("gemma2", "gemma3", "qwen3next", "qwen35"))
    return centred and place.group == "text" and not place.role.startswith("linear_attn.")


def _split(name: str) -> tuple[str, str]:
    """Name without `.weight`, and `.bias` if it is one."""
    if name.endswith(".weight"):
        return name.removesuffix(".weight"), ""
    return (name.removesuffix(".bias"), ".bias") if name.endswith(".bias") else (name, "")


def _in_layer(group: str, name: str) -> Place | None:
    found = re.fullmatch(r"layers\.(\d+)\.(.+)", name)
    if found is None:
        return None
    layer, (role, tail) = int(found[1]), _split(found[2])
    experts = re.fullmatch(r"(?:mlp\.)?experts\.(?:(\d+)\.)?(gate_up_proj|gate_proj|up_proj|down_proj)", role)
    if experts:
        expert = int(experts[1]) if experts[1] else -1
        return Place(group, layer, f"experts.{experts[2]}" + tail, expert)
    return Place(group, layer, role + tail) if role in _LAYER_ROLES else None


def _tower(group: str, name: str) -> Place:
    """Every tensor of a vision or audio tower is known by its path; only the layer is taken out of it."""
    found = re.fullmatch(r"(.*\b(?:layers|blocks)\.)(\d+)\.(.+)", name)
    role, tail = _split(found[3] if found else name)
    return Place(group, int(found[2]) if found else -1, role + tail)
