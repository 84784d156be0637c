from dataclasses import replace

import pytest

from hydrometer.errors import UsageError
from hydrometer.items import Thinking
from hydrometer.provenance import ModelIdentity
from hydrometer.sampling import GREEDY, PRESETS, choose, family_of
from hydrometer.spec import SamplingPolicy

PLAIN = ModelIdentity(label="m", weights="w", tokenizer="t", template="c", engine="hf", engine_version="1")


@pytest.mark.parametrize(
    ("architecture", "template", "label", "family"),
    [
        ("qwen3_5", "", "x", "qwen3.5"),
        ("qwen35moe", "{{ preserve_thinking }}", "x", "qwen3.6"),
        ("qwen35", "{{ preserve_thinking }}{{ reasoning_effort }}", "x", "qwen3.8"),
        ("qwen3_5", "", "Qwopus3.6-27B-v2", "qwen3.6"),
        ("Gemma4ForConditionalGeneration", "", "x", "gemma4"),
        ("llama", "", "SmolLM2", ""),
    ],
)
def test_families(architecture: str, template: str, label: str, family: str) -> None:
    assert family_of(architecture, template, label) == family


def test_auto_is_greedy_without_vendor_settings() -> None:
    assert [s.decoding for s in choose(SamplingPolicy.AUTO, PLAIN, PLAIN, Thinking.DEFAULT)] == [
        GREEDY,
        GREEDY,
    ]


def test_each_model_runs_as_its_maker_says() -> None:
    old, new = replace(PLAIN, family="qwen3.5"), replace(PLAIN, family="qwen3.6")
    base, student = choose(SamplingPolicy.AUTO, old, new, Thinking.ON)
    assert base.decoding.presence_penalty == 1.5
    assert student.decoding.presence_penalty == 0.0
    off = choose(SamplingPolicy.AUTO, old, new, Thinking.OFF)[0]
    assert off.decoding == PRESETS["qwen3.5", Thinking.OFF]


def test_generation_config_is_read() -> None:
    own = replace(PLAIN, default_sampling={"temperature": 0.6, "top_p": 0.9, "top_k": 20.0})
    sampling = choose(SamplingPolicy.VENDOR, own, own, Thinking.DEFAULT)[0]
    assert (sampling.decoding.temperature, sampling.decoding.top_k) == (0.6, 20)
    assert "generation_config" in sampling.source


def test_vendor_without_settings_is_refused() -> None:
    with pytest.raises(UsageError, match="--sampling greedy"):
        choose(SamplingPolicy.VENDOR, PLAIN, PLAIN, Thinking.DEFAULT)
