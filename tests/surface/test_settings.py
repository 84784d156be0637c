"""Stop tokens, sampling, window, rope and dtype: each loss planted once, in folders, GGUF files and across both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hydrometer.surface.settings import SettingsSide, compare_settings

IDS = {"<|endoftext|>": 0, "<|im_start|>": 1, "<|im_end|>": 2, "a": 3}
ROPE = {"rope_type": "default", "rope_theta": 1e7, "partial_rotary_factor": 0.25, "mrope_section": [11, 11, 10]}
TEXT = {"max_position_embeddings": 262144, "rope_parameters": ROPE, "rms_norm_eps": 1e-6, "num_experts_per_tok": 8}
FOLDER = SettingsSide(
    gguf=False,
    config={"model_type": "qwen3_5", "dtype": "bfloat16", "text_config": TEXT},
    generation={"eos_token_id": [2, 0], "temperature": 1.0, "top_k": 20, "top_p": 0.95, "do_sample": True},
    tokenizer_config={"model_max_length": 262144},
    special={"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    ids=IDS,
    dtype="BF16",
    turn_end="<|im_end|>\n",
)
META = {
    "general.architecture": "qwen35", "qwen35.context_length": 262144, "qwen35.rope.freq_base": 1e7,
    "qwen35.attention.layer_norm_rms_epsilon": 9.999999974752427e-07, "qwen35.expert_used_count": 8,
    "tokenizer.ggml.eos_token_id": 2, "tokenizer.ggml.padding_token_id": 0, "general.sampling.temp": 1.0,
    "general.sampling.top_k": 20,
}  # fmt: skip
GGUF = SettingsSide(gguf=True, config=META, generation=None, ids=IDS, dtype="Q4_K", turn_end="<|im_end|>\n")


def faults(base: SettingsSide, student: SettingsSide) -> dict[str, str]:
    return {f.name: f.text for f in compare_settings(base, student).findings if f.answer == "contradicted"}


def text(**changes: Any) -> SettingsSide:
    merged = {key: value for key, value in {**TEXT, **changes}.items() if value is not None}
    return replace(FOLDER, config={**FOLDER.config, "text_config": merged})


def generation(**changes: Any) -> SettingsSide:
    assert FOLDER.generation is not None
    return replace(FOLDER, generation={k: v for k, v in {**FOLDER.generation, **changes}.items() if v is not None})


@pytest.mark.parametrize(("base", "student"), [(FOLDER, FOLDER), (GGUF, GGUF), (FOLDER, GGUF), (GGUF, FOLDER)])
def test_a_clean_pair_raises_nothing(base: SettingsSide, student: SettingsSide) -> None:
    topic = compare_settings(base, student)
    assert topic.answer == "confirmed", topic
    assert not faults(base, student)
    assert {"stop tokens", "context", "architecture"} <= {f.name for f in topic.findings}


def test_the_older_way_of_writing_rope_means_the_same() -> None:
    older = {k: v for k, v in TEXT.items() if k != "rope_parameters"}
    older |= {"rope_theta": 10_000_000, "partial_rotary_factor": 0.25, "rope_scaling": {"type": "default", "mrope_section": [11, 11, 10]}}
    assert not faults(FOLDER, replace(FOLDER, config={**FOLDER.config, "text_config": older}))


LOSSES: dict[str, tuple[SettingsSide, str, str]] = {
    "eos list shortened": (generation(eos_token_id=0), "stop tokens", "which is no token to stop at"),
    "eos lost": (generation(eos_token_id=[2]), "stop tokens", "<|endoftext|> does not end"),
    "no generation config": (replace(FOLDER, generation=None), "sampling", "no generation_config.json"),
    "sampling lost": (generation(temperature=0.6, top_k=None), "sampling", "temperature 1 -> 0.6, top_k 20 -> nothing"),
    "pad is eos": (replace(FOLDER, special={"eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}), "padding", "never learns to stop"),
    "rope default": (text(rope_parameters={"rope_type": "default", "rope_theta": 10000.0}), "rope base", "1e+07 -> 10000"),
    "rope left out": (text(rope_parameters=None), "rope base", "the class has a default of its own"),
    "window": (text(max_position_embeddings=32768), "context", "shrank from 262,144 to 32,768"),
    "window grown": (text(max_position_embeddings=1_000_000), "context", "nothing was scaled"),
    "tokenizer cuts": (replace(FOLDER, tokenizer_config={"model_max_length": 8192}), "tokenizer's limit", "8,192"),
    "experts": (text(num_experts_per_tok=4), "experts per token", "8 -> 4"),
    "dtype": (replace(FOLDER, dtype="F16"), "dtype", "config.json says BF16, most weights are F16"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_each_loss_is_named(name: str) -> None:
    student, finding, words = LOSSES[name]
    assert words in faults(FOLDER, student)[finding]


def test_scaled_rope_is_named_and_explains_the_window() -> None:
    yarn = {**ROPE, "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 262144}
    base = text(rope_parameters=yarn, max_position_embeddings=1_048_576)
    assert "rope scaling" in faults(base, FOLDER)
    assert "context" not in faults(FOLDER, base)


@pytest.mark.parametrize(("base", "across"), [(GGUF, False), (FOLDER, True)])
def test_gguf_files_on_either_side(base: SettingsSide, across: bool) -> None:
    worse = replace(GGUF, config={**META, "qwen35.context_length": 32768, "qwen35.rope.freq_base": 10000.0, "general.sampling.temp": 0.2})
    assert set(faults(base, worse)) == {"context", "rope base", "sampling"}
    silent = replace(GGUF, config={k: v for k, v in META.items() if not k.startswith("general.sampling")})
    assert ("sampling" in faults(base, silent)) is not across


def test_a_reply_that_cannot_end_in_a_gguf_file() -> None:
    student = replace(GGUF, turn_end="<END>\n")
    assert "will not end" in faults(GGUF, student)["stop tokens"]


def test_gemmas_rope_by_kind_of_layer() -> None:
    kinds = {"full_attention": {"rope_type": "default", "rope_theta": 1e6}, "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}
    worse = {**kinds, "full_attention": {"rope_type": "default", "rope_theta": 1e4}}
    assert not faults(text(rope_parameters=kinds), text(rope_parameters=kinds))
    assert list(faults(text(rope_parameters=kinds), text(rope_parameters=worse))) == ["full_attention rope base"]


@pytest.mark.parametrize("config", [{}, {"text_config": 3}, {"text_config": {"rope_parameters": [1], "max_position_embeddings": "x"}}, {"eos_token_id": {"a": 1}}])
def test_nonsense_is_no_answer(config: dict[str, Any]) -> None:
    student = SettingsSide(gguf=False, config=config, generation={})
    assert compare_settings(student, student).answer == "not testable from files"


def test_numbers_larger_than_any_float_are_compared_and_strange_marks_escaped() -> None:
    huge = 10**400
    cut = replace(FOLDER, tokenizer_config={"model_max_length": huge})
    assert not faults(cut, cut)
    assert "temperature" in str(faults(FOLDER, generation(temperature=huge)))
    turned = text(rope_parameters={**ROPE, "rope_type": "\x1b[31mx\ny"})
    said = " ".join(finding.text for finding in compare_settings(turned, FOLDER).findings)
    assert "x1b" in said
    assert said.isprintable()
