"""Names of tensors: every tensor of the real architecture classes is known, whichever class or format saved it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from hydrometer.checkpoint.names import Place, added_to_norm, cuts, read_gguf_name, read_name

TEXT = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}
TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
GDN = {
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "full_attention_interval": 2,
}
MOE = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
    "shared_expert_intermediate_size": 16,
}
GEMMA = {
    "layer_types": ["sliding_attention", "full_attention"],
    "global_head_dim": 8,
    "hidden_size_per_layer_input": 4,
    "vocab_size_per_layer_input": 64,
}
GEMMA_MOE = {
    "enable_moe_block": True,
    "num_experts": 4,
    "top_k_experts": 2,
    "moe_intermediate_size": 16,
    "hidden_size_per_layer_input": 0,
}
# Class -> its options, and the GGUF architecture that it converts to.
CLASSES: dict[str, tuple[str, dict[str, Any], str]] = {
    "Llama": ("LlamaForCausalLM", {}, "LLAMA"),
    "Mistral": ("MistralForCausalLM", {}, "LLAMA"),
    "Qwen2": ("Qwen2ForCausalLM", {}, "QWEN2"),
    "Qwen3": ("Qwen3ForCausalLM", {}, "QWEN3"),
    "Gemma3Text": ("Gemma3ForCausalLM", {"layer_types": ["full_attention"] * 2}, "GEMMA3"),
    "Qwen3Next": ("Qwen3NextForCausalLM", {**GDN, **MOE}, "QWEN3NEXT"),
    "Qwen3_5Text": ("Qwen3_5ForCausalLM", GDN, "QWEN35"),
    "Qwen3_5MoeText": ("Qwen3_5MoeForCausalLM", {**GDN, **MOE}, "QWEN35MOE"),
    "Gemma4Text": ("Gemma4ForCausalLM", GEMMA, "GEMMA4"),
    "Gemma4Text-moe": ("Gemma4ForCausalLM", {**GEMMA, **GEMMA_MOE}, "GEMMA4"),
}


def tensors_of(name: str) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of a tiny instance, in memory."""
    torch = pytest.importorskip("torch")
    tf = pytest.importorskip("transformers")
    model_class, options, _ = CLASSES[name]
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore")
        config = getattr(tf, name.removesuffix("-moe") + "Config")(**{**TEXT, **TOKENS, **options})
        model = getattr(tf, model_class)(config)
    return {n: tuple(t.shape) for n, t in model.state_dict().items() if "rotary" not in n}


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_tensor_of_the_class_is_known(name: str) -> None:
    found = [cut.place for n, shape in tensors_of(name).items() for cut in cuts(n, shape)]
    assert found
    assert [place for place in found if not place.known] == []
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_names_of_gguf_files_mean_the_same(name: str) -> None:
    """The reference package says what each tensor is called in a GGUF file; both names must mean the same."""
    gguf = pytest.importorskip("gguf")
    architecture = gguf.MODEL_ARCH[CLASSES[name][2]]
    table = gguf.get_tensor_name_map(architecture, 2)
    word = gguf.MODEL_ARCH_NAMES[architecture]
    compared = 0
    for raw in tensors_of(name):
        stem = raw.removesuffix(".weight")
        theirs = table.get_name(stem, try_suffixes=(".bias",)) or table.get_name(raw, try_suffixes=(".weight",))
        if theirs is None:
            continue
        ours = read_gguf_name(theirs if theirs.endswith(".bias") else theirs + ".weight", word)
        assert ours.known, theirs
        if not ours.role.startswith("gguf."):
            assert ours == read_name(raw), theirs
            compared += 1
    assert compared >= 12


@pytest.mark.parametrize(
    "prefix", ["model.", "model.language_model.", "language_model.model.", "language_model.", "base_model.model.model."]
)
def test_prefixes_change_nothing(prefix: str) -> None:
    assert read_name(f"{prefix}layers.7.mlp.up_proj.weight") == Place("text", 7, "mlp.up_proj")
    assert read_name(f"{prefix}embed_tokens.weight") == Place("text", -1, "embed_tokens")


def experts(layout: str) -> Iterator[Place]:
    for name, shape in {
        "split": {f"model.layers.1.mlp.experts.{e}.{p}_proj.weight": (4, 8) for e in (0, 1) for p in ("gate", "up", "down")},
        "fused": {"model.layers.1.mlp.experts.gate_up_proj": (2, 8, 8), "model.layers.1.mlp.experts.down_proj": (2, 8, 4)},
        "gemma": {"model.layers.1.experts.gate_up_proj": (2, 8, 8), "model.layers.1.experts.down_proj": (2, 8, 4)},
    }[layout].items():  # fmt: skip
        yield from (cut.place for cut in cuts(name, shape))


def test_fused_and_split_experts_are_the_same_places() -> None:
    assert sorted(experts("split")) == sorted(experts("fused")) == sorted(experts("gemma"))
    gate, up = list(cuts("model.layers.0.mlp.experts.gate_up_proj", (1, 8, 4)))
    assert (gate.place.role, gate.expert, gate.half) == ("experts.gate_proj", 0, 0)
    assert (up.place.role, up.expert, up.half) == ("experts.up_proj", 0, 1)
    stacked = [cut.place for cut in cuts("blk.1.ffn_up_exps.weight", (2, 4, 8), "qwen35moe")]
    assert stacked == [Place("text", 1, "experts.up_proj", e) for e in (0, 1)]


def test_towers_and_the_head_for_several_tokens() -> None:
    assert read_name("model.visual.blocks.4.attn.qkv.weight") == Place("vision", 4, "attn.qkv")
    assert read_name("visual.blocks.4.attn.qkv.bias") == Place("vision", 4, "attn.qkv.bias")
    assert read_name("model.audio_tower.conv.weight").group == "audio"
    assert read_name("mtp.layers.0.self_attn.q_proj.weight") == Place("mtp", 0, "self_attn.q_proj")
    assert read_name("mtp.fc.weight") == Place("mtp", -1, "fc")
    assert read_gguf_name("blk.24.nextn.eh_proj.weight", "qwen35") == Place("mtp", -1, "fc")


def test_unknown_names_stay_unknown() -> None:
    for name in ("model.layers.0.mixer.weight", "transformer.h.0.attn.weight", "x"):
        assert not read_name(name).known
        assert read_name(name).role == name
    assert not read_gguf_name("blk.0.strange.weight", "llama").known


def test_norms_around_zero() -> None:
    norm = Place("text", 0, "input_layernorm")
    assert added_to_norm(norm, "qwen35") == added_to_norm(norm, "gemma3") == 1.0
    assert added_to_norm(norm, "gemma4") == added_to_norm(norm, "llama") == 0.0
    assert added_to_norm(Place("text", 0, "gguf.ssm_norm"), "qwen35") == 0.0
